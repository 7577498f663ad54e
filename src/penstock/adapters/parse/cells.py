"""Table cells that span columns and rows, laid into a grid."""

from collections.abc import Iterable
from typing import NamedTuple

MAX_COLUMNS = 1_000
"""The most columns that one cell may span; HTML has the same bound."""
MAX_CELLS = 1_000_000
"""Beyond so many cells in a table, spans count as 1."""


class Cell(NamedTuple):
    """A cell as it is written, and how many columns and rows it takes."""

    text: str
    columns: int = 1
    rows: int = 1


def span(value: str | None) -> int:
    """The number in a `colspan` or `rowspan`; 1 where there is none."""
    return min(int(value), 65_534) if value and value.strip().isdecimal() and int(value) > 0 else 1


def grid(rows: Iterable[Iterable[Cell]]) -> list[list[str]]:
    """The texts by row and column.

    A cell that spans rows is repeated in each, so that every row can be read by itself; one that spans columns stands
    in the first of them, and the others are empty.
    """
    laid: list[list[str]] = []
    hanging: dict[int, tuple[int, str]] = {}
    cells = 0
    for row in rows:
        line: list[str] = []
        for cell in row:
            _hang(hanging, line)
            wide = min(cell.columns, MAX_COLUMNS) if cells < MAX_CELLS else 1
            for text in (cell.text, *[""] * (wide - 1)):
                if cell.rows > 1:
                    hanging[len(line)] = (cell.rows - 1, text)
                line.append(text)
        _hang(hanging, line)
        cells += len(line)
        if cells >= MAX_CELLS:
            hanging.clear()
        laid.append(line)
    return laid


def _hang(hanging: dict[int, tuple[int, str]], line: list[str]) -> None:
    """Put what reaches down from the rows above at the end of the line, as far as it follows without a gap."""
    while len(line) in hanging:
        left, text = hanging.pop(len(line))
        line.append(text)
        if left > 1:
            hanging[len(line) - 1] = (left - 1, text)
