"""What both forms of MinerU's output share: from what it found to blocks of a `Layout`."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from penstock.adapters.mineru.answers import unsound
from penstock.adapters.mineru.tables import rows_of
from penstock.adapters.pdf.geometry import Box
from penstock.adapters.pdf.layout import Block, Kind, Place, as_place

Sizes = Sequence[tuple[float, float]]
"""Each page's width and height in points, as it is seen."""

LEFT_OUT = frozenset({"header", "footer", "page_number", "aside_text", "discarded"})
"""What stands around the text: running heads and feet, page numbers, the margin."""

_IDEOGRAPH = re.compile(r"[\u3001-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")
"""Writing without spaces."""


def place_of(sizes: Sizes, page: int, box: Sequence[float] | None, whole: float, length: int = 0) -> Place:
    """A place from a box whose page measures `whole` both ways; `page` counts from 0. What hangs over is cut off.

    Without a box it is the whole page. Raises `PermanentError` where there is no such page, or the box is empty.
    """
    if not 0 <= page < len(sizes):
        raise unsound(f"page {page + 1} of {len(sizes)}")
    width, height = sizes[page]
    x0, y0, x1, y1 = (min(max(side / whole, 0.0), 1.0) for side in (box or (0, 0, whole, whole)))
    if x0 > x1 or y0 > y1:
        raise unsound(f"a box on page {page + 1} that ends before it begins")
    return as_place(page + 1, Box(x0 * width, y0 * height, x1 * width, y1 * height), 0, length)


def text_block(kind: Kind, text: str, place: Place, level: int = 1) -> Iterable[Block]:
    """A block of text in one place; none where there is no text."""
    text = unicodedata.normalize("NFC", text).strip()
    if text:
        yield Block(kind=kind, text=text, level=level, places=(_spanning(place, 0, len(text)),))


def float_block(html: str, captions: Iterable[tuple[str, Place]], place: Place) -> Block:
    """A table, where `html` has one, or a figure, with its captions."""
    said = [(" ".join(text.split()), where) for text, where in captions]
    said = [(text, where) for text, where in said if text]
    rows = rows_of(html) if html else ()
    places = (*(_spanning(where, 0, len(text)) for text, where in said), place)
    caption = " ".join(text for text, _ in said)
    if any(map(any, rows)):
        return Block(kind="table", rows=rows, caption=caption, places=places)
    return Block(kind="figure", caption=caption, places=places)


def continued(before: Block, after: Block) -> Block:
    """`before` and what goes on in another column or on another page, as one block in two places.

    A list goes on with an entry of its own. A hyphen before a small letter is undone, as MinerU does it itself
    (`resolve_text_line_boundary` of docvortex).
    """
    text = before.text
    if after.kind == "list":
        text += "\n"
    elif text.endswith(("-", "‐")) and after.text[:1].islower():
        text = text[:-1]
    elif not text.endswith(("-", "‐")) and not (_IDEOGRAPH.match(text[-1:]) and _IDEOGRAPH.match(after.text[:1])):
        text += " "
    shift = len(text)
    kept = (*before.places[:-1], _spanning(before.places[-1], before.places[-1].start, shift))
    moved = (_spanning(place, place.start + shift, place.end + shift) for place in after.places)
    return Block(kind=before.kind, text=text + after.text, level=before.level, places=(*kept, *moved))


def _spanning(place: Place, start: int, end: int) -> Place:
    return Place(page=place.page, box=place.box, start=start, end=end)
