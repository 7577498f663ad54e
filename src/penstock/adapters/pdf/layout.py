"""What a reader of PDFs gives, whichever it is: blocks in reading order, each with its places on the pages."""

from typing import Literal

from penstock.adapters.pdf.geometry import Box
from penstock.records import Record

Kind = Literal["title", "heading", "text", "list", "footnote", "caption", "table", "figure", "equation", "code"]


class Place(Record, frozen=True, kw_only=True):
    """Where a block, or the part of it from `start` to `end` of its text, stands: a box on a page, in points."""

    page: int
    box: tuple[float, float, float, float]
    start: int = 0
    end: int = 0


class Block(Record, frozen=True, kw_only=True):
    """A unit of the text. `level` is a heading's depth from 1; `rows` are a table's cells.

    A `caption` stands beside the table or figure that it belongs to: `figure` and `table` bear their own in `caption`,
    whose place comes before that of the figure or table itself.
    """

    kind: Kind
    text: str = ""
    places: tuple[Place, ...] = ()
    level: int = 1
    rows: tuple[tuple[str, ...], ...] = ()
    caption: str = ""


class Layout(Record, frozen=True, kw_only=True):
    """A PDF that was read. `unread` are the pages that could not be, `ocr` those that were read from their picture.

    `title` is what the file says of itself; a `title` block is what its first page shows.
    """

    blocks: tuple[Block, ...]
    pages: int
    title: str = ""
    unread: tuple[int, ...] = ()
    ocr: tuple[int, ...] = ()


def as_place(page: int, box: Box, start: int = 0, end: int = 0) -> Place:
    """A place with its box in tenths of a point: what is finer is noise."""
    return Place(
        page=page, box=(round(box.x0, 1), round(box.y0, 1), round(box.x1, 1), round(box.y1, 1)), start=start, end=end
    )
