"""MinerU 4: its Middle JSON (`docvortex.middle` 2.0) to a layout.

Source: `docvortex/schema.py` of docvortex 0.5.16, by which mineru 4.0.12 checks what it writes. Boxes are shares of the
page, 0 to 1, origin at the top left; pages count from 0.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec

from penstock.adapters.mineru.answers import unsound
from penstock.adapters.mineru.blocks import (
    LEFT_OUT,
    Sizes,
    continued,
    float_block,
    place_of,
    text_block,
)
from penstock.adapters.pdf.layout import Block, Kind, Layout, Place

_SCHEMA, _VERSION = "docvortex.middle", "2."
_MOST_LEVEL = 6

Side = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Node(msgspec.Struct, frozen=True):
    """A block, or a span within one: which it is, its type says."""

    type: str
    content: "str | list[Node]" = ""
    bbox: tuple[Side, Side, Side, Side] | None = None
    level: Annotated[int, msgspec.Meta(ge=1, le=_MOST_LEVEL)] = 1
    continues_prev: bool | None = None


class Page(msgspec.Struct, frozen=True):
    """The blocks of a page in reading order."""

    page_idx: int
    blocks: list[Node] = []


class MiddleJSON(msgspec.Struct, frozen=True):
    """The document. What it has besides is not read: images, descriptions of images by a model, metadata."""

    schema: str
    schema_version: str
    pages: list[Page]


def layout_of(middle: MiddleJSON, sizes: Sizes, title: str = "") -> Layout:
    """The layout of a document whose pages have these sizes, in points.

    Raises `PermanentError` where it is another schema, or names a page that is not there.
    """
    if middle.schema != _SCHEMA or not middle.schema_version.startswith(_VERSION):
        raise unsound(f"`{middle.schema[:40]}` {middle.schema_version[:20]} instead of `{_SCHEMA}` 2.0")
    return Layout(blocks=tuple(_Reading(sizes).blocks(middle.pages)), pages=len(sizes), title=title)


class _Reading:
    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._title_page: int | None = None

    def blocks(self, pages: Iterable[Page]) -> list[Block]:
        found: list[Block] = []
        last: dict[str, int] = {}
        for page in pages:
            for node in page.blocks:
                for block in self._blocks(node, page.page_idx):
                    before = last.get(node.type) if node.continues_prev and node.type in _CONTINUED else None
                    if before is not None:
                        found[before] = continued(found[before], block)
                        continue
                    if node.type in _CONTINUED:
                        last[node.type] = len(found)
                    if node.type == "list":  # text may go on with its last entry
                        last["text"] = len(found)
                    found.append(block)
        return found

    def _blocks(self, node: Node, page: int) -> Iterator[Block]:
        place = self._place(node, page)
        kind = node.type
        if kind in LEFT_OUT:
            return
        if kind in _PARTS:
            yield from self._parts(node, page, place)
        elif kind == "doc_title":
            self._title_page = page if self._title_page is None else self._title_page
            yield from text_block("title" if page == self._title_page else "heading", _plain(node), place)
        elif kind == "paragraph_title":
            yield from text_block("heading", _plain(node), place, max(1, node.level - 1))
        elif kind in ("list", "index"):
            yield from text_block("list", "\n".join(_leaves(node)), place)
        elif kind in _KINDS:
            yield from text_block(_KINDS[kind], _plain(node), place)
        else:
            raise unsound(f"a block of type `{kind[:40]}`")

    def _parts(self, node: Node, page: int, place: Place) -> Iterator[Block]:
        """A table, figure or piece of code: its body, with the captions before and the notes behind it."""
        children = node.content if isinstance(node.content, list) else []
        captions = [each for each in children if each.type.endswith("_caption")]
        bodies = [each for each in children if each.type.endswith("_body")]
        if node.type == "code":
            for each in captions:
                yield from text_block("caption", _plain(each), self._place(each, page, place))
            for each in bodies:
                yield from text_block("code", _plain(each), place)
        else:
            html = _plain(bodies[0]) if bodies and node.type == "table" else ""
            yield float_block(html, [(_plain(each), self._place(each, page, place)) for each in captions], place)
        for each in children:
            if each.type.endswith("_footnote"):
                yield from text_block("footnote", _plain(each), self._place(each, page, place))

    def _place(self, node: Node, page: int, otherwise: Place | None = None) -> Place:
        if node.bbox is None and otherwise is not None:
            return otherwise
        return place_of(self._sizes, page, node.bbox, 1.0)


_CONTINUED = frozenset({"text", "ref_text", "list"})
_PARTS = frozenset({"image", "table", "chart", "code"})
_KINDS: dict[str, Kind] = {"text": "text", "ref_text": "text", "equation": "equation", "page_footnote": "footnote"}


def _plain(node: Node) -> str:
    """The text of a block: its spans without their styles, formulas within a line between dollars."""
    if isinstance(node.content, str):
        return node.content
    return "".join(
        f"${_plain(span).strip()}$" if span.type == "equation_inline" else _plain(span) for span in node.content
    )


def _leaves(node: Node) -> Iterator[str]:
    """The entries of a list or a table of contents, those of lists within it as well, in order."""
    for child in node.content if isinstance(node.content, list) else []:
        if child.type in ("list", "index"):
            yield from _leaves(child)
        else:
            yield " ".join(_plain(child).split())
