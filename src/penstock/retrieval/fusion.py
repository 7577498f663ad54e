"""Reciprocal rank fusion: one ranking from several, by ranks alone, since the scores cannot be compared.

Source: Cormack, Clarke and Büttcher 2009, <https://doi.org/10.1145/1571941.1572114>.
"""

from collections.abc import Iterable, Sequence

K = 60
"""How much less the first ranks count: the constant of the paper."""


def fuse(rankings: Iterable[Sequence[str]], k: int = K) -> dict[str, float]:
    """The sum of 1 / (k + rank) for everything that is in any of the rankings; ranks count from 1."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, name in enumerate(ranking, 1):
            scores[name] = scores.get(name, 0.0) + 1.0 / (k + rank)
    return scores
