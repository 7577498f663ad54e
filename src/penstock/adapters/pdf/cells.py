"""The cells of tables, and what is common to the ways of finding them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from penstock.adapters.pdf.geometry import Box, around
from penstock.adapters.pdf.lines import Line, rows
from penstock.adapters.pdf.words import Word

_CELL_GAP = 0.45
"""Of the type's size: words that stand further apart are in two cells."""


@dataclass(slots=True)
class TableRegion:
    """A table on a page: its place, its cells, and the pieces of text that it took."""

    box: Box
    rows: list[list[str]]
    ruled: bool
    parts: list[Line] = field(default_factory=list)


def cells_of(row: Sequence[Line]) -> list[list[Word]]:
    """The words of a row, parted where the gap is wider than a space."""
    cells: list[list[Word]] = []
    for word in sorted((word for part in row for word in part.words), key=lambda each: each.x0):
        if cells and word.x0 - max(each.x1 for each in cells[-1]) < _CELL_GAP * max(word.size, cells[-1][-1].size):
            cells[-1].append(word)
        else:
            cells.append([word])
    return cells


def cells_by_corridors(parts: Sequence[Line], size: float) -> list[list[str]]:
    """The cells of pieces of text that stand in rows: columns are parted where hardly a row has anything."""
    lines = rows(parts)
    table = [cells_of(row) for row in lines]
    most = max(map(len, table))
    full = [row for row in table if 2 * len(row) > most]  # a row with less is a heading over several columns
    spans = [(cell[0].x0, max(word.x1 for word in cell)) for row in full for cell in row]
    cuts = _cuts(spans, len(full), size)
    text: list[list[str]] = []
    last = 0.0
    for parts_of, row in zip(lines, table, strict=True):
        line: list[list[Word]] = [[] for _ in range(len(cuts) + 1)]
        for cell in row:
            middle = (cell[0].x0 + max(word.x1 for word in cell)) / 2
            crossed = [cut for cut in cuts if cell[0].x0 < cut - 1 and max(w.x1 for w in cell) > cut + 1]
            at = cell[0].x0 + 1 if crossed else middle
            line[sum(cut < at for cut in cuts)] += cell
        middle = around(part.box for part in parts_of).middle
        texts = [Line(words).text if words else "" for words in line]
        if text and middle - last < 0.7 * size and not any(a and b for a, b in zip(text[-1], texts, strict=True)):
            text[-1] = [a or b for a, b in zip(text[-1], texts, strict=True)]  # a cell beside two rows
            continue
        text.append(texts)
        last = middle
    return without_empty(text)


def _cuts(spans: Sequence[tuple[float, float]], count: int, size: float) -> list[float]:
    """Where columns part: the middle of each stretch that at most one row in eight reaches into."""
    allowed = count // 8
    events = sorted([(x0, 1) for x0, _ in spans] + [(x1, -1) for _, x1 in spans])
    cuts, open_spans, since = [], 0, None
    for x, step in events:
        before = open_spans
        open_spans += step
        if before > allowed >= open_spans:
            since = x
        elif before <= allowed < open_spans and since is not None:
            if x - since > 0.3 * size:
                cuts.append((since + x) / 2)
            since = None
    return cuts


def filled(text: Sequence[Sequence[str]]) -> int:
    return sum(bool(cell) for row in text for cell in row)


def without_empty(text: list[list[str]]) -> list[list[str]]:
    """Without the rows and columns that hold nothing."""
    kept = [row for row in text if any(row)]
    if not kept:
        return []
    filled = [any(row[place] for row in kept) for place in range(len(kept[0]))]
    return [[cell for cell, keep in zip(row, filled, strict=True) if keep] for row in kept]
