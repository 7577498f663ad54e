"""Lines to running text: hyphens at line ends are undone, where the document itself shows how the word is written."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from penstock.adapters.pdf.lines import Line

_WORD = re.compile(r"[^\W\d_]+(?:[-‐][^\W\d_]+)*")
_CUT = re.compile(r"([^\W\d_]+)[-‐]$")
_BEGINS = re.compile(r"[^\W\d_]+")
_IDEOGRAPH = re.compile(r"[\u3001-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")
"""Writing without spaces."""
_WORD_LENGTH = 4
"""Letters: shorter words are too often the beginning of another."""
_ACCENTS = {"¨": "\u0308", "´": "\u0301", "ˆ": "\u0302", "˜": "\u0303", "ˇ": "\u030c", "˚": "\u030a", "¯": "\u0304"}
_ACCENTED = re.compile(f"([{''.join(_ACCENTS)}])([A-Za-zıȷ])")
_UNDONE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Vocabulary:
    """The words of a document, but for those that a line's end cuts."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._seen: Counter[str] = Counter()
        for line in lines:
            text = _CUT.sub("", clean(line.text)).casefold()
            for word in _WORD.findall(text):
                self._seen[word.replace("‐", "-")] += 1
                if "-" in word:
                    self._seen.update(word.split("-"))

    def join(self, before: str, after: str) -> str:
        """What stands between the two parts of a line's end and the next line's begin: replaces the hyphen.

        Returns `before` with what belongs between the two: a space, nothing, or the hyphen that was there.
        """
        if _IDEOGRAPH.match(before[-1]) and _IDEOGRAPH.match(after):
            return before
        cut, begins = _CUT.search(before), _BEGINS.match(after)
        if cut is None or begins is None:
            glued = before.endswith(("-", "‐")) and len(before) > 1 and not before[-2].isspace()
            return before if glued or before.endswith(("/", "—")) else f"{before} "
        first, second = cut[1].casefold(), begins[0].casefold()
        whole, parted = self._seen[first + second], self._seen[f"{first}-{second}"]
        if whole > parted:
            return before[:-1]
        both = min(len(first), len(second)) >= _WORD_LENGTH and min(self._seen[first], self._seen[second]) > 0
        chained = before[: cut.start()].endswith("-") or after[begins.end() :].startswith("-")
        return before if parted or both or chained or begins[0][0].isupper() else before[:-1]


def clean(text: str) -> str:
    """`text` in NFC, without control characters; accents that a font sets before their letter are put over it."""
    text = _ACCENTED.sub(_accented, text)
    return _UNDONE.sub("", unicodedata.normalize("NFC", text)).strip()


def _accented(match: re.Match[str]) -> str:
    letter = {"ı": "i", "ȷ": "j"}.get(match[2], match[2])
    composed = unicodedata.normalize("NFC", letter + _ACCENTS[match[1]])
    return composed if len(composed) == 1 else match[0]


def joined(lines: Sequence[Line], broken: frozenset[int], words: Vocabulary) -> tuple[str, list[int]]:
    """The text of lines, and where in it each begins. Lines whose places are in `broken` keep their line's end."""
    text, starts = "", []
    for place, line in enumerate(lines):
        found = clean(line.text)
        if text and found:
            text = f"{text}\n" if place in broken else words.join(text, found)
        starts.append(len(text))
        text += found
    return text, starts
