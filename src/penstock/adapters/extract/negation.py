"""Which mentions does a text deny? NegEx: cues before or behind, within reach, in the same sentence.

Source: Chapman et al. 2001, "A simple algorithm for identifying negated findings and diseases in discharge summaries",
<https://doi.org/10.1006/jbin.2001.1029>.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from penstock.adapters.extract.words import PARAGRAPH, Forms, Word
from penstock.spec.ontology import NegationSpec

_ENDS = frozenset({".", "!", "?", ";", ":", PARAGRAPH})


class _Cue(NamedTuple):
    first: int
    last: int
    kind: str


class Negation:
    """The cues of an ontology, ready to be looked for."""

    def __init__(self, spec: NegationSpec) -> None:
        self._spec = spec
        self._forms = Forms()
        self._cues: dict[tuple[str, ...], str] = {}
        kinds = {"before": spec.before, "after": spec.after, "end": spec.ends, "never": spec.never}
        for kind, cues in kinds.items():
            self._cues.update({tuple(self._forms.key(each).split()): kind for each in cues})
        self._longest = max(map(len, self._cues), default=0)

    def denied(self, text: str, spans: Iterable[tuple[int, int, str]]) -> set[tuple[int, int]]:
        """Of spans with their entity types, those that the text denies."""
        types = self._spec.types
        looked_at = {(start, end) for start, end, type_ in spans if not types or type_ in types}
        if not looked_at or not self._cues:
            return set()
        words = self._forms.words(text)
        reached = list(self._reach(text, words, self._found(words)))
        if not reached:
            return set()
        starts, ends = [word.start for word in words], [word.end for word in words]
        found = set()
        for start, end in looked_at:
            first, last = bisect_right(starts, start) - 1, bisect_left(ends, end)
            if any(low <= (first if is_forward else last) < high for low, high, is_forward in reached):
                found.add((start, end))
        return found

    def _reach(self, text: str, words: Sequence[Word], cues: Sequence[_Cue]) -> Iterator[tuple[int, int, bool]]:
        """The numbers of the words that a cue reaches: (first, behind the last, whether forward)."""
        limits = sorted({0, len(words), *(end for cue in cues for end in cue[:2]), *_sentence_ends(text, words)})
        for first, last, kind in cues:
            if kind == "before":
                yield last, min(last + self._spec.reach, limits[bisect_right(limits, last)]), True
            elif kind == "after":
                yield max(first - self._spec.reach, limits[bisect_left(limits, first) - 1]), first, False

    def _found(self, words: Sequence[Word]) -> list[_Cue]:
        """The cues in a text: of those that overlap, the first and longest."""
        cues = []
        place = 0
        while place < len(words):
            for length in range(min(self._longest, len(words) - place), 0, -1):
                kind = self._cues.get(tuple(word.form for word in words[place : place + length]))
                if kind:
                    cues.append(_Cue(place, place + length, kind))
                    place += length
                    break
            else:
                place += 1
        return cues


def _sentence_ends(text: str, words: Sequence[Word]) -> Iterator[int]:
    """The numbers of the words that begin a sentence or a clause; a point within a number ends none."""
    for number, word in enumerate(words, 1):
        if word.form in _ENDS and (word.form == PARAGRAPH or word.end == len(text) or text[word.end].isspace()):
            yield number
