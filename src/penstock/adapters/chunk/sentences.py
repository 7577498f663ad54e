"""Where does a sentence end? A light rule that needs no model and keeps every character.

Haystack's own sentence splitter needs NLTK's `punkt` data, which is a download.
"""

import re
from collections.abc import Iterator
from typing import Any

_END = re.compile(r"(?:[.!?…]+[\"'”’)\]]{0,3}(?=\s)|[。！？]+[」』”’）]{0,3}|\n(?=\s*\n))\s*")
_ABBREVIATION = re.compile(
    r"(?:\b(?:[A-Za-z]|al|approx|ca|cf|Co|Corp|Dr|ed|eds|e\.g|eq|eqs|etc|fig|figs|i\.e|Inc|Jr|Ltd|Mr|Mrs|Ms|no|nos|p|pp|Prof"
    r"|ref|refs|resp|sec|Sr|St|tab|viz|vol|vs))\.$",
    re.IGNORECASE,
)
_LONGEST_ABBREVIATION = 12


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """The spans of the sentences of `text`, in order; white space belongs to the sentence before it.

    The spans are contiguous and cover the whole text.
    """
    start = 0
    for match in _END.finditer(text):
        if match.end() < len(text) and _goes_on(text, match):
            continue
        yield start, match.end()
        start = match.end()
    if start < len(text):
        yield start, len(text)


def _goes_on(text: str, match: re.Match[str]) -> bool:
    """Whether what looks like an end stands inside a sentence: after an abbreviation, or before a small letter."""
    mark = match.group().rstrip()
    if mark != ".":
        return False
    if text[match.end()].islower():
        return True
    dot = match.start() + 1
    return _ABBREVIATION.search(text[max(0, dot - _LONGEST_ABBREVIATION) : dot]) is not None


class SentenceRule:
    """`sentence_spans` in the form that Haystack's splitter calls."""

    def split_sentences(self, text: str) -> list[dict[str, Any]]:
        return [{"sentence": text[start:end], "start": start, "end": end} for start, end in sentence_spans(text)]
