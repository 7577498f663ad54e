"""What stands around the text of every page and is none of it: running heads and feet, page numbers."""

import re
from collections import Counter
from collections.abc import Sequence

from penstock.adapters.pdf.lines import Line, rows

_MARGIN = 0.17
"""Of the page's height: how far from its upper and lower edge running heads and feet stand."""
_WIDE_MARGIN = 0.25
"""How far numbers of pages may, where they return on the same height."""
_DIGITS = re.compile(r"\d+|\b[ivxlc]+\b")
_NUMBER = re.compile(
    r"[\W_]*(?:page|seite|p\.)?\s*(?:\d{1,4}|[ivxlc]{1,7})(?:\s*(?:of|/|von)\s*\d{1,4})?[\W_]*", re.IGNORECASE
)
_MOST_LINES = 3


def without_furniture(pages: Sequence[tuple[float, list[Line]]]) -> list[list[Line]]:
    """The pieces of text of each page, without running heads and feet. A page is (height, pieces).

    What stands on the same height of two pages of three, or of three pages, with the same words apart from numbers, is
    furniture; so is a page's number by itself, above or below all else. A margin may be wide for a number that returns.
    """
    margins = [_margins(height, parts) for height, parts in pages]
    seen: Counter[tuple[str, int, str]] = Counter()
    for (height, _), sides in zip(pages, margins, strict=True):
        seen.update({_key(side, height, row) for side, found in sides.items() for row in found})
    needed = 2 if len(pages) <= 3 else 3
    kept = []
    for (height, parts), sides in zip(pages, margins, strict=True):
        dropped: set[int] = set()
        for side, found in sides.items():
            outermost = True
            for row in found:
                is_number = outermost and _NUMBER.fullmatch(" ".join(part.text for part in row))
                returns = seen[_key(side, height, row)] >= needed
                if (is_number and returns) or (_is_near(height, row) and (is_number or returns)):
                    dropped.update(id(part) for part in row)
                else:
                    outermost = False
        kept.append([part for part in parts if id(part) not in dropped])
    return kept


def _margins(height: float, parts: Sequence[Line]) -> dict[str, list[list[Line]]]:
    """The rows in the wide margins above and below, the outermost first."""
    above = rows(part for part in parts if part.box.y1 < _WIDE_MARGIN * height)
    below = rows(part for part in parts if part.box.y0 > (1 - _WIDE_MARGIN) * height)
    return {"above": above[:_MOST_LINES], "below": below[::-1][:_MOST_LINES]}


def _is_near(height: float, row: Sequence[Line]) -> bool:
    above = all(part.box.y1 < _MARGIN * height for part in row)
    return above or all(part.box.y0 > (1 - _MARGIN) * height for part in row)


def _key(side: str, height: float, row: Sequence[Line]) -> tuple[str, int, str]:
    text = _DIGITS.sub("#", " ".join(part.text for part in row).casefold())
    return side, round(row[0].base / height * 100), re.sub(r"\W+", "", text) or "#"
