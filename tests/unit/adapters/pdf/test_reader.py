"""The layout of pages: columns, paragraphs, headings, tables, figures, and what is left out."""

import pytest
from tests.unit.adapters.pdf.typeset import Sheet, pdf

from penstock.adapters.pdf.layout import Block, Layout
from penstock.adapters.pdf.reader import CPUReader
from penstock.adapters.pdf.settings import PDFSettings
from penstock.errors import RejectedError, StageTimeoutError

LEFT, RIGHT, COLUMN = 50.0, 320.0, 40
"""Where two columns of 40 characters stand."""
FOX = "The quick brown fox jumps over the lazy dog while the band plays on and nobody looks up from the table at all."
RAIN = "Rain fell on the harbour through the night and the boats lay low in the water until the morning came at last."

FOX_BEGUN, RAIN_BEGUN = FOX[: FOX.index(" while")], RAIN[: RAIN.index(" the boats")]


def read(*sheets: Sheet, **settings: object) -> Layout:
    return CPUReader(PDFSettings.model_validate({"ocr": "never"} | settings)).read(pdf(*sheets))


def told(layout: Layout) -> list[tuple[str, str]]:
    """Kind and text of every block."""
    return [(block.kind, block.caption or block.text) for block in layout.blocks]


def of_kind(layout: Layout, kind: str) -> list[Block]:
    return [block for block in layout.blocks if block.kind == kind]


def test_columns_are_read_one_after_the_other_and_titles_before_them() -> None:
    sheet = Sheet().line(80, 70, "A Study of Foxes and of Rain", 20, bold=True)
    sheet.prose(LEFT, 120, FOX, COLUMN).prose(RIGHT, 120, RAIN, COLUMN)
    sheet.prose(LEFT, 180, RAIN, COLUMN).prose(RIGHT, 180, FOX, COLUMN)
    assert told(read(sheet)) == [
        ("title", "A Study of Foxes and of Rain"),
        ("text", FOX),
        ("text", RAIN),
        ("text", RAIN),
        ("text", FOX),
    ]


def test_code_that_the_file_writes_row_by_row_stays_in_rows() -> None:
    sheet = Sheet()
    for number, (code, comment) in enumerate([("push a", "first"), ("call f, a, b", "then"), ("pop", "in the end")]):
        for row in range(2):
            y = 100 + 24 * number + 12 * row
            sheet.line(LEFT, y, f"{code} {'x' * 12}").line(RIGHT, y, f"; {comment} it is {row}")
    [block] = read(sheet).blocks
    first, second = "push a xxxxxxxxxxxx ; first it is 0", "push a xxxxxxxxxxxx ; first it is 1"
    assert " ".join(block.text.split()).startswith(f"{first} {second}")


def test_a_paragraph_goes_on_in_the_next_column_and_on_the_next_page() -> None:
    first = Sheet().prose(LEFT, 600, FOX_BEGUN, COLUMN).prose(RIGHT, 60, FOX[len(FOX_BEGUN) + 1 :], COLUMN)
    first.prose(LEFT, 60, RAIN, COLUMN).prose(RIGHT, 120, RAIN, COLUMN).prose(RIGHT, 600, RAIN_BEGUN, COLUMN)
    second = Sheet().prose(LEFT, 60, RAIN[len(RAIN_BEGUN) + 1 :], COLUMN)
    layout = read(first, second)
    assert told(layout) == [("text", RAIN), ("text", FOX), ("text", RAIN), ("text", RAIN)]
    assert [[(place.page, place.start, place.end) for place in block.places] for block in layout.blocks] == [
        [(1, 0, len(RAIN))],
        [(1, 0, len(FOX_BEGUN) + 1), (1, len(FOX_BEGUN) + 1, len(FOX))],
        [(1, 0, len(RAIN))],
        [(1, 0, len(RAIN_BEGUN) + 1), (2, len(RAIN_BEGUN) + 1, len(RAIN))],
    ]


def test_hyphens_at_line_ends_are_undone_as_the_document_writes_the_word() -> None:
    sheet = Sheet().lines(
        LEFT,
        100,
        "A well-known fox is an animal, and every",
        "observer of foxes in the harbour saw obs-",
        "ervers. Some of them were indeed as well-",
        "known as the fox, which is not said here.",
    )
    assert told(read(sheet)) == [
        (
            "text",
            "A well-known fox is an animal, and every observer of foxes in the harbour saw observers. Some of them were"
            " indeed as well-known as the fox, which is not said here.",
        )
    ]


