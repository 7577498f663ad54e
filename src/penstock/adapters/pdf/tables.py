"""Tables: where ruling lines or aligned pieces of text make one, and what stands in its cells.

Grids of ruling lines are solved by pdfplumber (<https://github.com/jsvine/pdfplumber>), given the lines that PDFium
found: its own reading of a page takes ten times as long. Between horizontal rules alone, as in most scientific tables,
columns are the white corridors that the rows have in common.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from penstock.adapters.pdf.drawings import Drawings
from penstock.adapters.pdf.geometry import Box, around, shared
from penstock.adapters.pdf.lines import Line, rows, whole_lines
from penstock.adapters.pdf.words import Word

CAPTION = re.compile(
    r"(?i:(?:supplementary|supplemental|extended data|appendix)\s+)?"
    r"(?i:fig(?:ure|\.)|table|tab\.|algorithm|listing|scheme|chart|plate|exhibit)\s*[A-Z]?\.?\d+[\w.\-]*?"
    r"(?:\s*[.:|–—](?:\s|$)|\s*$|\s+(?=[A-Z(]))"
)
"""How a caption begins: `Figure 1:`, `Table S2.`, `Fig. 3 |`."""

_CELL_GAP = 0.45
"""Of the type's size: words that stand further apart are in two cells."""
_FIGURE = re.compile(r"[-+±~<>≤≥$€£]?\s*\d[\d.,:/%×x()±\s-]*|[-–—]")
"""What a cell of figures looks like."""

_MAX_CELLS = 4_000
_MOST_SHAPES = 4
"""A region with more drawn shapes than this is a drawing."""
_SNAP = 3.0


@dataclass(slots=True)
class TableRegion:
    """A table on a page: its place, its cells, and the pieces of text that it took."""

    box: Box
    rows: list[list[str]]
    ruled: bool
    parts: list[Line] = field(default_factory=list)


def ruled_tables(parts: Sequence[Line], drawings: Drawings, size: float, width: float) -> list[TableRegion]:
    """The tables of a page that have ruling lines, those with a grid first; no piece of text is in two of them."""
    found: list[TableRegion] = []
    left = list(parts)
    for find in (_grids, _between_rules):
        for table in find(left, drawings, size, width):
            if any(each.box.touches(table.box) for each in found):
                continue
            found.append(table)
            taken = set(map(id, table.parts))
            left = [part for part in left if id(part) not in taken]
    return found


# ── a grid of ruling lines ──────────────────────────────────────────────────────────────────────────────────────────


def _grids(parts: Sequence[Line], drawings: Drawings, size: float, width: float) -> Iterator[TableRegion]:
    if len(drawings.across) + len(drawings.fills) < 2 or len(drawings.down) + len(drawings.fills) < 1:
        return
    for cells in _cells(drawings, width):
        box = around(cells)
        inside = [part for part in parts if box.holds(part.box)]
        if not inside or len(cells) > _MAX_CELLS:
            continue
        across = sum(not any(cell.grown(2).holds_all(part.box) for cell in cells) for part in inside)
        if 3 * across > len(inside):
            continue  # the grid of a chart, under its labels
        table = _grid(cells)
        if _is_stacked(table, inside):
            continue  # rules around groups of rows: the rows themselves have none
        text = _without_empty(
            [[" ".join(line.text for line in _lines_in(cell, inside)) if cell else "" for cell in row] for row in table]
        )
        if len(text) < 2 or len(text[0]) < 2 or 3 * _filled(text) < len(text) * len(text[0]):
            continue
        yield TableRegion(box, text, ruled=True, parts=inside)


