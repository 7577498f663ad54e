"""What each part of the text is: title, heading, caption, footnote, entry of a list, or plain text."""

import re
from collections import Counter
from collections.abc import Sequence

from penstock.adapters.pdf.captions import with_captions
from penstock.adapters.pdf.cells import TableRegion
from penstock.adapters.pdf.figures import FigureRegion
from penstock.adapters.pdf.items import Item, Role
from penstock.adapters.pdf.page import PageText, Part
from penstock.adapters.pdf.paragraphs import BULLET, Paragraph

_LONGEST_HEADING, _LETTERS, _PROSE = 200, 3, 200
_MOST_LINES = 4
_LARGER, _TITLE, _SMALLER = 1.08, 1.2, 0.93
_NUMBER = re.compile(r"((?:\d{1,2}|[A-Z])(?:\.\d{1,2})*)\.?\s+\S")


def items_of(pages: Sequence[tuple[PageText, list[list[Part]]]], body: float) -> list[Item]:
    """All parts of a document with their roles, in reading order, each page's footnotes at its end."""
    on_pages: list[list[Item]] = []
    column = 0
    for page, columns in pages:
        on_page: list[Item] = []
        for parts in columns:
            items = [Item(_role(part, body), part, page, column) for part in parts]
            _mark_footnotes(items, body, page.size[1])
            on_page += items
            column += 1
        on_pages.append(on_page)
    found: list[Item] = []
    for on_page in with_captions(on_pages, body):
        found += [item for item in on_page if item.role != "footnote"]
        found += [item for item in on_page if item.role == "footnote"]
    _mark_title(found, body)
    _mark_authors(found)
    _mark_levels([item for item in found if item.role == "heading"])
    return found


def _role(part: Part, body: float) -> Role:
    if isinstance(part, TableRegion):
        return "table"
    if isinstance(part, FigureRegion):
        return "figure"
    if part.is_caption:
        return "caption"
    if _is_heading(part, body):
        return "heading"
    return "list" if part.is_item else "text"


def _is_heading(part: Paragraph, body: float) -> bool:
    text = part.text
    letters = sum(map(str.isalpha, text))
    if len(text) > _LONGEST_HEADING or len(part.lines) > _MOST_LINES or BULLET.match(text):
        return False
    if letters < _LETTERS or 5 * letters < 2 * len(text.replace(" ", "")):
        return False
    if text.rstrip().endswith((",", ";", "-")) or (text.rstrip().endswith(".") and not part.is_numbered_section):
        return False
    larger = part.size > _LARGER * body
    styled = part.bold or (part.is_numbered_section and text == text.upper())
    if not larger and not (styled and part.size > _SMALLER * body):
        return False
    return text[0].isupper() or part.is_numbered_section or larger or not text[0].isalpha()


def _mark_footnotes(items: Sequence[Item], body: float, height: float) -> None:
    """The small print at the foot of a column, below body text."""
    small: list[Item] = []
    for item in reversed(items):
        part = item.part
        if not isinstance(part, Paragraph) or part.size > _SMALLER * body or item.role == "caption":
            break
        small.insert(0, item)
    while small and not (isinstance(small[0].part, Paragraph) and small[0].part.is_noted) and small[0] is items[0]:
        small = small[1:]
    if not small:
        return
    before = items.index(small[0]) - 1
    if before < 0 or items[before].role == "heading" or small[0].part.box.y0 < height / 2:
        return
    for item in small:
        item.role = "footnote"


def _mark_title(items: Sequence[Item], body: float) -> None:
    """The largest type in the upper part of the first page."""
    first = items[0].page.number if items else 0
    large = [
        item
        for item in items
        if item.role == "heading"
        and item.page.number == first
        and item.part.box.y0 < 0.55 * item.page.size[1]
        and isinstance(item.part, Paragraph)
        and item.part.size >= _TITLE * body
        and not item.part.is_numbered_section
    ]
    if not large:
        return
    size = max(item.part.size for item in large if isinstance(item.part, Paragraph))
    before = None
    for item in large:
        if (
            isinstance(item.part, Paragraph)
            and item.part.size > 0.95 * size
            and (before is None or items.index(item) == before + 1)
        ):
            item.role = "title"
            before = items.index(item)


def _mark_authors(items: Sequence[Item]) -> None:
    """What stands large between the title and the first prose is no heading, but for the last before the prose."""
    titles = [place for place, item in enumerate(items) if item.role == "title"]
    run: list[Item] = []
    for item in items[titles[-1] + 1 :] if titles else ():
        if not isinstance(item.part, Paragraph):
            continue
        if item.part.is_numbered_section or len(item.part.text) > _PROSE:
            break
        if item.role == "heading":
            run.append(item)
    for item in run[:-1]:
        item.role = "text"


def _mark_levels(headings: Sequence[Item]) -> None:
    """Depths: as their numbers say; without one, as other headings in the same type; else by the type's size."""
    styles = {id(item): _style(item) for item in headings}
    known: dict[tuple[float, bool, bool], Counter[int]] = {}
    for item in headings:
        depth = _depth(item)
        if depth:
            known.setdefault(styles[id(item)], Counter())[depth] += 1
    sizes = sorted(set(styles.values()), key=lambda style: (-style[0], not style[2], not style[1]))
    ranks: dict[tuple[float, bool, bool], int] = {}
    level = 0
    for style in sizes:
        numbered = known.get(style)
        level = numbered.most_common(1)[0][0] if numbered else min(level + 1, 6)
        ranks[style] = level
    for item in headings:
        item.level = _depth(item) or ranks[styles[id(item)]]


def _depth(item: Item) -> int:
    assert isinstance(item.part, Paragraph)
    number = _NUMBER.match(item.part.text)
    return number[1].count(".") + 1 if number else 0


def _style(item: Item) -> tuple[float, bool, bool]:
    assert isinstance(item.part, Paragraph)
    return round(item.part.size * 2) / 2, item.part.bold, item.part.text == item.part.text.upper()