def test_headings_have_the_depth_of_their_numbers() -> None:
    sheet = Sheet()
    for number, (heading, size) in enumerate([("1 Foxes", 14.0), ("1.1 Their dogs", 12.0), ("2 Rain", 14.0)]):
        sheet.line(LEFT, 100 + 120 * number, heading, size, bold=True)
        sheet.prose(LEFT, 130 + 120 * number, FOX, 80)
    layout = read(sheet)
    assert [(block.text, block.level) for block in of_kind(layout, "heading")] == [
        ("1 Foxes", 1),
        ("1.1 Their dogs", 2),
        ("2 Rain", 1),
    ]


def test_running_heads_and_page_numbers_are_left_out() -> None:
    sheets = [
        Sheet().line(LEFT, 30, f"Foxes and Rain, page {number}").prose(LEFT, 300, FOX, 80).line(300, 770, str(number))
        for number in range(1, 4)
    ]
    assert told(read(*sheets)) == [("text", FOX)] * 3


@pytest.mark.parametrize(("same_height", "kept"), [(True, []), (False, ["1", "2", "3"])])
def test_page_numbers_in_a_wide_margin_are_left_out_where_they_return(same_height: bool, kept: list[str]) -> None:
    pages = [
        Sheet().prose(LEFT, 200, FOX, 80).line(300, 645 if same_height else 600 + 15 * number, str(number))
        for number in range(1, 4)
    ]
    assert [text for _, text in told(read(*pages)) if text.isdecimal()] == kept


def test_footnotes_stand_at_the_end_of_their_page() -> None:
    sheet = Sheet().prose(LEFT, 60, FOX, COLUMN).prose(LEFT, 600, RAIN, COLUMN)
    sheet.line(LEFT, 720, "1 A note on rain in the harbour.", 7.0)
    sheet.prose(RIGHT, 60, RAIN, COLUMN).prose(RIGHT, 600, FOX, COLUMN)
    assert told(read(sheet)) == [
        ("text", FOX),
        ("text", RAIN),
        ("text", RAIN),
        ("text", FOX),
        ("footnote", "1 A note on rain in the harbour."),
    ]


def test_entries_of_a_list_stand_apart() -> None:
    sheet = Sheet().prose(LEFT, 60, FOX, 80).lines(LEFT + 12, 110, "1. One fox.", "2. Two foxes.", "3. Rain.")
    assert told(read(sheet))[1:] == [("list", "1. One fox."), ("list", "2. Two foxes."), ("list", "3. Rain.")]


def booktabs() -> Sheet:
    """A table between horizontal rules, its caption above, prose below."""
    sheet = Sheet().line(100, 100, "Table 1: Foxes counted by harbour.")
    for y in (112, 130, 168):
        sheet.rule(100, y, 400, y)
    for number, row in enumerate([("Harbour", "Foxes", "Dogs"), ("North", "12", "3"), ("South", "7", "-")]):
        for x, cell in zip((104, 220, 320), row, strict=True):
            sheet.line(x, (124, 144, 160)[number], cell)
    return sheet.prose(LEFT, 220, FOX, 80)


def test_a_table_between_rules_has_its_cells_and_its_caption() -> None:
    [table] = of_kind(read(booktabs()), "table")
    assert (table.rows, table.caption) == (
        (("Harbour", "Foxes", "Dogs"), ("North", "12", "3"), ("South", "7", "-")),
        "Table 1: Foxes counted by harbour.",
    )


def test_the_cells_of_a_grid_hold_all_their_lines() -> None:
    sheet = Sheet().prose(LEFT, 60, FOX, 80)
    for y in (140, 180, 220):
        sheet.rule(100, y, 400, y)
    for x in (100, 240, 400):
        sheet.rule(x, 140, x, 220)
    sheet.lines(104, 154, "The harbour in", "the north").line(244, 154, "twelve foxes").line(104, 194, "South")
    sheet.lines(244, 194, "seven foxes that were", "seen by nobody")
    [table] = of_kind(read(sheet), "table")
    assert table.rows == (
        ("The harbour in the north", "twelve foxes"),
        ("South", "seven foxes that were seen by nobody"),
    )


def test_the_rules_at_a_page_s_head_and_foot_make_no_table() -> None:
    sheet = Sheet().rule(LEFT, 50, 560, 50).rule(LEFT, 740, 560, 740)
    for y in range(80, 700, 70):
        sheet.prose(LEFT, y, FOX, COLUMN).prose(RIGHT, y, RAIN, COLUMN)
    assert {block.kind for block in read(sheet).blocks} == {"text"}


