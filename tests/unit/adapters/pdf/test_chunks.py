"""Real PDFs in chunks: the document's own words, tables by rows, captions whole, a box on a page for each."""

from functools import cache
from pathlib import Path

import pytest

from penstock.adapters.chunk import ChunkSettings, HaystackChunker
from penstock.adapters.parse.pdf import parse
from penstock.adapters.pdf.settings import PDFSettings
from penstock.records import Chunk, Document
from penstock.testing.factories import make_context, make_payload, make_resources

DATA = Path(__file__).parents[5] / "shared/data"
PDFS = (
    "pdf-gt-docling/pdf/2206.01062v1-pg4.pdf",
    "pdf-gt-docling/pdf/2305.03393v1-pg9.pdf",
    "pdf-gt-docling/pdf/redp5110_sampled.pdf",
    "pdf-gt-docling/pdf-latex-twin/1706.03762v7.pdf",
    "pdf-science/2502.06786v3.pdf",
    "pdf-science/layout-parser-paper-with-table.pdf",
    "pdf-science/multicolumn.pdf",
    "pdf-science/tracemonkey.pdf",
)
EACH = pytest.mark.parametrize("name", PDFS)


@cache
def read(name: str) -> Document:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return parse(make_payload(path.read_bytes(), kind="pdf", document_id="file:paper.pdf"), PDFSettings(ocr="never"))


@cache
def cut(name: str, table_length: int = 300) -> list[Chunk]:
    settings = ChunkSettings(split_length=60, split_overlap=10, table_length=table_length)
    return HaystackChunker(settings, make_resources(Path())).execute(make_context(), read(name))


@EACH
def test_a_chunk_is_its_span_of_the_text_and_has_its_place(name: str) -> None:
    document, chunks = read(name), cut(name)
    assert [chunk for chunk in chunks if chunk.text != document.text[chunk.start : chunk.end]] == []
    assert [chunk for chunk in chunks if chunk.box is None or chunk.page != chunk.box.page] == []
    assert [chunk.start for chunk in chunks] == sorted(chunk.start for chunk in chunks)
    pages = {box.page for box in document.boxes if box.end > box.start}
    assert {chunk.page for chunk in chunks} <= pages


@EACH
def test_every_word_is_in_a_chunk(name: str) -> None:
    document = read(name)
    covered = bytearray(len(document.text))
    for chunk in cut(name):
        covered[chunk.start : chunk.end] = b"x" * (chunk.end - chunk.start)
    assert "".join(c for c, is_in in zip(document.text, covered, strict=True) if not is_in).strip() == ""


@EACH
@pytest.mark.parametrize("table_length", [20, 300])
def test_tables_are_cut_between_rows_alone(name: str, table_length: int) -> None:
    document = read(name)
    for table in document.tables:
        pieces = [chunk for chunk in cut(name, table_length) if table.start <= chunk.start < table.end]
        lines = document.text[table.start : table.end].splitlines()
        assert [line for piece in pieces for line in piece.text.splitlines()] == [
            line for line in lines if line.strip()
        ]
        assert all(piece.end <= table.end for piece in pieces)
        assert len({piece.page for piece in pieces}) == 1
        head = " | ".join(table.rows[0])[:400]
        assert all(head in piece.headings for piece in pieces[1:] if head.strip(" |"))


@EACH
def test_captions_are_whole(name: str) -> None:
    document, found = read(name), {(chunk.start, chunk.end) for chunk in cut(name)}
    assert [figure for figure in document.figures if (figure.start, figure.end) not in found] == []


@EACH
def test_the_box_of_a_chunk_is_around_its_first_words(name: str) -> None:
    boxes = sorted(read(name).boxes, key=lambda box: box.start)
    for chunk in cut(name):
        first = next(box for box in boxes if box.start < chunk.end and box.end > chunk.start)
        box = chunk.box
        assert box is not None
        assert box.page == first.page
        assert (box.x0 <= first.x0, box.y0 <= first.y0, box.x1 >= first.x1, box.y1 >= first.y1) == (True,) * 4
