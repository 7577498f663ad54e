"""What MinerU wrote, as layouts and documents: both releases, every type of block, nothing trusted."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.mineru_server import recorded

from penstock.adapters.mineru import content_list, middle
from penstock.adapters.mineru.answers import decoded
from penstock.adapters.mineru.tables import rows_of
from penstock.adapters.parse.pdf import document_of
from penstock.adapters.pdf.layout import Layout
from penstock.errors import PermanentError, StageError
from penstock.records import Document
from penstock.testing.factories import make_payload

SIZES = ((612.0, 792.0), (612.0, 792.0))
ROWS = (("Pump", "Flow", "Flow"), ("Pump", "min", "max"), ("A1", "1", "$\\le 2$"))
NAMES = ("middle.json", "content_list_vlm.json", "content_list_pipeline.json")


def read(name: str, value: Any = None) -> Layout:
    content = json.dumps(recorded(name) if value is None else value).encode()
    if name == "middle.json":
        return middle.layout_of(decoded(content, middle.MiddleJSON), SIZES)
    return content_list.layout_of(decoded(content, list[content_list.Item]), SIZES)


def document(name: str) -> Document:
    return document_of(make_payload(b"%PDF", kind="pdf"), read(name), format_name="mineru", version="1")


def test_middle_json_is_read_block_by_block() -> None:
    water = "Water is moved by *pumps* with flow $q_{1}=\\frac{v}{t}$ per day, see the table of the following page"
    assert [(block.kind, block.level, block.text or block.caption) for block in read("middle.json").blocks] == [
        ("title", 1, "Pumps and valves"),
        ("list", 1, "- first\n- inner\n- second"),
        ("text", 1, f"{water}, where it goes on."),
        ("heading", 1, "1 Methods"),
        ("equation", 1, "E = m c^{2} \\tag{1}"),
        ("figure", 1, "Figure 1: A pump_1."),
        ("footnote", 1, "Drawn by hand."),
        ("footnote", 1, "1 A note at the foot."),
        ("table", 1, "Table 1. Flows."),
        ("footnote", 1, "Per day."),
        ("figure", 1, "Figure 2: Flow by day."),
        ("caption", 1, "Listing 1"),
        ("code", 1, "def flow(q):\n    return q"),
        ("text", 1, "[1] A. Pump, Flows, 2020."),
        ("text", 1, "[2] B. Valve, Stops, 2021."),
    ]


@pytest.mark.parametrize("name", NAMES[1:])
def test_content_lists_are_read_entry_by_entry(name: str) -> None:
    blocks = [(block.kind, block.level, block.text or block.caption) for block in read(name).blocks]
    assert blocks[:5] == [
        ("heading", 1, "Pumps and valves"),
        ("text", 1, "Water is moved by *pumps* with flow $q_{1}=\\frac{v}{t}$ per day."),
        ("heading", 2, "1 Methods"),
        ("equation", 1, "E = m c^{2} \\tag{1}"),
        ("figure", 1, "Figure 1: A pump_1."),
    ]
    kinds = {kind for kind, _, _ in blocks}
    assert {"footnote", "table", "caption", "code"} <= kinds
    assert ("footnote", 1, "1 A note at the foot.") in blocks


@pytest.mark.parametrize("name", NAMES)
def test_what_stands_around_the_text_is_left_out(name: str) -> None:
    text = document(name).text
    assert [word for word in ("Journal of Pumps", "arXiv:1", "description of the pump") if word in text] == []


@pytest.mark.parametrize("name", NAMES)
def test_tables_are_cells_that_spans_fill(name: str) -> None:
    (table,) = document(name).tables
    assert (table.rows, table.caption, table.page) == (ROWS, "Table 1. Flows.", 2)


@pytest.mark.parametrize("name", NAMES)
def test_every_box_is_in_points_on_its_page_and_spans_what_it_shows(name: str) -> None:
    found = document(name)
    assert [box for box in found.boxes if not (0 <= box.x0 <= box.x1 <= 612 and 0 <= box.y0 <= box.y1 <= 792)] == []
    assert [box.order for box in found.boxes] == list(range(1, len(found.boxes) + 1))
    shown = {found.text[box.start : box.end]: box for box in found.boxes}
    caption, code = shown["Figure 1: A pump_1."], next(box for box in found.boxes if box.kind == "code")
    assert (caption.kind, caption.page) == ("caption", 1)
    assert (code.page, round(code.x0), round(code.y0), round(code.x1), round(code.y1)) == (2, 72, 320, 540, 400)


def test_a_paragraph_that_goes_on_has_a_box_on_each_page() -> None:
    found = document("middle.json")
    begin = found.text.index("Water is moved")
    boxes = [box for box in found.boxes if box.kind == "text" and begin <= box.start < found.text.index("E = m")]
    assert [(box.page, found.text[box.start : box.end][-8:]) for box in boxes] == [(1, " the fol"), (2, "goes on.")]
    assert found.text[boxes[1].start : boxes[1].end] == "lowing page, where it goes on."


@pytest.mark.parametrize("name", NAMES)
def test_headings_make_sections_and_a_title(name: str) -> None:
    found = document(name)
    assert found.title == "Pumps and valves"
    assert [(each.title, each.path) for each in found.sections if each.title == "1 Methods"] == [
        ("1 Methods", ("1 Methods",))
    ]


def changed(name: str, change: Callable[[Any], Any]) -> Layout:
    value = recorded(name)
    return read(name, change(value) or value)


UNSOUND: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "another schema": ("middle.json", lambda value: value.update(schema="docvortex.model")),
    "another version": ("middle.json", lambda value: value.update(schema_version="3.0")),
    "no schema": ("middle.json", lambda value: value.pop("schema") and None),
    "a page that is not there": ("middle.json", lambda value: value["pages"][0].update(page_idx=7)),
    "a page before the first": ("middle.json", lambda value: value["pages"][0].update(page_idx=-1)),
    "a page that is no number": ("middle.json", lambda value: value["pages"][0].update(page_idx="0")),
    "a box outside": ("middle.json", lambda value: value["pages"][0]["blocks"][1].update(bbox=[0, 0, 2, 1])),
    "a box turned round": ("middle.json", lambda value: value["pages"][0]["blocks"][1].update(bbox=[0.5, 0, 0.1, 1])),
    "a box of three sides": ("middle.json", lambda value: value["pages"][0]["blocks"][1].update(bbox=[0, 0, 1])),
    "an unknown block": ("middle.json", lambda value: value["pages"][0]["blocks"][1].update(type="hologram")),
    "content that is a number": ("middle.json", lambda value: value["pages"][0]["blocks"][1].update(content=7)),
    "a level beyond the last": ("middle.json", lambda value: value["pages"][0]["blocks"][1].update(level=99)),
    "no list": ("content_list_vlm.json", lambda value: {"items": value}),
    "entries that are none": ("content_list_vlm.json", lambda value: [1, 2]),
    "an unknown entry": ("content_list_vlm.json", lambda value: value[0].update(type="hologram")),
    "an entry of another page": ("content_list_vlm.json", lambda value: value[0].update(page_idx=2)),
    "a caption that is no list": ("content_list_vlm.json", lambda value: value[4].update(image_caption="Figure")),
    "an entry's box turned round": ("content_list_vlm.json", lambda value: value[0].update(bbox=[9, 9, 1, 1])),
}


@pytest.mark.parametrize("case", UNSOUND)
def test_what_is_not_as_documented_is_refused(case: str) -> None:
    name, change = UNSOUND[case]
    with pytest.raises(PermanentError, match="not what its release documents"):
        changed(name, change)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"pages": 1}', b"null"])
def test_what_is_no_json_of_the_form_is_refused(content: bytes) -> None:
    with pytest.raises(PermanentError):
        decoded(content, middle.MiddleJSON)


def test_boxes_that_hang_over_the_page_are_cut_off() -> None:
    item = {"type": "text", "text": "Water", "page_idx": 0, "bbox": [-5, 10, 1004, 20]}
    (block,) = read("content_list_vlm.json", [item]).blocks
    assert block.places[0].box == (0.0, 7.9, 612.0, 15.8)


@pytest.mark.parametrize(
    ("html", "rows"),
    [
        ("", ()),
        ("no table", ()),
        ("<table></table>", ()),
        ("<table><tr><td>a<td>b<tr><td>c</table>", (("a", "b"), ("c", ""))),
        ("<table><tr><td>a<br>b</td></tr></table>", (("a b",),)),
        ("<table><tr><td rowspan='0' colspan='x'>a</td></tr></table>", (("a",),)),
        ("<table><tr><td>a<table><tr><td>in</td></tr></table></td><td>b</td></tr></table>", (("ain", "b"),)),
        ("<table><tr><td rowspan=9>a</td><td>b</td></tr><tr><td>c</td></tr></table>", (("a", "b"), ("a", "c"))),
        ("<table><tr><td onclick=x>&lt;b&gt;</td></tr><script>1</script></table>", (("<b>",),)),
    ],
)
def test_tables_in_html(html: str, rows: tuple[tuple[str, ...], ...]) -> None:
    assert rows_of(html) == rows


@pytest.mark.parametrize(
    "html",
    [
        "<table><tr>" + "<td colspan=1000 rowspan=1>x</td>" * 101 + "</tr></table>",
        "<table>" + "<tr><td colspan=1000></td></tr>" * 101 + "</table>",
        "<table><tr><td>" + "<div>" * 300 + "</table>",
    ],
)
def test_tables_that_would_not_end_are_refused(html: str) -> None:
    with pytest.raises(PermanentError, match="table"):
        rows_of(html)


@given(st.text(alphabet="<>/=\"' abtrd1&;", max_size=200))
def test_no_html_breaks_the_reading_of_tables(html: str) -> None:
    rows = rows_of(f"<table>{html}")
    assert len({len(row) for row in rows}) <= 1


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["type", "content", "bbox"]), inner),
    max_leaves=20,
)


@given(_JSON, st.sampled_from(NAMES), st.data())
def test_any_json_in_place_of_a_part_is_read_or_refused(junk: Any, name: str, data: st.DataObject) -> None:
    value = recorded(name)
    block = data.draw(st.sampled_from(value if isinstance(value, list) else value["pages"][0]["blocks"]))
    block[data.draw(st.sampled_from(sorted(block)))] = junk
    with suppress(StageError):
        document_of(make_payload(b"%PDF", kind="pdf"), read(name, value), format_name="mineru", version="1")
