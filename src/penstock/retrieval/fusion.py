"""One ranking from several. By shares of the best score, or by ranks alone.

*Shares* is a convex combination of scores, each divided by the best of its list: BM25 and cosine both have a zero that
means "nothing in common", so that a share tells how near something comes to the best, and a list that is sure of few
things counts for these. Bruch, Gai and Ingber 2023, <https://doi.org/10.1145/3596512>, find such combinations better
than ranks, in the domain that they were tuned for and outside of it. Here nothing is tuned: every list weighs the same.

*Ranks* is reciprocal rank fusion: Cormack, Clarke and Büttcher 2009, <https://doi.org/10.1145/1571941.1572114>.
"""

from collections.abc import Iterable, Mapping, Sequence

K = 60
"""How much less the first ranks count: the constant of the paper."""


def fuse_shares(lists: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean over the lists of score / best score, from 0 to 1; what a list lacks, or finds opposed, counts 0."""
    scores: dict[str, float] = {}
    for found in lists:
        best = max(found.values(), default=0.0)
        for name, score in found.items():
            share = max(0.0, score / best) if best > 0 else 0.0
            scores[name] = scores.get(name, 0.0) + share / len(lists)
    return scores


def fuse_ranks(rankings: Iterable[Sequence[str]], k: int = K) -> dict[str, float]:
    """The sum of 1 / (k + rank) for everything that is in any of the rankings; ranks count from 1."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, name in enumerate(ranking, 1):
            scores[name] = scores.get(name, 0.0) + 1.0 / (k + rank)
    return scores
