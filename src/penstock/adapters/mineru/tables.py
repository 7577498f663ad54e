"""Tables in HTML, as models write them, to rows of cells."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from penstock.errors import PermanentError

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_MOST_DEPTH, _MOST_SPAN, _MOST_CELLS = 200, 1_000, 100_000
"""The second is HTML's own bound of `colspan` (<https://html.spec.whatwg.org/multipage/tables.html>)."""
_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/p|/li|/div)\b[^>]*>", re.IGNORECASE)
_FORMULA = re.compile(r"<eq\b[^>]*>(.*?)</eq>", re.IGNORECASE | re.DOTALL)
_UNCLOSED = frozenset({"br", "hr", "img", "td", "th", "tr", "p", "li", "col"})


def rows_of(html: str) -> tuple[tuple[str, ...], ...]:
    """The cells of the first table in `html`, row by row, all rows of one length; nothing where there is none.

    What spans several rows or columns stands in each cell that it covers. A table within a cell is that cell's text.
    Raises `PermanentError` where the table nests too deeply or has more than 100,000 cells.
    """
    from selectolax.lexbor import LexborHTMLParser

    _check_depth(html)
    tree = LexborHTMLParser(_BREAK.sub(lambda tag: f" {tag[0]}", _FORMULA.sub(r"$\1$", html)))
    table = tree.css_first("table")
    if table is None:
        return ()
    grid: dict[tuple[int, int], str] = {}
    rows = list(_rows(table))
    for number, row in enumerate(rows):
        column = 0
        for cell in row.iter():
            if cell.tag not in ("td", "th"):
                continue
            while (number, column) in grid:
                column += 1
            across, down = _span(cell, "colspan"), min(_span(cell, "rowspan"), len(rows) - number)
            if len(grid) + across * down > _MOST_CELLS:
                raise PermanentError(f"MinerU: a table of more than {_MOST_CELLS} cells")
            text = " ".join(cell.text().split())
            grid.update({(number + y, column + x): text for y in range(down) for x in range(across)})
            column += across
    width = 1 + max((column for _, column in grid), default=-1)
    if width * len(rows) > _MOST_CELLS:
        raise PermanentError(f"MinerU: a table of more than {_MOST_CELLS} cells")
    return tuple(tuple(grid.get((number, column), "") for column in range(width)) for number in range(len(rows)))


def _rows(table: "LexborNode") -> Iterator["LexborNode"]:
    for child in table.iter():
        if child.tag == "tr":
            yield child
        elif child.tag in ("thead", "tbody", "tfoot"):
            yield from (row for row in child.iter() if row.tag == "tr")


def _span(cell: "LexborNode", name: str) -> int:
    value = cell.attributes.get(name) or ""
    return min(int(value), _MOST_SPAN) or 1 if value.isascii() and value.isdigit() and len(value) < 9 else 1


def _check_depth(html: str) -> None:
    depth = 0
    for tag in _TAG.finditer(html):
        if tag[2].lower() not in _UNCLOSED:
            depth = max(0, depth - 1) if tag[1] else depth + 1
            if depth > _MOST_DEPTH:
                raise PermanentError(f"MinerU: a table nested more than {_MOST_DEPTH} elements deep")
