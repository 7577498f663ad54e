"""How well was a PDF read? Words, their order, and cells of tables, against a reference."""

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rapidfuzz.distance import LCSseq

_WORD = re.compile(r"\w+")
_SHINGLE = 4

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Text:
    """Shares from 0 to 1. `words`: how well the words agree, wherever they stand (F1); `similarity`: how well they
    agree in their order (F1 of the longest common subsequence); `order`: of the places where four words of the
    reference were read, those that follow each other as in the reference."""

    words: float
    similarity: float
    order: float


@dataclass(frozen=True)
class Cells:
    """`found`: the share of the reference's cells that were read as a cell; `right`: the share of the cells that were
    read that the reference has; `beside`: of its pairs of neighbouring cells, those that were read as neighbours
    (adjacency relations, Göbel et al. 2012)."""

    found: float
    right: float
    beside: float


def words(text: str) -> list[str]:
    """The words of a text, in small letters, without marks."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def compare_text(read: str, reference: str, *, part: bool = False) -> Text:
    """How near `read` comes to `reference`; where it is only a `part` of that, what is missing does not count."""
    ours, theirs = words(read), words(reference)
    either = (Counter(ours) & Counter(theirs)).total()
    return Text(
        _agreement(either, ours, theirs, part),
        _agreement(LCSseq.similarity(ours, theirs), ours, theirs, part),
        _order(ours, theirs),
    )


def _agreement(common: int, ours: Sequence[str], theirs: Sequence[str], part: bool) -> float:
    right = common / len(ours) if ours else 0.0
    return right if part else _mean(common / len(theirs), right)


def _mean(one: float, other: float) -> float:
    return 2 * one * other / (one + other) if one + other else 0.0


def _order(ours: Sequence[str], theirs: Sequence[str]) -> float:
    """The longest rising run of the places of shingles that both have once, as a share of these."""
    place = _places(theirs)
    met = [place[shingle] for shingle in _places(ours) if shingle in place]
    tails: list[int] = []
    for at in met:
        spot = bisect_left(tails, at)
        tails[spot : spot + 1] = [at]
    return len(tails) / len(met) if met else 0.0


def _places(found: Sequence[str]) -> dict[tuple[str, ...], int]:
    shingles = [tuple(found[at : at + _SHINGLE]) for at in range(len(found) - _SHINGLE + 1)]
    once = Counter(shingles)
    return {shingle: at for at, shingle in enumerate(shingles) if once[shingle] == 1}


def compare_tables(read: Sequence[Rows], reference: Sequence[Rows]) -> Cells:
    """How near the tables that were read come to those of the reference, whichever table a cell stands in."""
    ours, theirs = _cells(read), _cells(reference)
    common = (ours & theirs).total()
    beside, wanted = _neighbours(read), _neighbours(reference)
    return Cells(
        common / theirs.total() if theirs else 0.0,
        common / ours.total() if ours else 0.0,
        (beside & wanted).total() / wanted.total() if wanted else 0.0,
    )


def _cells(tables: Sequence[Rows]) -> Counter[str]:
    return Counter(cell for table in tables for row in table for text in row if (cell := plain(text)))


def _neighbours(tables: Sequence[Rows]) -> Counter[tuple[str, str]]:
    """Each cell that holds something, with the next such cell to the right and the next one below."""
    pairs: Counter[tuple[str, str]] = Counter()
    for table in tables:
        width = max(map(len, table), default=0)
        columns = [[row[place] if place < len(row) else "" for row in table] for place in range(width)]
        for line in (*table, *columns):
            filled = [cell for text in line if (cell := plain(text))]
            pairs.update(pairwise(filled))
    return pairs


def plain(text: str) -> str:
    """A cell as it is compared: letters and digits."""
    return "".join(words(text))
