from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from pydantic import ValidationError

from penstock.adapters.chunk import ChunkSettings, HaystackChunker
from penstock.adapters.chunk.sentences import sentence_spans
from penstock.errors import RejectedError
from penstock.records import Chunk, Document, Figure, LayoutBox, Section, Table
from penstock.testing.factories import make_context, make_document, make_resources


def chunker(**settings: object) -> HaystackChunker:
    return HaystackChunker(ChunkSettings.model_validate(settings), make_resources(Path()))


def cut(document: Document, **settings: object) -> list[Chunk]:
    return chunker(**settings).execute(make_context(), document)


def texts(chunks: list[Chunk]) -> list[str]:
    return [chunk.text for chunk in chunks]


def words(count: int) -> str:
    return " ".join(f"w{number}" for number in range(count))


def test_a_chunk_carries_all_that_is_known_of_its_span() -> None:
    text = "Aspirin lowers the risk."
    box = LayoutBox(page=3, x0=1.0, y0=2.0, x1=3.0, y1=4.0, start=0, end=len(text))
    document = make_document(
        text, sections=(Section(start=0, end=len(text), title="B", path=("A", "B"), page=3),), boxes=(box,)
    )
    [chunk] = cut(document)
    assert chunk == Chunk(
        chunk_id="file:paper.md#0-cb9c8e796491",
        document_id="file:paper.md",
        tenant_id="default",
        text=text,
        start=0,
        end=len(text),
        index=0,
        title="Aspirin after a heart attack",
        headings=("A", "B"),
        page=3,
        box=box,
        source="file",
        raw=document.provenance.raw,
        parser="auto/markdown/1",
        chunker=f"haystack/3 (haystack-ai {version('haystack-ai')})",
        metadata={"source": "file", "year": 2020},
    )


def test_windows_of_words_overlap() -> None:
    assert texts(cut(make_document(words(7)), split_length=4, split_overlap=1)) == ["w0 w1 w2 w3", "w3 w4 w5 w6"]


def test_line_ends_divide_words_too() -> None:
    assert texts(cut(make_document("a b\nc\td e"), split_length=3, split_overlap=0)) == ["a b\nc", "d e"]


def test_no_chunk_reaches_across_two_sections() -> None:
    chunks = cut(make_document())
    assert [chunk.headings for chunk in chunks] == [("Background",), ("Methods",)]


def test_text_outside_of_every_section_is_kept() -> None:
    document = make_document("before inside after", sections=(Section(start=7, end=13, title="S", path=("S",)),))
    assert [(chunk.text, chunk.headings) for chunk in cut(document)] == [
        ("before", ()),
        ("inside", ("S",)),
        ("after", ()),
    ]


def test_sections_that_overlap_give_no_text_twice() -> None:
    document = make_document(
        "one two three four",
        sections=(Section(start=0, end=13, title="A", path=("A",)), Section(start=4, end=18, title="B", path=("B",))),
    )
    assert texts(cut(document)) == ["one two three", "four"]


def test_a_table_is_never_cut_in_a_row() -> None:
    rows = [f"row {number} | {words(8)}" for number in range(5)]
    table = "\n".join(rows)
    text = f"Before.\n\n{table}\n\nAfter."
    start = text.index("row 0")
    document = make_document(text, tables=(Table(start=start, end=start + len(table), rows=(("x",),), page=2),))
    chunks = cut(document, split_length=25, split_overlap=5, table_length=25)
    assert [(chunk.text, chunk.page) for chunk in chunks] == [
        ("Before.", None),
        ("\n".join(rows[:2]), 2),
        ("\n".join(rows[2:4]), 2),
        (rows[4], 2),
        ("After.", None),
    ]


def test_pieces_of_a_table_have_its_head_above_them() -> None:
    rows = tuple((f"pump {number}", words(8)) for number in range(4))
    table = Table(start=0, end=0, rows=(("Pump", "Flow"), *rows), caption="Table 1. Flows.")
    text = "\n".join((table.caption, *(" | ".join(row) for row in table.rows)))
    section = Section(start=0, end=len(text), title="Results", path=("Results",))
    chunks = cut(make_document(text, tables=(replace(table, end=len(text)),), sections=(section,)), table_length=25)
    assert [chunk.headings for chunk in chunks] == [
        ("Results",),
        ("Results", "Table 1. Flows.", "Pump | Flow"),
        ("Results", "Table 1. Flows.", "Pump | Flow"),
    ]
    assert "\n".join(texts(chunks)) == text


def test_a_row_that_is_longer_than_a_chunk_may_be_is_one_all_the_same() -> None:
    row = " | ".join(words(40) for _ in range(9))
    text = f"a | b\n{row}\nc | d"
    document = make_document(text, tables=(Table(start=0, end=len(text), rows=(("a", "b"),)),))
    assert row in texts(cut(document, table_length=1, max_characters=100))


