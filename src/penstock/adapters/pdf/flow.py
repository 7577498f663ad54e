"""The text of a whole document: paragraphs joined over columns and pages, parts to blocks."""

from collections.abc import Iterator, Sequence

from penstock.adapters.pdf.cells import TableRegion
from penstock.adapters.pdf.figures import FigureRegion
from penstock.adapters.pdf.geometry import Box, around
from penstock.adapters.pdf.items import Item
from penstock.adapters.pdf.joining import Vocabulary, clean, joined
from penstock.adapters.pdf.layout import Block, Place, as_place
from penstock.adapters.pdf.lines import Line
from penstock.adapters.pdf.page import PageText, Part
from penstock.adapters.pdf.paragraphs import Paragraph
from penstock.adapters.pdf.roles import items_of

_FLOATS = frozenset({"table", "figure", "caption", "footnote"})
_CONTINUED = frozenset({"text", "list"})


def flowed(pages: Sequence[tuple[PageText, list[list[Part]]]], body: float) -> list[Block]:
    """The blocks of a document in reading order. `body` is the size of its common type, in points."""
    items = _continued(items_of(pages, body))
    words = Vocabulary(line for page, _ in pages for line in page.parts)
    return [block for item in items for block in _blocks(item, words)]


def _continued(items: Sequence[Item]) -> list[Item]:
    """The items, those that go on in another column taken into the one that they continue."""
    found: list[Item] = []
    current: Item | None = None
    note: Item | None = None
    for item in items:
        before = note if item.role == "footnote" else current
        if item.role in ("text", "footnote") and before is not None and _goes_on(before, item):
            before.pieces.append(item)
            continue
        found.append(item)
        if item.role == "footnote":
            note = item
        elif item.role in _CONTINUED and not _interrupts(current, item):
            current = item
        elif item.role not in _FLOATS and item.role not in _CONTINUED:
            current = None
    return found


def _interrupts(current: Item | None, item: Item) -> bool:
    """Whether the item is no prose, such as code, in the midst of a paragraph that goes on behind it."""
    if current is None:
        return False
    before, part = (current.pieces[-1] if current.pieces else current).part, item.part
    assert isinstance(before, Paragraph)
    assert isinstance(part, Paragraph)
    return bool(part.broken) and not before.has_ended and not before.broken


def _goes_on(current: Item, item: Item) -> bool:
    last = current.pieces[-1] if current.pieces else current
    before, part = last.part, item.part
    assert isinstance(before, Paragraph)
    assert isinstance(part, Paragraph)
    if item.column == last.column and item.page is last.page and part.box.y0 - before.box.y1 < 3 * part.size:
        return False
    if before.has_ended or not 0.92 < part.size / before.size < 1.08:
        return False
    first = part.lines[0].text.lstrip("“\"'(‘")[:1]
    full = before.lines[-1].box.x1 > before.box.x1 - 1.5 * before.size or before.lines[-1].text.endswith(("-", ","))
    return first.islower() or (full and len(before.lines) > 1 and bool(first) and not part.bold and not part.broken)


def _blocks(item: Item, words: Vocabulary) -> Iterator[Block]:
    part = item.part
    if isinstance(part, TableRegion | FigureRegion):
        caption, own = _caption(item, words)
        rows = tuple(tuple(map(clean, row)) for row in part.rows) if isinstance(part, TableRegion) else ()
        yield Block(kind=item.role, rows=rows, caption=caption, places=(*own, _place(item, part.box)))
    else:
        text, places = _text(item, words)
        if text:
            yield Block(kind=item.role, text=text, places=tuple(places), level=item.level)


def _caption(item: Item, words: Vocabulary) -> tuple[str, tuple[Place, ...]]:
    if item.caption is None:
        return "", ()
    text, _ = joined(item.caption.lines, frozenset(), words)
    return text, (_place(item, item.caption.box, 0, len(text)),)


def _text(item: Item, words: Vocabulary) -> tuple[str, list[Place]]:
    """The text of a paragraph and all that continues it, and where each part of it stands."""
    lines: list[Line] = []
    broken: set[int] = set()
    owners: list[tuple[Item, int]] = []
    for each in (item, *item.pieces):
        assert isinstance(each.part, Paragraph)
        owners.append((each, len(lines)))
        broken |= {len(lines) + place for place in each.part.broken}
        lines += each.part.lines
    marks = frozenset() if item.role in ("heading", "title") else frozenset(broken)
    text, starts = joined(lines, marks, words)
    ends = [starts[first] for _, first in owners[1:]] + [len(text)]
    places = [
        _place(each, around(line.box for line in each.part.lines), starts[first], end)
        for (each, first), end in zip(owners, ends, strict=True)
        if isinstance(each.part, Paragraph)
    ]
    return text, places


def _place(item: Item, box: Box, start: int = 0, end: int = 0) -> Place:
    return as_place(item.page.number, item.page.shown(box), start, end)
