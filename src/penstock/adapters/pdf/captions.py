"""Which caption belongs to which table or figure?"""

import re
from collections.abc import Sequence

from penstock.adapters.pdf.figures import FigureRegion
from penstock.adapters.pdf.geometry import shared
from penstock.adapters.pdf.items import Item
from penstock.adapters.pdf.lines import whole_lines
from penstock.adapters.pdf.paragraphs import Paragraph, paragraphs

_TABLE = re.compile(r"(?:\w+\s+)?tab(?:le|\.)", re.IGNORECASE)
_REACH = 5.0
"""Of the type's size: how far a caption may stand from what it belongs to."""


def with_captions(pages: Sequence[list[Item]], body: float) -> list[list[Item]]:
    """The items of each page, each caption joined to its table or figure; the lettering of figures without one kept.

    Where several are as near, that side counts on which the captions of the document stand that have no choice.
    """
    above = {"table": 0, "figure": 0}
    for items in pages:
        for caption in _captions(items):
            owners = [(other, side) for other in items if (side := _side(caption, other, body)) is not None]
            if len(owners) == 1:
                above[owners[0][0].role] += owners[0][1]
    return [_joined(items, body, above) for items in pages]


def _joined(items: list[Item], body: float, above: dict[str, int]) -> list[Item]:
    captions = _captions(items)
    pairs = []
    for at, caption in enumerate(captions):
        for number, other in enumerate(items):
            side = _side(caption, other, body)
            if side is not None:
                pairs.append((side * above[other.role] < 0, _apart(caption, other), at, number))
    matched: set[int] = set()
    for _, _, at, number in sorted(pairs):
        part = captions[at].part
        if at not in matched and items[number].caption is None and isinstance(part, Paragraph):
            matched.add(at)
            items[number].caption = part
    owned = {id(item.caption) for item in items if item.caption is not None}
    found: list[Item] = []
    for item in items:
        if id(item.part) in owned:
            continue
        if isinstance(item.part, FigureRegion) and item.caption is None:
            found += _lettering(item)
        found.append(item)
    return found


def _captions(items: Sequence[Item]) -> list[Item]:
    return [item for item in items if item.role == "caption"]


def _apart(caption: Item, other: Item) -> float:
    box, region = caption.part.box, other.part.box
    return max(box.y0 - region.y1, region.y0 - box.y1)


def _side(caption: Item, other: Item, body: float) -> int | None:
    """1 where a caption stands above the table or figure that it may belong to, -1 below; None where it does not."""
    assert isinstance(caption.part, Paragraph)
    if other.role != ("table" if _TABLE.match(caption.part.text) else "figure"):
        return None
    box, region = caption.part.box, other.part.box
    if shared(box.x0, box.x1, region.x0, region.x1) <= 0 or _apart(caption, other) >= _REACH * body:
        return None
    return 1 if box.middle < region.middle else -1


def _lettering(item: Item) -> list[Item]:
    assert isinstance(item.part, FigureRegion)
    found = paragraphs(whole_lines(item.part.parts))
    return [Item("list" if part.is_item else "text", part, item.page, item.column) for part in found]
