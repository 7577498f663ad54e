"""MinerU 3: its content list (`…_content_list.json`) to a layout.

Source: `mineru/backend/{pipeline,vlm}/…_mkcontent.py` of mineru 3.4.5 (`make_blocks_to_content_list`). Boxes are
thousandths of the page, origin at the top left; pages count from 0. Captions have no box of their own and are given
that of their figure or table; text is Markdown, of which the escapes are undone.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from penstock.adapters.mineru.answers import unsound
from penstock.adapters.mineru.blocks import LEFT_OUT, Sizes, float_block, place_of, text_block
from penstock.adapters.pdf.layout import Block, Kind, Layout, Place

_WHOLE = 1000.0
_MOST_LEVEL = 6
_FORMULA = re.compile(r"(?<!\\)(\$\$?)(?!\s).+?(?<!\\)\1", re.DOTALL)
_ESCAPED = re.compile(r"\\([*_`~$])|(?<![^\n])([ \t]{0,3})\\(?=(?:#{1,6}|[+-])[ \t])")
_DISPLAY = re.compile(r"\s*\$\$(.*)\$\$\s*", re.DOTALL)
_FENCE = re.compile(r"```[^\n]*\n(.*?)\n?```\s*", re.DOTALL)


class Item(msgspec.Struct, frozen=True):
    """One entry: the fields that its `type` has."""

    type: str
    page_idx: int
    bbox: tuple[float, float, float, float] | None = None
    text: str = ""
    text_level: int = 0
    list_items: list[str] = []
    table_body: str = ""
    table_caption: list[str] = []
    table_footnote: list[str] = []
    image_caption: list[str] = []
    image_footnote: list[str] = []
    chart_caption: list[str] = []
    chart_footnote: list[str] = []
    code_body: str = ""
    code_caption: list[str] = []
    code_footnote: list[str] = []


def layout_of(items: Sequence[Item], sizes: Sizes, title: str = "") -> Layout:
    """The layout of a document whose pages have these sizes, in points.

    Raises `PermanentError` where an entry has a type that is not known, or names a page that is not there.
    """
    return Layout(
        blocks=tuple(block for item in items for block in _blocks(item, sizes)), pages=len(sizes), title=title
    )


def _blocks(item: Item, sizes: Sizes) -> Iterator[Block]:
    place = place_of(sizes, item.page_idx, item.bbox, _WHOLE)
    kind = item.type
    if kind in LEFT_OUT:
        return
    if kind == "table":
        captioned = [(_plain(text), place) for text in item.table_caption]
        yield float_block(item.table_body, captioned, place)
        yield from _notes(item.table_footnote, place)
    elif kind in ("image", "chart"):
        captions = [*item.image_caption, *item.chart_caption]
        yield float_block("", [(_plain(text), place) for text in captions], place)
        yield from _notes([*item.image_footnote, *item.chart_footnote], place)
    elif kind == "code":
        for text in item.code_caption:
            yield from text_block("caption", _plain(text), place)
        fenced = _FENCE.fullmatch(item.code_body)
        yield from text_block("code", fenced[1] if fenced else item.code_body, place)
        yield from _notes(item.code_footnote, place)
    elif kind == "list":
        yield from text_block("list", "\n".join(map(_plain, item.list_items)), place)
    elif kind == "equation":
        display = _DISPLAY.fullmatch(item.text)
        yield from text_block("equation", display[1] if display else item.text, place)
    elif kind == "text" and item.text_level > 0:
        yield from text_block("heading", _plain(item.text), place, min(item.text_level, _MOST_LEVEL))
    elif kind in _KINDS:
        yield from text_block(_KINDS[kind], _plain(item.text), place)
    else:
        raise unsound(f"an entry of type `{kind[:40]}`")


_KINDS: dict[str, Kind] = {
    "text": "text", "ref_text": "text", "phonetic": "text", "abstract": "text", "page_footnote": "footnote",
}  # fmt: skip # a table: one entry a line would hide its shape


def _notes(texts: Sequence[str], place: Place) -> Iterator[Block]:
    for text in texts:
        yield from text_block("footnote", _plain(text), place)


def _plain(text: str) -> str:
    """Markdown's escapes undone outside of formulas, which keep their dollars."""
    pieces, cursor = [], 0
    for formula in _FORMULA.finditer(text):
        pieces += [_ESCAPED.sub(r"\1\2", text[cursor : formula.start()]), formula[0]]
        cursor = formula.end()
    return "".join([*pieces, _ESCAPED.sub(r"\1\2", text[cursor:])])
