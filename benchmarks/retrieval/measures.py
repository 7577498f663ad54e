"""`python -m benchmarks.retrieval.measures QRELS RUN`: nDCG@10, recall@100 and MRR@10 as JSON, by ir_measures.

Runs in an environment that has ir_measures. Documents of one score count in the order of the run, as a reader
sees them.
"""

import json
import sys
from pathlib import Path

import ir_measures
from ir_measures import RR, R, nDCG

MEASURES = (nDCG @ 10, R @ 100, RR @ 10)


def main() -> None:
    """Measure one run, over all judged queries."""
    judged = [line.split("\t") for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()[1:]]
    grades = [ir_measures.Qrel(query, document, int(grade)) for query, document, grade in judged]
    found = [line.split() for line in Path(sys.argv[2]).read_text(encoding="utf-8").splitlines()]
    run = [ir_measures.ScoredDoc(query, document, -int(rank)) for query, _, document, rank, *_ in found]
    values = ir_measures.calc_aggregate(MEASURES, grades, run)
    sys.stdout.write(json.dumps([values[each] for each in MEASURES]))


if __name__ == "__main__":
    main()
