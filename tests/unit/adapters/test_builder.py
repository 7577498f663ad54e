"""Blocks in, a document out: offsets are those of the text."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from penstock.adapters.parse.builder import DocumentBuilder, normalise
from penstock.records import Document, Figure, Section, Table
from penstock.testing.factories import make_payload


def builder() -> DocumentBuilder:
    return DocumentBuilder(make_payload(document_id="file:guides/setup.md"), format_name="text", version="1")


def sections(document: Document) -> list[tuple[tuple[str, ...], str]]:
    return [(each.path, document.text[each.start : each.end]) for each in document.sections]


def test_text_is_normalised_before_it_is_measured() -> None:
    assert normalise("\n\n  a \t\r\nb\r\rc\xa0d\n\n\n\n\ne\u0301 \x00\ufeff\n") == "  a\nb\n\nc d\n\n\xe9"


def test_a_section_runs_to_the_next_heading() -> None:
    made = builder()
    made.add("before")
    made.heading("One")
    made.add("first")
    made.add("second")
    made.heading("Sub", 2)
    made.add("third")
    made.heading("Two")
    made.add("fourth")
    document = made.build()
    assert document.text == "before\n\nfirst\n\nsecond\n\nthird\n\nfourth"
    assert document.sections == (
        Section(start=8, end=21, title="One", path=("One",), level=1),
        Section(start=23, end=28, title="Sub", path=("One", "Sub"), level=2),
        Section(start=30, end=36, title="Two", path=("Two",), level=1),
    )


def test_a_lone_first_heading_is_the_title_and_no_section() -> None:
    made = builder()
    made.heading("Setup")
    made.add("intro")
    made.heading("Install", 2)
    made.add("pip")
    document = made.build()
    assert (document.title, sections(document)) == ("Setup", [(("Install",), "pip")])


def test_a_heading_without_text_is_text() -> None:
    made = builder()
    made.heading("One")
    made.heading("Empty", 2)
    made.heading("Two")
    assert sections(made.build()) == [(("One", "Empty"), "Empty"), (("Two",), "Two")]


def test_levels_that_are_left_out_do_not_count() -> None:
    made = builder()
    made.heading("One", 1)
    made.add("a")
    made.heading("Deep", 4)
    made.add("b")
    made.heading("Two", 1)
    made.add("c")
    assert [(each.path, each.level) for each in made.build().sections] == [
        (("One",), 1),
        (("One", "Deep"), 2),
        (("Two",), 1),
    ]


def test_a_table_is_its_caption_and_a_line_for_each_row() -> None:
    made = builder()
    made.add("a")
    made.table([["x", "y\nz"], ["", ""], ["1", ""]], caption="Table 1")
    document = made.build()
    rows = (("x", "y z"), ("1", ""))
    assert document.tables == (Table(start=3, end=document.tables[0].end, rows=rows, caption="Table 1"),)
    assert document.text[3 : document.tables[0].end] == "Table 1\nx | y z\n1 |"


def test_a_figure_is_its_caption() -> None:
    made = builder()
    made.figure("")
    made.figure("Fig\n1")
    document = made.build()
    assert (document.text, document.figures) == ("Fig 1", (Figure(start=0, end=5, caption="Fig 1"),))


def test_a_document_without_text_has_its_title_for_text() -> None:
    document = builder().build("A title")
    assert (document.title, document.text) == ("A title", "A title")


def test_a_document_without_a_title_is_called_as_its_file() -> None:
    made = builder()
    made.add("x")
    assert made.build().title == "setup"


@given(st.lists(st.tuples(st.sampled_from(["heading", "add", "table", "figure"]), st.text(), st.integers(1, 6))))
def test_whatever_comes_offsets_hold_and_sections_stand_apart(blocks: list[tuple[str, str, int]]) -> None:
    made = builder()
    for what, text, level in blocks:
        if what == "heading":
            made.heading(text, level)
        elif what == "table":
            made.table([[text, text], [text]], text)
        else:
            getattr(made, what)(text)
    document = made.build()
    assert normalise(document.text) == document.text
    spans = [(each.start, each.end) for each in document.sections]
    assert spans == sorted(spans)
    assert all(0 <= start < end <= len(document.text) for start, end in spans)
    assert all(one[1] < other[0] for one, other in pairwise(spans))
    for each in document.tables:
        rendered = document.text[each.start : each.end].split("\n")[-len(each.rows) :]
        assert rendered == [" | ".join(row).strip() for row in each.rows]
    for figure in document.figures:
        assert document.text[figure.start : figure.end] == figure.caption
