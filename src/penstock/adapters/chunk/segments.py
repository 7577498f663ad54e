"""Which spans of a document may share a chunk? Sections, text between them, tables and captions each stand alone."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from msgspec.structs import replace

from penstock.records import Document, Figure, LayoutBox, Section, Table

_LONGEST_HEADING = 400
"""Characters: what the head of a table may add to each of its pieces."""


class Segment(NamedTuple):
    """A span that no chunk reaches across."""

    start: int
    end: int
    section: Section | None
    alone: Table | Figure | None = None
    """The table, or the figure whose caption it is."""

    @property
    def page(self) -> int | None:
        owner = self.alone if self.alone and self.alone.page is not None else self.section
        return owner.page if owner else None

    def headings(self, start: int) -> tuple[str, ...]:
        """What stands above a piece of it: the section's path, and the head of a table that it does not begin."""
        path = self.section.path if self.section else ()
        if not isinstance(self.alone, Table) or start == self.start or not self.alone.rows:
            return path
        head = " | ".join(self.alone.rows[0])
        said = (each for each in (self.alone.caption, head) if each.strip(" |"))
        return (*path, *(each[:_LONGEST_HEADING] for each in said))


def segments(document: Document) -> Iterator[Segment]:
    """The segments of a document, in order; together they cover its whole text once.

    Sections that reach over the one before them are cut to what is left, so that no text is given twice.
    """
    cursor, length = 0, len(document.text)
    for section in sorted(document.sections, key=lambda each: (each.start, each.end)):
        start, end = max(section.start, cursor), min(section.end, length)
        if start >= end:
            continue
        yield from _parted(document, cursor, start, None)
        yield from _parted(document, start, end, section)
        cursor = end
    yield from _parted(document, cursor, length, None)


def _parted(document: Document, start: int, end: int, section: Section | None) -> Iterator[Segment]:
    """The segments of one span: tables, captions, and the text around them."""
    cursor = start
    alone: list[Table | Figure] = [*document.tables, *document.figures]
    for each in sorted(alone, key=lambda each: each.start):
        if cursor <= each.start < each.end <= end:
            if cursor < each.start:
                yield Segment(cursor, each.start, section)
            yield Segment(each.start, each.end, section, each)
            cursor = each.end
    if cursor < end:
        yield Segment(cursor, end, section)


def table_spans(text: str, start: int, end: int, words: int) -> Iterator[tuple[int, int]]:
    """A table's rendering cut between lines, about `words` words a piece; a single line is never cut."""
    piece, held, cursor = start, 0, start
    for line in text[start:end].splitlines(keepends=True):
        count = len(line.split())
        if held and held + count > words:
            yield piece, cursor
            piece, held = cursor, 0
        held += count
        cursor += len(line)
    if piece < end:
        yield piece, end


class Layout:
    """The layout boxes of a document, found by offset."""

    def __init__(self, document: Document) -> None:
        self._boxes = sorted((box for box in document.boxes if box.end > box.start), key=lambda box: box.start)
        self._ends = list(accumulate((box.end for box in self._boxes), max))

    def at(self, start: int, end: int) -> LayoutBox | None:
        """Where the span begins: the box around what of it stands on its first page, in its first column."""
        touched = []
        for box in self._boxes[bisect_right(self._ends, start) :]:
            if box.start >= end:
                break
            if box.end > start:
                touched.append(box)
        if not touched:
            return None
        first, *others = touched
        x0, y0, x1, y1 = first.x0, first.y0, first.x1, first.y1
        for box in others:
            if box.page != first.page or box.x0 >= x1 or box.x1 <= x0 or box.y1 < first.y0:
                break
            x0, y0, x1, y1 = min(x0, box.x0), min(y0, box.y0), max(x1, box.x1), max(y1, box.y1)
        return replace(first, x0=x0, y0=y0, x1=x1, y1=y1, start=start, end=end)
