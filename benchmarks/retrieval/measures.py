"""nDCG@10, recall@100 and MRR@10 of rankings: Järvelin and Kekäläinen 2002, with the gains of `trec_eval`."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

Grades = Mapping[str, Mapping[str, int]]
"""Query → document → grade."""

Run = Mapping[str, Sequence[str]]
"""Query → documents, best first."""


class Measures(NamedTuple):
    """Means over all judged queries."""

    ndcg: float
    recall: float
    mrr: float


def measure(run: Run, grades: Grades) -> Measures:
    """A query without an answer counts 0."""
    rows = [_of_query(run.get(query, ()), wanted) for query, wanted in grades.items()]
    return Measures(*(sum(column) / len(rows) for column in zip(*rows, strict=True)))


def read_grades(path: Path) -> Grades:
    """Judgements as BEIR has them: query, document and grade, with tabs between them, below a header."""
    grades: dict[str, dict[str, int]] = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        grades.setdefault(query, {})[document] = int(grade)
    return grades


def read_run(path: Path) -> Run:
    """A TREC run file."""
    run: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        query, _, document, *_ = line.split()
        run.setdefault(query, []).append(document)
    return run


def _of_query(found: Sequence[str], wanted: Mapping[str, int]) -> Measures:
    good = {document for document, grade in wanted.items() if grade > 0}
    gained = _discounted([wanted.get(document, 0) for document in found[:10]])
    best = _discounted(sorted(wanted.values(), reverse=True)[:10])
    recall = len(good & set(found[:100])) / len(good) if good else 0.0
    first = next((rank for rank, document in enumerate(found[:10], 1) if document in good), None)
    return Measures(gained / best if best else 0.0, recall, 1 / first if first else 0.0)


def _discounted(grades: Sequence[int]) -> float:
    return math.fsum((2.0**grade - 1) / math.log2(rank + 1) for rank, grade in enumerate(grades, 1))
