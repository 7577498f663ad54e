"""PDFs as documents: offsets, boxes, metadata; and the real ones, each to the end that a person accepts."""

import io
from pathlib import Path

import pytest
from tests.command import Penstock
from tests.unit.adapters.pdf.test_reader import FOX, LEFT, RAIN, booktabs
from tests.unit.adapters.pdf.typeset import Sheet, pdf

from penstock.adapters.chunk import ChunkSettings, HaystackChunker
from penstock.adapters.parse import AutoParser, AutoSettings
from penstock.adapters.pdf.ocr import words_of
from penstock.adapters.pdf.words import Word
from penstock.errors import RejectedError
from penstock.records import Document, Table
from penstock.testing.factories import make_context, make_payload, make_resources

DATA = Path(__file__).parents[5] / "shared/data"
ENDS = {"", "needs_ocr", "pdf_broken", "pdf_empty", "pdf_encrypted", "pdf_too_large"}


def parsed(content: bytes) -> Document:
    parser = AutoParser(AutoSettings.model_validate({"pdf": {"ocr": "never"}}), make_resources(Path()))
    return parser.execute(make_context(), [make_payload(content, kind="pdf", document_id="file:paper.pdf")])


def paper() -> bytes:
    first = Sheet().line(80, 60, "A Study of Foxes", 20, bold=True).line(LEFT, 100, "1 Foxes", 14, bold=True)
    return pdf(
        first.prose(LEFT, 130, FOX, 80), booktabs().line(LEFT, 300, "2 Rain", 14, bold=True).prose(LEFT, 330, RAIN, 80)
    )


def test_sections_tables_and_boxes_lie_over_the_text() -> None:
    document = parsed(paper())
    table = "Table 1: Foxes counted by harbour.\nHarbour | Foxes | Dogs\nNorth | 12 | 3\nSouth | 7 | -"
    assert document.title == "A Study of Foxes"
    assert document.text == "\n\n".join((FOX, table, FOX, RAIN))
    assert [
        (each.title, each.level, each.page, document.text[each.start : each.end]) for each in document.sections
    ] == [
        ("1 Foxes", 1, 1, "\n\n".join((FOX, table, FOX))),
        ("2 Rain", 1, 2, RAIN),
    ]
    start = len(FOX) + 2
    rows = (("Harbour", "Foxes", "Dogs"), ("North", "12", "3"), ("South", "7", "-"))
    assert document.tables == (
        Table(start=start, end=start + len(table), rows=rows, caption="Table 1: Foxes counted by harbour.", page=2),
    )
    assert [(box.order, box.page, box.kind, document.text[box.start : box.end]) for box in document.boxes] == [
        (1, 1, "title", ""),
        (2, 1, "heading", ""),
        (3, 1, "text", FOX),
        (4, 2, "caption", "Table 1: Foxes counted by harbour."),
        (5, 2, "table", table.partition("\n")[2]),
        (6, 2, "text", FOX),
        (7, 2, "heading", ""),
        (8, 2, "text", RAIN),
    ]
    assert document.metadata == {"source": "file", "kind": "pdf", "pages": 2}


def test_chunks_of_a_pdf_tell_page_and_box() -> None:
    chunks = HaystackChunker(ChunkSettings(), make_resources(Path())).execute(make_context(), parsed(paper()))
    assert [(chunk.page, chunk.box.kind if chunk.box else "") for chunk in chunks] == [
        (1, "text"),
        (2, "caption"),
        (2, "text"),
        (2, "text"),
    ]


def test_the_same_bytes_give_the_same_document() -> None:
    assert parsed(paper()) == parsed(paper())


def test_what_the_file_says_of_itself_is_the_title_where_no_page_shows_one() -> None:
    assert parsed(pdf(Sheet().prose(LEFT, 100, FOX, 80), title="On Foxes")).title == "On Foxes"
    assert parsed(pdf(Sheet().prose(LEFT, 100, FOX, 80), title="Microsoft Word - fox.doc")).title == "paper"


def test_a_pdf_without_text_is_rejected() -> None:
    with pytest.raises(RejectedError, match=r"^PDF: no text on any page; at least one word would be right$"):
        parsed(pdf(Sheet()))


def test_an_encrypted_pdf_is_rejected_as_such() -> None:
    from pypdf import PdfWriter

    writer = PdfWriter(io.BytesIO(paper()))
    writer.encrypt("secret", algorithm="AES-256")
    writer.write(out := io.BytesIO())
    with pytest.raises(RejectedError, match=r"^PDF: encrypted; a PDF that opens without a password would be right$"):
        parsed(out.getvalue())


def test_words_of_a_recognised_page_share_their_line() -> None:
    head = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext"
    rows = ["4\t1\t1\t1\t1\t0\t0\t0\t500\t50\t-1\t", "5\t1\t1\t1\t1\t1\t100\t200\t100\t40\t96.1\tFox", *(
        "5\t1\t1\t1\t1\t2\t220\t210\t80\t30\t95.0\tran", "5\t1\t1\t1\t1\t3\t320\t210\t80\t30\t12.0\t~~",
    )]  # fmt: skip # a table: one entry a line would hide its shape
    assert words_of("\n".join([head, *rows]), 2.0) == [Word("Fox", 50, 100, 120, 18), Word("ran", 110, 150, 120, 18)]


def test_a_page_of_guesses_has_no_words() -> None:
    assert words_of("head\n5\t1\t1\t1\t1\t1\t100\t200\t100\t40\t41.0\tii", 2.0) == []


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["pdf-hostile", "pdf-scans"])
def test_every_real_pdf_ends_in_a_clear_state(folder: str, tmp_path: Path) -> None:
    if not (DATA / folder).is_dir():
        pytest.skip(f"{DATA / folder} is not here")
    paths = sorted((DATA / folder).glob("*.pdf"))
    value = Penstock.at(tmp_path, PATH="/nowhere").run("auto", *paths, codes=(0, 1))
    ends = {each["document"]: (each["stage"], each["status"], each["message"]) for each in value["failures"]}
    assert {stage for stage, _, _ in ends.values()} <= {"parse"}
    assert {status for _, status, _ in ends.values()} <= ENDS
    assert [name for name, (_, _, message) in ends.items() if not message.startswith("PDF: ")] == []
    done = len(paths) - len(ends)
    assert value["stages"][-1]["executed"] == done
