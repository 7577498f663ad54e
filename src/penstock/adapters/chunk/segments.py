"""Which spans of a document may share a chunk? Sections, the text between them, and tables each stand alone."""

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from penstock.records import Document, LayoutBox, Section, Table


class Segment(NamedTuple):
    """A span that no chunk reaches across."""

    start: int
    end: int
    section: Section | None
    table: Table | None = None

    @property
    def page(self) -> int | None:
        owner = self.table if self.table and self.table.page is not None else self.section
        return owner.page if owner else None


def segments(document: Document) -> Iterator[Segment]:
    """The segments of a document, in order; together they cover its whole text once.

    Sections that reach over the one before them are cut to what is left, so that no text is given twice.
    """
    cursor, length = 0, len(document.text)
    for section in sorted(document.sections, key=lambda each: (each.start, each.end)):
        start, end = max(section.start, cursor), min(section.end, length)
        if start >= end:
            continue
        yield from _around_tables(document, cursor, start, None)
        yield from _around_tables(document, start, end, section)
        cursor = end
    yield from _around_tables(document, cursor, length, None)


def _around_tables(document: Document, start: int, end: int, section: Section | None) -> Iterator[Segment]:
    cursor = start
    for table in sorted(document.tables, key=lambda each: each.start):
        if cursor <= table.start < table.end <= end:
            if cursor < table.start:
                yield Segment(cursor, table.start, section)
            yield Segment(table.start, table.end, section, table)
            cursor = table.end
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
        self._starts = [box.start for box in self._boxes]

    def at(self, start: int, end: int) -> LayoutBox | None:
        """The first box that the span touches."""
        place = bisect_right(self._starts, start) - 1
        for box in self._boxes[max(place, 0) :][:2]:
            if box.start < end and box.end > start:
                return box
        return None