def _cells(drawings: Drawings, width: float) -> list[list[Box]]:
    """The cells of each grid, by pdfplumber. Grids without sides are closed, coloured cells have edges."""
    from pdfplumber import table

    lines = list(drawings.rules)
    for x0, x1, ys in _rule_groups(drawings, width):
        down = [
            rule
            for rule in drawings.down
            if x0 - _SNAP < rule.x0 < x1 + _SNAP and ys[0] - _SNAP < rule.middle < ys[-1] + _SNAP
        ]
        if down:
            top, bottom = min(rule.y0 for rule in down), max(rule.y1 for rule in down)
            lines += [Box(x, top, x, bottom) for x in (x0, x1) if not any(abs(rule.x0 - x) < _SNAP for rule in down)]
    for x0, y0, x1, y1 in drawings.fills:
        lines += [Box(x0, y0, x1, y0), Box(x0, y1, x1, y1), Box(x0, y0, x0, y1), Box(x1, y0, x1, y1)]

    edges = [
        {
            "x0": each.x0, "x1": each.x1, "top": each.y0, "bottom": each.y1, "width": each.width,
            "height": each.height, "orientation": "h" if each.width >= each.height else "v", "object_type": "line",
        }
        for each in lines[:_MAX_CELLS]
    ]  # fmt: skip
    merged = table.merge_edges(edges, _SNAP, _SNAP, _SNAP, _SNAP)
    crossings = table.edges_to_intersections(merged, _SNAP, _SNAP)
    if len(crossings) > _MAX_CELLS:
        return []
    grids = table.cells_to_tables(table.intersections_to_cells(crossings))
    return [[Box(*cell) for cell in grid] for grid in grids if len(grid) > 2]


def _grid(cells: Sequence[Box]) -> list[list[Box | None]]:
    """Cells by row and column; a cell that spans several stands in its first."""
    tops = sorted({round(cell.y0, 1) for cell in cells})
    lefts = sorted({round(cell.x0, 1) for cell in cells})
    placed = {(round(cell.y0, 1), round(cell.x0, 1)): cell for cell in cells}
    return [[placed.get((top, left)) for left in lefts] for top in tops]


def _is_stacked(table: Sequence[Sequence[Box | None]], parts: Sequence[Line]) -> bool:
    """Whether most lines stand above each other in cells that they do not fill."""
    total = stacked = 0
    for row in table:
        found = [(cell, _lines_in(cell, parts)) for cell in row if cell]
        several = [(cell, lines) for cell, lines in found if len(lines) > 1]
        total += max((len(lines) for _, lines in found), default=0)
        if len(several) > 1 and 3 * sum(_is_wrapped(cell, lines) for cell, lines in several) < 2 * len(several):
            stacked += max(len(lines) for _, lines in several)
    return 2 * stacked > total


def _is_wrapped(cell: Box, lines: Sequence[Line]) -> bool:
    """Whether the lines of a cell are one text: all but the last are as long as the cell is wide, more or less."""
    return all(line.box.width > 0.6 * cell.width for line in lines[:-1])


def _lines_in(cell: Box, parts: Sequence[Line]) -> list[Line]:
    """What stands in a cell: a piece of text that reaches over several is parted by its words."""
    found: list[Line] = []
    for part in parts:
        if not cell.touches(part.box):
            continue
        words = [word for word in part.words if cell.holds(word.box)]
        if words:
            found.append(Line(words))
    return whole_lines(found)


# ── rows between horizontal rules ───────────────────────────────────────────────────────────────────────────────────


def _between_rules(parts: Sequence[Line], drawings: Drawings, size: float, width: float) -> Iterator[TableRegion]:
    for x0, x1, ys in _rule_groups(drawings, width):
        run: list[Line] = []
        bounds: list[float] = []
        for top, bottom in pairwise(ys):
            inside = [p for p in parts if top - 1 <= p.box.middle <= bottom + 1 and shared(p.box.x0, p.box.x1, x0, x1)]
            if inside and _is_tabular(inside):
                run += inside
                bounds = bounds or [top]
                bounds[1:] = [bottom]
            elif inside or bottom - top > 2 * size:
                yield from _table_of(run, bounds, x0, x1, size, drawings.shapes)
                run, bounds = [], []
        yield from _table_of(run, bounds, x0, x1, size, drawings.shapes)


