"""Short forms that a text defines itself: `heart failure (HF)`.

The algorithm of Schwartz and Hearst 2003, "A simple algorithm for identifying abbreviation definitions in biomedical
text", <https://psb.stanford.edu/psb-online/proceedings/psb03/schwartz.pdf>: a short form in brackets, and before it the
shortest run of words that has its characters in their order, the first of them at the beginning of a word.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_MOST_CHARACTERS = 10
_BRACKETS = re.compile(r"[(\[]([^()\[\]\n]{2,40})[)\]]")
_WORD = re.compile(r"\S+")
_SENTENCE_END = re.compile(r"[.!?;]\s+(?=[A-Z])|\n\s*\n")
_LOOKED_AT = 400


class Definition(NamedTuple):
    """A short form, and the span of the text that it stands for."""

    short: str
    start: int
    end: int


def definitions(text: str) -> Iterator[Definition]:
    """The definitions in a text, in its order."""
    for match in _BRACKETS.finditer(text):
        short = re.split(r"[,;]|\s(?:or|and)\s", match[1], maxsplit=1)[0].strip()
        if not _is_short_form(short):
            continue
        before = text[max(0, match.start() - _LOOKED_AT) : match.start()].rstrip()
        cuts = [each.end() for each in _SENTENCE_END.finditer(before)]
        sentence = before[cuts[-1] if cuts else 0 :]
        words = list(_WORD.finditer(sentence))
        most = min(len(short) + 5, 2 * len(short))
        candidate = sentence[words[-most].start() :] if len(words) > most else sentence
        start = _long_form(short, candidate)
        if start is not None:
            end = max(0, match.start() - _LOOKED_AT) + len(before)
            yield Definition(short, end - len(candidate) + start, end)


def _is_short_form(text: str) -> bool:
    return (
        2 <= len(text) <= _MOST_CHARACTERS
        and len(text.split()) <= 2
        and text[0].isalnum()
        and any(each.isalpha() for each in text)
    )


def _long_form(short: str, candidate: str) -> int | None:
    """Where in the candidate the long form begins; None where the short form is none of it."""
    place = len(candidate)
    for index in range(len(short) - 1, -1, -1):
        sought = short[index].lower()
        if not sought.isalnum():
            continue
        place -= 1
        while place >= 0 and (
            candidate[place].lower() != sought or (index == 0 and place > 0 and candidate[place - 1].isalnum())
        ):
            place -= 1
        if place < 0:
            return None
    start = max(candidate.rfind(" ", 0, place), candidate.rfind("\n", 0, place)) + 1
    long = candidate[start:]
    if len(long) <= len(short) or short in long.split():
        return None
    while start < place and not candidate[start].isalnum():  # a bracket or a quote before the first word
        start += 1
    return start
