"""Lines of a column to paragraphs: where does one end and the next begin?"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from penstock.adapters.pdf.geometry import Box, around, middle_of
from penstock.adapters.pdf.lines import Line
from penstock.adapters.pdf.tables import CAPTION

BULLET = re.compile(r"[•◦▪■●○‣⁃∙·▶►❖✓➢*–—-](?=\s|$)")
_NUMBERED = re.compile(r"(?:\(?(?:\d{1,3}|[a-z]|[ivx]{1,5})[.)]|\[\d{1,4}\])\s")
_ENDED = re.compile(r"[.!?:;。！？؟]['\"”’)\]]*$")
_SECTION_NUMBER = re.compile(r"(?:\d{1,2}(?:\.\d{1,2})*\.?|[A-Z](?:\.\d{1,2})+\.?|[A-Z]\.|[IVX]{1,5}\.)\s+\S")
_NOTE = re.compile(r"(?:\d{1,2}|[*†‡§¶∗#]+|\([a-z]\))\s*\S")


@dataclass
class Paragraph:
    """Lines that are read as one. `broken` are the places of lines that begin anew on purpose."""

    lines: list[Line]
    broken: frozenset[int] = frozenset()

    @property
    def box(self) -> Box:
        return around(line.box for line in self.lines)

    @property
    def text(self) -> str:
        """Its words, for looking at; hyphens stand as they do on the page."""
        return " ".join(line.text for line in self.lines)

    @property
    def size(self) -> float:
        """The size of most of its type."""
        sizes: Counter[float] = Counter()
        for line in self.lines:
            sizes[round(line.size, 1)] += line.characters
        return sizes.most_common(1)[0][0]

    @property
    def bold(self) -> bool:
        return all(line.bold for line in self.lines)

    @property
    def is_caption(self) -> bool:
        return bool(CAPTION.match(self.lines[0].text))

    @property
    def is_item(self) -> bool:
        """Whether it begins as an entry of a list does."""
        return bool(BULLET.match(self.lines[0].text) or _NUMBERED.match(self.lines[0].text))

    @property
    def is_noted(self) -> bool:
        """Whether it begins with the mark of a footnote."""
        return bool(_NOTE.match(self.lines[0].text))

    @property
    def is_numbered_section(self) -> bool:
        return bool(_SECTION_NUMBER.match(self.lines[0].text))

    @property
    def has_ended(self) -> bool:
        """Whether its last line ends a sentence."""
        return bool(_ENDED.search(self.lines[-1].text))


def paragraphs(lines: Sequence[Line]) -> list[Paragraph]:
    """The paragraphs of one column, whose lines come from top to bottom."""
    if not lines:
        return []
    found: list[list[Line]] = [[lines[0]]]
    broken: list[set[int]] = [set()]
    column = _Column(lines)
    for place, (before, line) in enumerate(pairwise(lines), 2):
        current = found[-1]
        after = lines[place] if place < len(lines) else None
        if column.parts(current, line, after):
            found.append([line])
            broken.append(set())
            continue
        if column.deliberate(before, line):
            broken[-1].add(len(current))
        current.append(line)
    return [Paragraph(each, frozenset(marks)) for each, marks in zip(found, broken, strict=True)]


class _Column:
    """What is usual in a column: its sides, and how far lines stand apart."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        sizes: Counter[int] = Counter()
        for line in lines:
            sizes[round(line.size)] += line.characters
        common = sizes.most_common(1)[0][0]
        usual = [line for line in lines if round(line.size) == common]
        lefts, rights = sorted(line.box.x0 for line in usual), sorted(line.box.x1 for line in usual)
        self.left = lefts[len(lefts) // 10]
        self.right = rights[min(len(rights) - 1, len(rights) * 19 // 20)]
        self._pitch: dict[int, float] = {}
        for size in sizes:
            steps = [
                b.base - a.base
                for a, b in pairwise(lines)
                if round(a.size) == round(b.size) == size and 0.8 * size < b.base - a.base < 2.2 * size
            ]
            self._pitch[size] = middle_of(sorted(steps)[: max(1, len(steps) * 3 // 4)], 1.25 * size)

    def parts(self, current: Sequence[Line], line: Line, after: Line | None) -> bool:
        """Whether the paragraph `current` ends before `line`. `after` is the line that follows it."""
        before = current[-1]
        if line.base - before.base > 1.3 * self._pitch[round(max(line.size, before.size))]:
            return True
        if line.base < before.base - before.size or _restyled(before, line):
            return True
        if BULLET.match(line.text) or (CAPTION.match(line.text) and self.ended(before, line)):
            return True
        if _NUMBERED.match(line.text) and (_NUMBERED.match(current[0].text) or self.ended(before, line)):
            return True
        if bool(_ENDED.search(before.text)) and self.deliberate(before, line):
            return True
        return not (before.bold and line.bold) and self._indented(current, line, after)

    def ended(self, before: Line, line: Line) -> bool:
        """Whether a sentence ends with `before`, or `line` would fit behind it."""
        return bool(_ENDED.search(before.text)) or self.deliberate(before, line)

    def deliberate(self, before: Line, line: Line) -> bool:
        """Whether the first word of `line` had fitted behind `before`: the line was broken on purpose."""
        if before.right_to_left or line.right_to_left:
            return False
        first = line.words[0]
        return before.box.x1 + (first.x1 - first.x0) + 0.8 * first.size < self.right

    def _indented(self, current: Sequence[Line], line: Line, after: Line | None) -> bool:
        """Whether `line` stands where the first line of a paragraph does: set in, or set out before a hanging one."""
        before, size = current[-1], line.size
        start, x = current[0].box.x0, line.box.x0
        if line.right_to_left:
            return line.box.x1 < self.right - 0.8 * size and before.box.x1 > self.right - 0.5 * size
        centred = abs((before.box.x0 + before.box.x1) - (x + line.box.x1)) < size
        if centred and before.box.x0 > self.left + size:
            return False
        if len(current) > 1 and current[1].box.x0 > start + 0.6 * size:  # a hanging paragraph
            return x < current[1].box.x0 - 0.4 * size
        if not before.box.x0 + 0.8 * size < x < before.box.x0 + 6 * size:
            return False
        if len(current) > 1:
            return True
        hangs = after is not None and abs(after.box.x0 - x) < 0.4 * size and not self.deliberate(before, line)
        return not hangs and not BULLET.match(before.text) and not _NUMBERED.match(before.text)


def _restyled(before: Line, line: Line) -> bool:
    small, large = sorted((before.size, line.size))
    if large > 1.12 * small and min(before.characters, line.characters) > 3:
        return True
    return (
        before.bold != line.bold and min(before.characters, line.characters) > 3 and _wholly(before) and _wholly(line)
    )


def _wholly(line: Line) -> bool:
    """Whether all of a line is of the same weight."""
    return len({word.bold for word in line.words}) == 1
