"""`python -m benchmarks.retrieval DATA [--write FILE]`: each mode beside plain and stemmed BM25, in Markdown."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.orchestration.__main__ import machine
from benchmarks.retrieval.measures import Grades, Run, measure, read_grades, read_run

LIBRARIES = ("penstock", "tantivy", "faiss-cpu", "onnxruntime", "haystack-ai")
BEGIN = "<!-- figures: written by make benchmark-retrieval -->"
MODES = ("bm25", "dense", "rrf", "fused")
REFERENCES = {"plain BM25 (bm25s)": "", "stemmed BM25 (bm25s)": "english"}
PACKAGES = ("bm25s==0.3.16", "PyStemmer==3.1.0")
SCRIPT = """
import json, sys, bm25s, Stemmer
corpus, queries, language = json.load(open(sys.argv[1])), json.load(open(sys.argv[2])), sys.argv[3]
stemmer = Stemmer.Stemmer(language) if language else None
cut = lambda texts: bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False)
index = bm25s.BM25()
index.index(cut([each["text"] for each in corpus]), show_progress=False)
found, _ = index.retrieve(cut([each["text"] for each in queries]), k=100, show_progress=False)
json.dump({q["id"]: [corpus[i]["id"] for i in row] for q, row in zip(queries, found)}, sys.stdout)
"""


def rows(folder: Path, work: Path, profile: str) -> Iterator[str]:
    """A line for each reference and mode, on the training queries and on those of the test part."""
    yield "| | train: nDCG@10, recall@100, MRR@10 | test: nDCG@10, recall@100, MRR@10 |"
    yield "|---|---|---|"
    parts = {part: read_grades(folder / "qrels" / f"{part}.tsv") for part in ("train", "test")}
    texts = {str(each["_id"]): each["text"] for each in _lines(folder / "queries.jsonl")}
    for name, language in REFERENCES.items():
        runs = {part: _reference(folder, work, language, grades, texts) for part, grades in parts.items()}
        yield _row(name, runs, parts)
    home = work / f"{folder.name}-{profile}"
    _penstock(home, profile, "run", "auto", "--input", str(folder / "corpus.jsonl"), "--json")
    for mode in MODES:
        runs = {part: _run(home, work, profile, mode, part, grades, texts) for part, grades in parts.items()}
        yield _row(f"`{mode}`, profile `{profile}`", runs, parts)


def _row(name: str, runs: dict[str, Run], parts: dict[str, Grades]) -> str:
    cells = [" ".join(f"{value:.3f}" for value in measure(runs[part], grades)) for part, grades in parts.items()]
    return f"| {name} | {' | '.join(cells)} |"


def _run(home: Path, work: Path, profile: str, mode: str, part: str, grades: Grades, texts: dict[str, str]) -> Run:
    queries = work / f"{home.name}-{part}.jsonl"
    queries.write_text("".join(json.dumps({"_id": each, "text": texts[each]}) + "\n" for each in grades))
    found = _penstock(home, profile, "search", "--queries", str(queries), "--mode", mode, "--top-k", "100", "--trec")
    path = work / f"{home.name}-{part}-{mode}.run"
    path.write_text(found)
    return read_run(path)


def _penstock(home: Path, profile: str, *arguments: str) -> str:
    command = [sys.executable, "-m", "penstock", "--home", str(home), "--profile", profile, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def _reference(folder: Path, work: Path, language: str, grades: Grades, texts: dict[str, str]) -> Run:
    """BM25 by bm25s, in an environment of its own, over titles and texts as they are."""
    environment = work / "bm25s"
    python = environment / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    corpus = [
        {"id": str(each["_id"]), "text": f"{each['title']} {each['text']}"} for each in _lines(folder / "corpus.jsonl")
    ]
    (work / "corpus.json").write_text(json.dumps(corpus))
    (work / "queries.json").write_text(json.dumps([{"id": each, "text": texts[each]} for each in grades]))
    command = [str(python), "-c", SCRIPT, str(work / "corpus.json"), str(work / "queries.json"), language]
    found: Run = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return found


def _lines(path: Path) -> Iterator[dict[str, str]]:
    return map(json.loads, path.read_text(encoding="utf-8").splitlines())


def report(data: Path, work: Path, profiles: list[str]) -> str:
    """All figures, in Markdown."""
    parts = [[BEGIN, "", f"Measured on {machine(LIBRARIES)}; {', '.join(PACKAGES)}."]]
    for folder in sorted(each.parent for each in data.glob("ir-*/qrels")):
        for profile in profiles:
            parts.append([f"## {folder.name}, profile `{profile}`", "", *rows(folder, work, profile)])
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def main() -> None:
    """Measure, print, and write below the text of the page that is there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval")
    parser.add_argument("data", type=Path, help="a folder with collections in BEIR's form: ir-*/{corpus,queries}.jsonl")
    parser.add_argument("--write", type=Path, help="a Markdown file that takes the report, behind what it begins with")
    parser.add_argument("--work", type=Path, default=Path("build/retrieval"), help="where homes and run files are kept")
    parser.add_argument("--profile", action="append", help="once or more; `local` by default")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    os.environ.pop("PENSTOCK_HOME", None)
    text = report(given.data, given.work.absolute(), given.profile or ["local"])
    sys.stdout.write(text)
    if given.write:
        head = given.write.read_text().split(BEGIN)[0]
        given.write.write_text(f"{head}{text}")


if __name__ == "__main__":
    main()
