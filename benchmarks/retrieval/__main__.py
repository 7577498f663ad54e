"""`python -m benchmarks.retrieval DATA [--write FILE]`: each mode beside plain and stemmed BM25, in Markdown."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.on_demand import environment, said
from benchmarks.orchestration.__main__ import machine
from benchmarks.page import write_below

LIBRARIES = ("penstock", "tantivy", "faiss-cpu", "onnxruntime", "haystack-ai")
BEGIN = "<!-- figures: written by make benchmark-retrieval -->"
MODES = ("bm25", "dense", "rrf", "fused")
REFERENCES = {"plain BM25 (bm25s)": "none", "stemmed BM25 (bm25s)": "english"}
PACKAGES = ("bm25s==0.3.16", "PyStemmer==3.1.0", "ir_measures==0.4.3")
PARTS = ("train", "test")

Answer = Callable[[Path], str]
"""A file of queries → a TREC run."""


class Collection:
    """A collection in BEIR's form, and a folder that keeps the runs over it."""

    def __init__(self, folder: Path, work: Path, python: Path) -> None:
        self.folder, self.work, self.python = folder, work, python
        self.work.mkdir(parents=True, exist_ok=True)
        lines = (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()
        texts = {str(json.loads(line)["_id"]): line for line in lines}
        for part in PARTS:
            judged = self._grades(part).read_text(encoding="utf-8").splitlines()[1:]
            asked = dict.fromkeys(line.partition("\t")[0] for line in judged)
            self._queries(part).write_text("".join(f"{texts[query]}\n" for query in asked), encoding="utf-8")

    def row(self, title: str, name: str, answer: Answer) -> str:
        """A line of the table: nDCG@10, recall@100 and MRR@10 for each part."""
        cells = []
        for part in PARTS:
            sys.stderr.write(f"asking the {part} queries: {title}\n")
            run = self.work / f"{name}-{part}.run"
            run.write_text(answer(self._queries(part)), encoding="utf-8")
            values = json.loads(said(self.python, "-m", "benchmarks.retrieval.measures", self._grades(part), run))
            cells.append(" ".join(f"{value:.3f}" for value in values))
        return f"| {title} | {' | '.join(cells)} |"

    def rows(self, profile: str) -> Iterator[str]:
        """The table."""
        yield f"| | {' | '.join(f'{part}: nDCG@10, recall@100, MRR@10' for part in PARTS)} |"
        yield "|---|---|---|"
        corpus = self.folder / "corpus.jsonl"
        plain = (self.python, "-m", "benchmarks.retrieval.plain", corpus)
        for title, language in REFERENCES.items():
            yield self.row(title, f"bm25s-{language}", partial(said, *plain, language))
        penstock = (sys.executable, "-m", "penstock", "--home", self.work / profile, "--profile", profile)
        said(*penstock, "run", "auto", "--input", corpus, "--json")
        for mode in MODES:
            search = (*penstock, "search", "--mode", mode, "--top-k", "100", "--trec", "--queries")
            yield self.row(f"`{mode}`, profile `{profile}`", f"{profile}-{mode}", partial(said, *search))

    def _grades(self, part: str) -> Path:
        return self.folder / "qrels" / f"{part}.tsv"

    def _queries(self, part: str) -> Path:
        return self.work / f"queries-{part}.jsonl"


def report(data: Path, work: Path, profiles: list[str]) -> str:
    """All figures, in Markdown."""
    python = environment("retrieval", PACKAGES)
    parts = [f"Measured on {machine(LIBRARIES)}; {', '.join(PACKAGES)}."]
    for folder in sorted(each.parent for each in data.glob("ir-*/qrels")):
        collection = Collection(folder, work / folder.name, python)
        for profile in profiles:
            parts += [f"## {folder.name}, profile `{profile}`", "\n".join(collection.rows(profile))]
    return "\n\n".join(parts)


def main() -> None:
    """Measure, print, and write below the text of the page that is there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval")
    parser.add_argument("data", type=Path, help="a folder with collections in BEIR's form: ir-*/{corpus,queries}.jsonl")
    parser.add_argument("--write", type=Path, help="a Markdown file that takes the report, behind what it begins with")
    parser.add_argument("--work", type=Path, default=Path("build/retrieval"), help="where homes and run files are kept")
    parser.add_argument("--profile", action="append", help="once or more; `local` by default")
    given = parser.parse_args()
    text = report(given.data, given.work.absolute(), given.profile or ["local"])
    sys.stdout.write(f"{text}\n")
    if given.write:
        write_below(given.write, BEGIN, text)


if __name__ == "__main__":
    main()