def test_a_table_and_a_caption_are_whole() -> None:
    table, caption, text = words(40), words(30), words(30)
    whole = "\n\n".join((text, table, caption, text))
    start, middle = len(text) + 2, len(text) + len(table) + 4
    document = make_document(
        whole,
        tables=(Table(start=start, end=start + len(table), rows=(("x",),)),),
        figures=(Figure(start=middle, end=middle + len(caption), caption=caption),),
    )
    assert texts(cut(document, split_length=35, split_overlap=0)) == [text, table, caption, text]


def test_a_chunk_tells_its_first_page_and_column() -> None:
    """Two columns on page 1, then page 2: the box is around what stands in the column where the chunk begins."""
    boxes = (
        LayoutBox(page=1, x0=50, y0=600, x1=290, y1=640, start=0, end=5, order=1),
        LayoutBox(page=1, x0=52, y0=650, x1=280, y1=700, start=7, end=12, order=2),
        LayoutBox(page=1, x0=310, y0=60, x1=550, y1=90, start=14, end=19, order=3),
        LayoutBox(page=2, x0=50, y0=60, x1=290, y1=90, start=21, end=25, order=4),
    )
    document = make_document("w0 w1\n\nw2 w3\n\nw4 w5\n\nw6 w", boxes=boxes)
    found = [(chunk.page, chunk.box) for chunk in cut(document, split_length=8, split_overlap=0)]
    assert found == [
        (1, LayoutBox(page=1, x0=50, y0=600, x1=290, y1=700, start=0, end=19, order=1)),
        (2, LayoutBox(page=2, x0=50, y0=60, x1=290, y1=90, start=21, end=25, order=4)),
    ]


def test_a_sentence_is_kept_whole() -> None:
    text = "Dr. Smith came at 3 p.m. today. He left! Was it late? Yes, e.g. past nine."
    assert texts(cut(make_document(text), split_by="sentence", split_length=2, split_overlap=0)) == [
        "Dr. Smith came at 3 p.m. today. He left!",
        "Was it late? Yes, e.g. past nine.",
    ]


def test_windows_of_words_can_end_where_a_sentence_ends() -> None:
    text = "One two three. Four five six. Seven eight nine."
    chunks = cut(make_document(text), split_length=7, split_overlap=0, respect_sentence_boundary=True)
    assert texts(chunks) == ["One two three. Four five six.", "Seven eight nine."]


def test_what_is_below_the_threshold_joins_the_chunk_before() -> None:
    assert texts(cut(make_document(words(9)), split_length=4, split_overlap=0, split_threshold=2)) == [
        "w0 w1 w2 w3",
        "w4 w5 w6 w7 w8",
    ]


def test_a_line_without_spaces_is_bounded() -> None:
    chunks = cut(make_document("x" * 250), max_characters=100)
    assert [(chunk.start, chunk.end) for chunk in chunks] == [(0, 100), (100, 200), (200, 250)]


@pytest.mark.parametrize("split_by", ["word", "sentence", "recursive"])
def test_repeated_text_keeps_its_own_offsets(split_by: str) -> None:
    document = make_document("Again and again. " * 40)
    chunks = cut(document, split_by=split_by, split_length=7, split_overlap=3)
    assert len({(chunk.start, chunk.end) for chunk in chunks}) == len(chunks)
    assert texts(chunks) == [document.text[chunk.start : chunk.end] for chunk in chunks]


def test_a_document_without_text_is_rejected() -> None:
    with pytest.raises(RejectedError) as error:
        cut(make_document(" \n "))
    assert str(error.value) == "document `file:paper.md`: no text to cut; a document needs at least one word"


@pytest.mark.parametrize(
    "settings",
    [
        {"split_length": 20, "split_overlap": 20},
        {"split_by": "line", "respect_sentence_boundary": True},
        {"size": 3},
        {"profiles": {"jats": {"size": 3}}},
        {"profiles": {"jats": {"split_length": 5}}},
        {"profiles": {"jats": {"split_by": "lines"}}},
    ],
    ids=["overlap", "boundary", "unknown", "unknown in a profile", "overlap in a profile", "unknown unit in a profile"],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ChunkSettings.model_validate(settings)


@given(st.text(alphabet="aB .!?\n。é\"'", max_size=200))
def test_sentences_cover_the_text(text: str) -> None:
    assert "".join(text[start:end] for start, end in sentence_spans(text)) == text


@given(
    text=st.text(alphabet="ab .\n\f\t\u00a0漢", max_size=120),
    split_by=st.sampled_from(["word", "sentence", "passage", "period", "line", "page", "recursive"]),
    length=st.integers(min_value=1, max_value=5),
    data=st.data(),
)
def test_every_chunk_is_its_span_and_no_word_is_lost(
    text: str, split_by: str, length: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(min_value=0, max_value=length - 1))
    if not text.strip():
        text = f"{text}word"
    chunks = cut(make_document(text), split_by=split_by, split_length=length, split_overlap=overlap)
    assert texts(chunks) == [text[chunk.start : chunk.end] for chunk in chunks]
    seen = {place for chunk in chunks for place in range(chunk.start, chunk.end)}
    assert [mark for place, mark in enumerate(text) if place not in seen and not mark.isspace()] == []
