"""Tables: where ruling lines or aligned pieces of text make one, and what stands in its cells.

Between horizontal rules alone, as in most scientific tables, and without any, columns are the white corridors that the
rows have in common.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from penstock.adapters.pdf.cells import TableRegion, cells_by_corridors, cells_of
from penstock.adapters.pdf.drawings import Drawings
from penstock.adapters.pdf.geometry import Box, around, middle_of, shared
from penstock.adapters.pdf.grids import grids, is_drawing, rule_groups
from penstock.adapters.pdf.lines import Line, rows

CAPTION = re.compile(
    r"(?i:(?:supplementary|supplemental|extended data|appendix)\s+)?"
    r"(?i:fig(?:ure|\.)|table|tab\.|algorithm|listing|scheme|chart|plate|exhibit)\s*[A-Z]?\.?\d+[\w.\-]*?"
    r"(?:\s*[.:|–—](?:\s|$)|\s*$|\s+(?=[A-Z(]))"
)
"""How a caption begins: `Figure 1:`, `Table S2.`, `Fig. 3 |`."""

_FIGURE = re.compile(r"[-+±~<>≤≥$€£]?\s*\d[\d.,:/%×x()±\s-]*|[-–—]")
"""What a cell of figures looks like."""

_LEADER = re.compile(r"(?:\. ?){5}")
"""What leads from an entry to its page, in a table of contents."""

_SHORT = 4
"""Words: the pieces of text in a table are no longer, but for a few."""


def ruled_tables(parts: Sequence[Line], drawings: Drawings, size: float, width: float) -> list[TableRegion]:
    """The tables of a page that have ruling lines, those with a grid first; no piece of text is in two of them."""
    found: list[TableRegion] = []
    left = list(parts)
    for find in (grids, _between_rules):
        for table in find(left, drawings, size, width):
            if any(each.box.touches(table.box) for each in found):
                continue
            found.append(table)
            taken = set(map(id, table.parts))
            left = [part for part in left if id(part) not in taken]
    return found


# ── rows between horizontal rules ───────────────────────────────────────────────────────────────────────────────────


def _between_rules(parts: Sequence[Line], drawings: Drawings, size: float, width: float) -> Iterator[TableRegion]:
    for x0, x1, ys in rule_groups(drawings, width):
        run: list[Line] = []
        bounds: list[float] = []
        for top, bottom in pairwise(ys):
            inside = [p for p in parts if top - 1 <= p.box.middle <= bottom + 1 and shared(p.box.x0, p.box.x1, x0, x1)]
            if inside and _is_tabular(inside):
                run += inside
                bounds = bounds or [top]
                bounds[1:] = [bottom]
            elif inside or bottom - top > 2 * size:
                yield from _table_of(run, bounds, x0, x1, size, drawings)
                run, bounds = [], []
        yield from _table_of(run, bounds, x0, x1, size, drawings)


def _is_tabular(parts: Sequence[Line]) -> bool:
    """Whether at least half of the rows have several cells, most of them short, and none is a caption."""
    if any(CAPTION.match(part.text) for part in parts):
        return False
    lengths = [[len(part.words) for part in row] for row in rows(parts)]
    short = middle_of(length for row in lengths for length in row) <= _SHORT
    return short and 2 * sum(len(row) > 1 for row in lengths) >= len(lengths)


def _table_of(
    run: list[Line], bounds: list[float], x0: float, x1: float, size: float, drawings: Drawings
) -> Iterator[TableRegion]:
    if not run:
        return
    box = around([*(p.box for p in run), Box(x0, bounds[0], x1, bounds[1])])
    text = cells_by_corridors(run, size)
    if len(text) > 1 and len(text[0]) > 1 and not is_drawing(box, drawings):
        yield TableRegion(box, text, False, run)


# ── rows of aligned pieces, without any rule ────────────────────────────────────────────────────────────────────────


def aligned_tables(parts: Sequence[Line], size: float) -> list[TableRegion]:
    """The tables of a column that have no rules: runs of rows with three cells or more, most of them short."""
    found: list[TableRegion] = []
    run: list[list[Line]] = []
    captions = [part.box for part in parts if CAPTION.match(part.text)]
    for row in [*rows(parts), []]:
        cells = cells_of(row)
        short = sum(len(cell) <= 3 for cell in cells)
        leads = any(_LEADER.search(part.text) for part in row)
        tabular = len(cells) > 2 and 3 * short >= 2 * len(cells) and not leads
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
