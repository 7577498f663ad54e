"""`python -m benchmarks.search [--write FILE] [--documents N]`: indexes through a pipeline, asks, prints Markdown."""

import argparse
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from benchmarks.orchestration.__main__ import machine
from benchmarks.orchestration.measure import configure, run
from benchmarks.page import write_between
from penstock import registry
from penstock.execution.workspace import Workspace
from penstock.plan.profiles import load_profile
from penstock.retrieval.hits import Mode
from penstock.retrieval.retriever import Retriever

STAGES = ("IngestStage", "ParseStage", "ChunkStage", "EmbedStage", "IndexStage")
USES = dict(zip(STAGES, ("stored", "auto", "haystack", "hashing", "hybrid"), strict=True))
VOCABULARY = 50_000
WORDS = 4_000
QUERIES = 300
COMMANDS = 7
BEGIN, END = "<!-- search: written by make benchmark-search -->", "<!-- search: end -->"
EXPLAINED = """\
{documents:,} documents of {words:,} words that are as frequent as words are (Zipf's law, {vocabulary:,} of them), cut
into {chunks:,} chunks, indexed by a pipeline (Tantivy, FAISS; hashed words as vectors, so that no model's time is in
it). {queries} queries of three to six words, top 10, each asked once after 20 others have warmed the process: from the
query to hits with their text, what is not active left out."""
COMMAND = """\
The command `penstock search` (a process of its own each time, median of {commands}): {search:.2f} s; a process that
only imports what it needs (SQLAlchemy, pydantic, typer, msgspec, NumPy, Tantivy, FAISS): {imports:.2f} s. One query
through MiniLM (int8, warm): {model:.1f} ms."""
IMPORTS = "import sqlalchemy, pydantic, typer, msgspec, numpy, tantivy, faiss"


class Words:
    """Made-up words, drawn as often as words of a language are."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        spelling = random.Random(1)
        letters = "abcdefghijklmnopqrstuvwxyz"
        self._words = ["".join(spelling.choices(letters, k=spelling.randint(3, 11))) for _ in range(VOCABULARY)]
        self._weights = list(accumulate(1.0 / rank for rank in range(1, VOCABULARY + 1)))

    def draw(self, count: int) -> list[str]:
        return self._random.choices(self._words, cum_weights=self._weights, k=count)

    def query(self) -> str:
        return " ".join(self.draw(self._random.randint(3, 6)))


def write_documents(folder: Path, documents: int) -> None:
    """Text files, always the same."""
    words = Words(2)
    folder.mkdir(parents=True)
    for number in range(documents):
        drawn = words.draw(WORDS)
        sentences = [" ".join(drawn[first : first + 20]) for first in range(0, WORDS, 20)]
        (folder / f"{number:06d}.txt").write_text(". ".join(sentences) + ".\n")


def asked(retriever: Retriever, mode: Mode, queries: Sequence[str]) -> Iterator[float]:
    """The milliseconds of each query."""
    for query in queries:
        began = time.perf_counter()
        hits = retriever.search(query, mode=mode)
        yield 1000 * (time.perf_counter() - began)
        assert hits, f"nothing found for `{query}`"


def commanded(command: Sequence[str]) -> float:
    """The seconds of a command, in the median."""
    seconds = []
    for _ in range(COMMANDS):
        began = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def through_the_model(config: Path, home: Path) -> float:
    """The milliseconds of one query through MiniLM, in the median."""
    workspace = Workspace(home, config, load_profile(config, "local"))
    model = registry.build("EmbedStage", "minilm", {"device": "cpu"}, workspace.resources)
    seconds = []
    words = Words(4)
    for _ in range(40):
        query = words.query()
        began = time.perf_counter()
        model.embed_query(query)
        seconds.append(time.perf_counter() - began)
    workspace.close()
    return 1000 * statistics.median(seconds[10:])


def report(folder: Path, documents: int) -> str:
    """The whole measurement, in Markdown."""
    source, home = folder / "documents", folder / "home"
    write_documents(source, documents)
    config = configure(folder / "config", "search", STAGES, USES)
    sys.stderr.write(f"indexing {documents:,} documents\n")
    run(home, config, "search", str(source))
    rows = []
    workspace = Workspace(home, config, load_profile(config, "tiny"))
    retriever = Retriever(workspace)
    words = Words(3)
    warming, queries = ([words.query() for _ in range(count)] for count in (20, QUERIES))
    for mode in get_args(Mode):
        sys.stderr.write(f"asking: {mode}\n")
        list(asked(retriever, mode, warming))
        taken = sorted(asked(retriever, mode, queries))
        cuts = [taken[min(len(taken) - 1, int(share * len(taken)))] for share in (0.5, 0.95, 1.0)]
        rows.append(f"| {mode} | " + " | ".join(f"{each:.1f}" for each in cuts) + " |")
    chunks = sum(1 for _ in workspace.resources.vectors.scan("default"))
    workspace.close()
    penstock = [str(Path(sys.executable).with_name("penstock")), "--home", str(home), "--config", str(config)]
    search = commanded([*penstock, "--profile", "tiny", "search", queries[0]])
    imports = commanded([sys.executable, "-c", IMPORTS])
    named = {"documents": documents, "words": WORDS, "vocabulary": VOCABULARY, "chunks": chunks, "queries": QUERIES}
    model = through_the_model(config, home)
    return "\n".join(
        [
            "## Search",
            "",
            f"Measured on {machine()}.",
            "",
            EXPLAINED.format(**named),
            "",
            "| mode | median ms | P95 ms | most |",
            "|---|--:|--:|--:|",
            *rows,
            "",
            COMMAND.format(commands=COMMANDS, search=search, imports=imports, model=model),
        ]
    )


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search")
    parser.add_argument("--write", type=Path, help="a Markdown file that takes the report")
    parser.add_argument("--documents", type=int, default=3_300)
    given = parser.parse_args()
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"
    with TemporaryDirectory(prefix="penstock-benchmark-") as folder:
        text = report(Path(folder), given.documents)
    sys.stdout.write(text + "\n")
    if given.write:
        write_between(given.write, BEGIN, END, text)


if __name__ == "__main__":
    main()
