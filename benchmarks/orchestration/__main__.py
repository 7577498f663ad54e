"""`python -m benchmarks.orchestration [--write FILE] [DOCUMENTS …]`: measures, prints a report in Markdown."""

import argparse
import json
import os
import platform
import sqlite3
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.page import write_between

SIZES = (1_000, 10_000, 100_000)
WORKERS = (1, 2)
BESIDE_A_LOOP = (("hashing", 20_000, 1), ("hashing", 20_000, 2), ("minilm", 2_000, 1))
PROFILED = 2_000
BEGIN, END = "<!-- orchestration: written by make benchmark -->", "<!-- orchestration: end -->"
LIBRARIES = ("penstock", "dagster", "sqlalchemy", "msgspec", "tantivy", "faiss-cpu")

NULL_STAGES = """\
Documents through eight stages that do nothing (ingest, parse, validate, chunk, embed, index, extract, kg), with raw
store, ledger (SQLite, `synchronous=FULL`), artifacts and events (JSON lines) durable. Loading the libraries, making the
adapters and creating the home are not counted, but for what the second worker loads. `submit` finds, stores and queues;
`run` is Dagster, the stages and the sending of events; `end` sweeps. With two workers (`penstock run --workers 2`) the
second one starts, and begins to work, during `submit`."""
BESIDE = """\
Chunk (Haystack) → embed (by word hashes, or by the model MiniLM) → index (Tantivy and FAISS), as a pipeline and as a
bare loop that calls the same functions on the same batches and keeps the raw bytes, in one process; for both, models
are loaded before. Word hashes take no time worth mentioning, so that what the engine costs shows; with two workers the
pipeline has both cores for it."""


def measure(what: str, folder: Path, documents: int, workers: int = 1, embedder: str = "hashing") -> dict[str, Any]:
    """One measurement in a process of its own."""
    sys.stderr.write(f"measuring: {what}, {documents:,} documents, workers: {workers}\n")
    folder.mkdir(exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "benchmarks.orchestration.measure",
        what,
        str(folder),
        str(documents),
        str(workers),
        embedder,
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def through_null_stages(folder: Path, documents: int, workers: int) -> tuple[str, str]:
    """A row of the table of first runs, and one of the table of unchanged re-runs."""
    first = measure("null", folder, documents, workers)
    again = measure("null", folder, documents)
    new = first["documents"] - first["unchanged"]
    assert again["unchanged"] == again["documents"] == documents, "the re-run found something to do"
    seconds = first["submit"] + first["run"] + first["end"]
    phases = " | ".join(f"{first[each]:.2f}" for each in ("submit", "run", "end"))
    counts = f"| {documents:,} | {workers} | {new / seconds:,.0f} | {1000 * seconds / new:.2f} "
    each = 1000 * (again["submit"] + again["end"]) / documents
    return (
        f"{counts}| {phases} | {first['peak_mb']:.0f} |",
        f"| {documents:,} | {each:.3f} | {again['submit']:.2f} | {again['peak_mb']:.0f} |",
    )


def beside_a_loop(folder: Path, embedder: str, documents: int, workers: int) -> str:
    """Chunk → embed → index as a pipeline, and as a bare loop over the same functions."""
    found = measure("bare", folder, documents, workers, embedder)
    pipeline = found["submit"] + found["run"] + found["end"]
    return (
        f"| {embedder} | {documents:,} | {workers} | {documents / found['loop']:,.0f} | {documents / pipeline:,.0f} "
        f"| {100 * found['loop'] / pipeline:.0f} % | {1000 * (pipeline - found['loop']) / documents:.2f} |"
    )


def profile(folder: Path) -> str:
    """Where the time goes, by cProfile."""
    shown: str = measure("profile", folder, PROFILED)["profile"]
    return "\n".join(line.rstrip() for line in shown.strip().splitlines())


def machine(libraries: tuple[str, ...] = LIBRARIES) -> str:
    """The machine and the versions that the figures hold for."""
    cpu = platform.processor() or platform.machine()
    described = Path("/proc/cpuinfo")
    if described.exists():
        models = [line.partition(":")[2].strip() for line in described.read_text().splitlines() if "model name" in line]
        cpu = models[0] if models else cpu
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return (
        f"{os.cpu_count()} cores ({cpu}), {memory:.0f} GB, a load of {os.getloadavg()[0]:.1f} by others at the start; "
        f"{platform.system()}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {versions}"
    )


def report(sizes: list[int], folder: Path) -> str:
    """All measurements, in Markdown. The folder is emptied only afterwards: ext4 is slow for a minute after that."""
    rows = [
        (workers, *through_null_stages(folder / f"null-{documents}-{workers}", documents, workers))
        for documents in sizes
        for workers in WORKERS
    ]
    lines = [
        "## Orchestration",
        "",
        f"Measured on {machine()}.",
        "",
        NULL_STAGES,
        "",
        "| documents | workers | documents/s | ms a document | submit s | run s | end s | peak MB |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|",
        *(first for _, first, _ in rows),
        "",
        "The same again, unchanged:",
        "",
        "| documents | ms a document | seconds | peak MB |",
        "|--:|--:|--:|--:|",
        *(again for workers, _, again in rows if workers == 1),
        "",
        BESIDE,
        "",
        "| embeds | documents | workers | loop, documents/s | pipeline, documents/s | of its speed | ms more each |",
        "|---|--:|--:|--:|--:|--:|--:|",
        *(beside_a_loop(folder / f"loop-{number}", *each) for number, each in enumerate(BESIDE_A_LOOP)),
        "",
        f"Where the time goes ({PROFILED:,} documents through null stages, under cProfile, by cumulative time):",
        "",
        "```",
        profile(folder / "profile"),
        "```",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.orchestration")
    parser.add_argument("--write", type=Path, help="a Markdown file that takes the report")
    parser.add_argument("documents", nargs="*", type=int, default=list(SIZES))
    given = parser.parse_args()
    with TemporaryDirectory(prefix="penstock-benchmark-") as folder:
        text = report(given.documents or list(SIZES), Path(folder))
    sys.stdout.write(text + "\n")
    if given.write:
        write_between(given.write, BEGIN, END, text)


if __name__ == "__main__":
    main()