def test_a_figure_is_its_caption_and_its_lettering_is_left_out() -> None:
    sheet = Sheet().prose(LEFT, 60, FOX, 80).curve(100, 150, 400, 300).line(200, 220, "a label", 7.0)
    sheet.line(100, 320, "Figure 1: A fox in the rain.").prose(LEFT, 400, RAIN, 80)
    assert told(read(sheet)) == [("text", FOX), ("figure", "Figure 1: A fox in the rain."), ("text", RAIN)]


def test_a_sentence_that_speaks_of_a_figure_is_no_caption() -> None:
    sentence = "Figure 1 shows what the fox did in the rain, as everybody could have seen it."
    assert told(read(Sheet().prose(LEFT, 100, sentence, 90))) == [("text", sentence)]


@pytest.mark.parametrize(
    ("rotate", "box"),
    [(0, (50.0, 92.4, 554.0, 114.2)), (180, (58.0, 677.8, 562.0, 699.6))],
)
def test_boxes_are_where_the_page_is_shown(rotate: int, box: tuple[float, ...]) -> None:
    layout = read(Sheet(rotate).prose(LEFT, 100, FOX, 85))
    [block] = layout.blocks
    assert (block.text, [place.box for place in block.places]) == (FOX, [box])


@pytest.mark.parametrize("rotate", [90, 270])
def test_a_page_whose_text_lies_on_its_side_is_read_and_its_boxes_lie_as_well(rotate: int) -> None:
    [block] = read(Sheet(rotate).prose(LEFT, 100, FOX, 85)).blocks
    x0, y0, x1, y1 = block.places[0].box
    assert (block.text, y1 - y0 > x1 - x0) == (FOX, True)


def test_pictures_of_pages_need_ocr() -> None:
    with pytest.raises(RejectedError) as caught:
        read(Sheet().picture(0, 0, 612, 792))
    assert (caught.value.status, str(caught.value)) == (
        "needs_ocr",
        "PDF: the page is a picture, or in fonts without a meaning; text would be right, or tesseract to read it",
    )


def test_without_tesseract_pictures_of_pages_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RejectedError) as caught:
        read(Sheet().picture(0, 0, 612, 792), ocr="auto")
    assert (caught.value.status, caught.value.hint) == ("needs_ocr", "install tesseract-ocr, then: penstock retry")


def test_a_few_pictures_of_pages_are_named_and_the_rest_is_read() -> None:
    sheets = [Sheet().prose(LEFT, 300, FOX, 80) for _ in range(5)]
    layout = read(*sheets, Sheet().picture(0, 0, 612, 792))
    assert (layout.unread, layout.pages, len(layout.blocks)) == ((6,), 6, 5)


def test_a_page_of_more_characters_than_any_page_has_is_rejected() -> None:
    with pytest.raises(RejectedError, match=r"^PDF: page 1 has 110 characters; at most 100 would be right$"):
        read(Sheet().prose(LEFT, 100, FOX, 200), max_characters=100)


def test_more_pages_than_allowed_are_rejected() -> None:
    with pytest.raises(RejectedError, match=r"^PDF: 3 pages; at most 2 would be right$"):
        read(Sheet(), Sheet(), Sheet(), max_pages=2)


def test_a_reading_ends_with_its_time() -> None:
    with pytest.raises(StageTimeoutError, match=r"^PDF: 0 of 1 pages read in the time that there was$"):
        CPUReader(PDFSettings()).read(pdf(booktabs()), deadline=0.0)


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7\nnothing", pdf(Sheet())[:40]], ids=["empty", "headless", "cut"])
def test_what_is_broken_is_rejected(content: bytes) -> None:
    with pytest.raises(RejectedError, match=r"^PDF: broken beyond mending; a PDF that opens would be right$"):
        CPUReader(PDFSettings()).read(content)


def test_a_table_of_contents_is_no_table() -> None:
    sheet = Sheet().prose(LEFT, 60, FOX, 80)
    for place, (number, name) in enumerate((("3.6", "Pumps"), ("3.7", "Valves"), ("3.8", "Basins"))):
        y = 300 + 12 * place
        sheet.line(LEFT, y, number).line(LEFT + 60, y, f"{name} . . . . . . . . . .").line(LEFT + 260, y, "28")
    assert [block.kind for block in read(sheet).blocks if block.kind == "table"] == []
