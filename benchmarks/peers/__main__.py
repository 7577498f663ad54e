"""`python -m benchmarks.peers [--documents N] [--embedder NAME] [--write FILE]`: prints a table in Markdown."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.on_demand import PROJECT, environment, said
from benchmarks.orchestration.__main__ import machine
from benchmarks.page import write_between
from benchmarks.peers.job import COUNTER, WORDS, change_documents, write_documents

SYSTEMS = {
    "penstock": "Penstock",
    "haystack": "Haystack pipeline",
    "llamaindex": "LlamaIndex IngestionPipeline",
    "cocoindex": "CocoIndex",
}
PACKAGES = ("llama-index-core", "cocoindex")
BEGIN, END = "<!-- peers: written by make benchmark-peers -->", "<!-- peers: end -->"
EXPLAINED = """\
{documents:,} documents of some 300 words ({chunks:,} chunks of {words} words) are cut and embedded ({embedder}): *cold*
into nothing, then *unchanged*, then with 1 % of them changed. In brackets: how many chunks were embedded. At last a new
cold run is killed (`kill -9`) when half of the chunks are embedded, and started again: *kept* is the share of the
embedded chunks that the second run did not embed again. Seconds until all is durable; loading libraries and model is
not counted, but for Penstock, whose stages run in a process of their own that loads the model within the time.

What they leave is not the same. Penstock keeps raw bytes, a ledger, events and artifacts, and writes a lexical and a
vector index; Haystack and LlamaIndex save vectors (LlamaIndex a docstore and a cache too) as JSON when all is done;
CocoIndex writes a file of vectors for each document as it goes."""


class Bench:
    """Runs of all systems over the same documents, one after another."""

    def __init__(self, folder: Path, python: Path, documents: int, embedder: str) -> None:
        self.folder = folder
        self.python = python
        self.embedder = embedder
        self.source = folder / "source"
        write_documents(self.source, documents)

    def row(self, system: str) -> dict[str, Any]:
        """All that is measured of one system."""
        place = self.folder / system
        documents = place / "documents"
        shutil.copytree(self.source, documents)
        state = place / "state"
        cold = self.run(system, documents, state)
        unchanged = self.run(system, documents, state)
        changed_documents = change_documents(documents, 0.01)
        changed = self.run(system, documents, state)
        other = place / "killed"
        before = self.run(system, self.source, other, kill_after=cold["embedded"] // 2)["embedded"]
        again = self.run(system, self.source, other)
        kept = max(0, cold["embedded"] - again["embedded"])
        return {
            "cold": cold,
            "unchanged": unchanged,
            "changed": changed | {"documents": changed_documents},
            "killed": {"embedded": before, "again": again["embedded"], "kept": kept / before if before else 0.0},
        }

    def run(self, system: str, documents: Path, state: Path, kill_after: int | None = None) -> dict[str, Any]:
        """One run; killed as a group once so many chunks have been embedded."""
        state.mkdir(parents=True, exist_ok=True)
        counter = self.folder / "counter"
        counter.write_bytes(b"")
        plugins = self.folder / "plugins"
        if not plugins.exists():
            install = "import sys; from benchmarks.peers.with_penstock import install; install(*sys.argv[1:])"
            subprocess.run([self.python, "-c", install, plugins, self.embedder], cwd=PROJECT, check=True)
        process = subprocess.Popen(
            [self.python, "-m", "benchmarks.peers.one", system, self.embedder, documents, state],
            cwd=PROJECT,
            env=os.environ | {COUNTER: str(counter), "PYTHONPATH": f"{plugins}{os.pathsep}{PROJECT}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if kill_after is not None else None,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        if kill_after is not None:
            while process.poll() is None and counter.stat().st_size < kill_after:
                time.sleep(0.002)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return {"embedded": counter.stat().st_size}
        out, _ = process.communicate()
        assert process.returncode == 0, f"{system} ended with {process.returncode}: {out}"
        found: dict[str, Any] = json.loads(out.splitlines()[-1])
        return found | {"embedded": counter.stat().st_size}


def report(documents: int, embedder: str) -> str:
    """Everything measured, in Markdown."""
    python = environment("peers", PACKAGES)
    with TemporaryDirectory(prefix="penstock-peers-") as folder:
        bench = Bench(Path(folder), python, documents, embedder)
        rows = {}
        for system in SYSTEMS:
            sys.stderr.write(f"measuring {SYSTEMS[system]}\n")
            rows[system] = bench.row(system)
    told = f"from importlib.metadata import version as v; print(', '.join(p + ' ' + v(p) for p in {PACKAGES!r}))"
    versions = said(python, "-c", told).strip()
    chunks = rows["penstock"]["cold"]["embedded"]
    lines = [
        "## Beside its peers",
        "",
        f"Measured on {machine()}, haystack-ai {version('haystack-ai')}, {versions}.",
        "",
        EXPLAINED.format(documents=documents, chunks=chunks, words=WORDS, embedder=embedder),
        "",
        "| | cold s | unchanged s | 1 % changed s | killed at | embedded again | kept |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for system, row in rows.items():
        cells = [f"{row[what]['seconds']:.2f} ({row[what]['embedded']:,})" for what in ("cold", "unchanged", "changed")]
        killed = row["killed"]
        cells += [f"{killed['embedded']:,}", f"{killed['again']:,}", f"{killed['kept']:.0%}"]
        lines.append(f"| {SYSTEMS[system]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers")
    parser.add_argument("--documents", type=int, default=2_000)
    parser.add_argument("--embedder", choices=("minilm", "hashing"), default="minilm")
    parser.add_argument("--write", type=Path, help="a Markdown file that takes the report between its marks")
    given = parser.parse_args()
    text = report(given.documents, given.embedder)
    sys.stdout.write(text + "\n")
    if given.write:
        write_between(given.write, BEGIN, END, text)


if __name__ == "__main__":
    main()
