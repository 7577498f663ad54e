"""Words to lines: pieces of a line first, which never reach across a gutter, and whole lines once columns are known."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from penstock.adapters.pdf.geometry import Box, around, shared
from penstock.adapters.pdf.words import Word

_NEAR = 0.9
"""Of the type's size: words further apart may stand in two columns or cells."""
_RIGHT_TO_LEFT = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")


@dataclass
class Line:
    """Words on one line, in reading order. `size`, `bold` and `italic` are those of most of its characters."""

    words: list[Word]

    @cached_property
    def box(self) -> Box:
        return around(word.box for word in self.words)

    @cached_property
    def text(self) -> str:
        parts = [self.words[0].text]
        for before, word in zip(self.words, self.words[1:], strict=False):
            gap = max(word.x0 - before.x1, before.x0 - word.x1)
            apart = word.spaced or gap > 0.2 * max(word.size, before.size)
            parts.append(f" {word.text}" if apart else word.text)
        return "".join(parts)

    @cached_property
    def main(self) -> Word:
        """The word that stands for the line: the longest of those in its commonest size."""
        return max(self.words, key=lambda word: (len(word.text) * word.size, -word.x0))

    @property
    def size(self) -> float:
        return self.main.size

    @property
    def base(self) -> float:
        return self.main.base

    @cached_property
    def bold(self) -> bool:
        return 2 * sum(len(word.text) for word in self.words if word.bold) > self.characters

    @cached_property
    def italic(self) -> bool:
        return 2 * sum(len(word.text) for word in self.words if word.italic) > self.characters

    @cached_property
    def characters(self) -> int:
        return sum(len(word.text) for word in self.words)

    @cached_property
    def right_to_left(self) -> bool:
        return is_right_to_left(self.text)


def is_right_to_left(text: str) -> bool:
    """Whether most letters of it are Hebrew, Arabic or of a script that runs as these do."""
    return 2 * len(_RIGHT_TO_LEFT.findall(text)) > sum(map(str.isalpha, text))


def pieces(words: Sequence[Word]) -> list[Line]:
    """Words that follow each other in the file, joined where they stand side by side on one line."""
    found: list[list[Word]] = []
    for word in words:
        if found and _beside(found[-1], word):
            found[-1].append(word)
        else:
            found.append([word])
    return [Line(each) for each in found]


def _beside(line: list[Word], word: Word) -> bool:
    last = line[-1]
    size = max(last.size, word.size)
    gap = max(word.x0 - last.x1, last.x0 - word.x1)  # to the right of it, or to the left as some scripts run
    if not -0.5 * size < gap < _NEAR * size:
        return False
    high = max(line[-4:], key=lambda each: each.size)
    if 0.85 < word.size / high.size < 1.18:
        return abs(word.base - high.base) < 0.2 * size
    return abs(word.base - high.base) < 0.6 * size  # a superscript, an index, a note's mark


def rows(parts: Iterable[Line]) -> list[list[Line]]:
    """Pieces that stand on one line, each row from left to right, rows from top to bottom."""
    found: list[tuple[Line, list[Line]]] = []
    for part in sorted(parts, key=lambda each: -each.characters):
        best, most = None, 0.5
        for row in found:
            main = row[0].box
            common = shared(main.y0, main.y1, part.box.y0, part.box.y1) / min(part.box.height, main.height)
            if common > most:
                best, most = row, common
        if best is None:
            found.append((part, [part]))
        else:
            best[1].append(part)
    found.sort(key=lambda row: row[0].box.middle)
    return [sorted(row, key=lambda each: each.box.x0) for _, row in found]


def whole_lines(parts: Iterable[Line]) -> list[Line]:
    """The lines of one column, top to bottom: all pieces on one row are one line."""
    found = []
    for row in rows(parts):
        ordered = row[::-1] if 2 * sum(each.right_to_left for each in row) > len(row) else row
        found.append(Line([word for part in ordered for word in part.words]))
    return found
