"""Tables with a grid of ruling lines, solved by pdfplumber (<https://github.com/jsvine/pdfplumber>).

It is given the lines that PDFium found: its own reading of a page takes ten times as long.
"""

from collections.abc import Iterator, Sequence

from penstock.adapters.pdf.cells import TableRegion, filled, without_empty
from penstock.adapters.pdf.drawings import Drawings
from penstock.adapters.pdf.geometry import Box, around
from penstock.adapters.pdf.lines import Line, whole_lines

_MAX_CELLS = 4_000
_MOST_SHAPES = 4
SNAP = 3.0
"""Points: lines that stand no further apart are taken for one."""


def grids(parts: Sequence[Line], drawings: Drawings, size: float, width: float) -> Iterator[TableRegion]:
    if len(drawings.across) + len(drawings.fills) < 2 or len(drawings.down) + len(drawings.fills) < 1:
        return
    for cells in _cells(drawings, width):
        box = around(cells)
        inside = [part for part in parts if box.holds(part.box)]
        if not inside or len(cells) > _MAX_CELLS or is_drawing(box, drawings):
            continue
        across = sum(not any(cell.grown(2).holds_all(part.box) for cell in cells) for part in inside)
        if 3 * across > len(inside):
            continue  # the grid of a chart, under its labels
        table = _grid(cells)
        if _is_stacked(table, inside):
            continue  # rules around groups of rows: the rows themselves have none
        text = without_empty(
            [[" ".join(line.text for line in _lines_in(cell, inside)) if cell else "" for cell in row] for row in table]
        )
        if len(text) < 2 or len(text[0]) < 2 or 3 * filled(text) < len(text) * len(text[0]):
            continue
        yield TableRegion(box, text, ruled=True, parts=inside)


def is_drawing(box: Box, drawings: Drawings) -> bool:
    """Whether more is drawn in a region than a table needs: small shapes that are no coloured cells."""
    fills = set(drawings.fills)
    small = (each for each in drawings.shapes if 2 * each.width < box.width and box.holds(each) and each not in fills)
    return sum(1 for _ in small) >= _MOST_SHAPES


def _cells(drawings: Drawings, width: float) -> list[list[Box]]:
    """The cells of each grid, by pdfplumber. Grids without sides are closed, coloured cells have edges."""
    from pdfplumber import table

    lines = list(drawings.rules)
    for x0, x1, ys in rule_groups(drawings, width):
        down = [
            rule
            for rule in drawings.down
            if x0 - SNAP < rule.x0 < x1 + SNAP and ys[0] - SNAP < rule.middle < ys[-1] + SNAP
        ]
        if down:
            top, bottom = min(rule.y0 for rule in down), max(rule.y1 for rule in down)
            lines += [Box(x, top, x, bottom) for x in (x0, x1) if not any(abs(rule.x0 - x) < SNAP for rule in down)]
    for x0, y0, x1, y1 in drawings.fills:
        lines += [Box(x0, y0, x1, y0), Box(x0, y1, x1, y1), Box(x0, y0, x0, y1), Box(x1, y0, x1, y1)]

    edges = [
        {
            "x0": each.x0, "x1": each.x1, "top": each.y0, "bottom": each.y1, "width": each.width,
            "height": each.height, "orientation": "h" if each.width >= each.height else "v", "object_type": "line",
        }
        for each in lines[:_MAX_CELLS]
    ]  # fmt: skip # a table: one entry a line would hide its shape
    merged = table.merge_edges(edges, SNAP, SNAP, SNAP, SNAP)
    crossings = table.edges_to_intersections(merged, SNAP, SNAP)
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


def rule_groups(drawings: Drawings, width: float) -> list[tuple[float, float, list[float]]]:
    """Horizontal rules of the same length and place, as (x0, x1, heights)."""
    groups: list[tuple[float, float, list[float]]] = []
    for rule in sorted(drawings.across, key=lambda each: each.y0):
        if rule.width < 0.12 * width:
            continue
        for x0, x1, ys in groups:
            if abs(rule.x0 - x0) < SNAP and abs(rule.x1 - x1) < SNAP:
                if rule.y0 - ys[-1] > SNAP:
                    ys.append(rule.y0)
                break
        else:
            groups.append((rule.x0, rule.x1, [rule.y0]))
    return [group for group in groups if len(group[2]) > 1]