def _rule_groups(drawings: Drawings, width: float) -> list[tuple[float, float, list[float]]]:
    """Horizontal rules of the same length and place, as (x0, x1, heights)."""
    groups: list[tuple[float, float, list[float]]] = []
    for rule in sorted(drawings.across, key=lambda each: each.y0):
        if rule.width < 0.12 * width:
            continue
        for x0, x1, ys in groups:
            if abs(rule.x0 - x0) < _SNAP and abs(rule.x1 - x1) < _SNAP:
                if rule.y0 - ys[-1] > _SNAP:
                    ys.append(rule.y0)
                break
        else:
            groups.append((rule.x0, rule.x1, [rule.y0]))
    return [group for group in groups if len(group[2]) > 1]


def _is_tabular(parts: Sequence[Line]) -> bool:
    """Whether at least half of the rows have several cells, and none is a caption or a line of prose."""
    if any(CAPTION.match(part.text) for part in parts):
        return False
    counts = [len(_cells_of(row)) for row in rows(parts)]
    return 2 * sum(count > 1 for count in counts) >= len(counts)


def _table_of(
    run: list[Line], bounds: list[float], x0: float, x1: float, size: float, drawn: Sequence[Box]
) -> Iterator[TableRegion]:
    if not run:
        return
    box = around([*(p.box for p in run), Box(x0, bounds[0], x1, bounds[1])])
    inside = [each for each in drawn if 2 * each.width < box.width and box.holds(each)]
    text = cells_by_corridors(run, size)
    if len(text) > 1 and len(text[0]) > 1 and len(inside) < _MOST_SHAPES:
        yield TableRegion(box, text, False, run)


# ── rows of aligned pieces, without any rule ────────────────────────────────────────────────────────────────────────


def aligned_tables(parts: Sequence[Line], size: float) -> list[TableRegion]:
    """The tables of a column that have no rules: runs of rows with three cells or more, most of them short."""
    found: list[TableRegion] = []
    run: list[list[Line]] = []
    captions = [part.box for part in parts if CAPTION.match(part.text)]
    for row in [*rows(parts), []]:
        cells = _cells_of(row)
        short = sum(len(cell) <= 3 for cell in cells)
        tabular = len(cells) > 2 and 3 * short >= 2 * len(cells)
        near = not run or (bool(row) and around(p.box for p in row).y0 - around(p.box for p in run[-1]).y1 < 1.2 * size)
        if tabular and near:
            run.append(row)
            continue
        found += _aligned_table(run, size, captions)
        run = [row] if tabular else []
    return found


def _aligned_table(run: list[list[Line]], size: float, captions: Sequence[Box]) -> Iterator[TableRegion]:
    if len(run) < 3:
        return
    parts = [part for row in run for part in row]
    box = around(part.box for part in parts)
    text = cells_by_corridors(parts, size)
    columns = len(text[0]) if text else 0
    cells = [cell for row in text for cell in row if cell]
    figures = sum(bool(_FIGURE.fullmatch(cell)) for cell in cells)
    told = any(box.touches(each, 3 * size) for each in captions)
    if columns > 2 and 2 * len(cells) >= len(text) * columns and (told or 3 * figures >= len(cells)):
        yield TableRegion(box, text, False, parts)


# ── cells ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _cells_of(row: Sequence[Line]) -> list[list[Word]]:
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
    table = [_cells_of(row) for row in lines]
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
    return _without_empty(text)


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


def _filled(text: Sequence[Sequence[str]]) -> int:
    return sum(bool(cell) for row in text for cell in row)


def _without_empty(text: list[list[str]]) -> list[list[str]]:
    """Without the rows and columns that hold nothing."""
    kept = [row for row in text if any(row)]
    if not kept:
        return []
    filled = [any(row[place] for row in kept) for place in range(len(kept[0]))]
    return [[cell for cell, keep in zip(row, filled, strict=True) if keep] for row in kept]
