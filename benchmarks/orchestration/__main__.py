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
BESIDE_A_LOOP = 2_000
PROFILED = 2_000
BEGIN, END = "<!-- orchestration: written by make benchmark -->", "<!-- orchestration: end -->"
LIBRARIES = ("penstock", "dagster", "sqlalchemy", "msgspec", "tantivy", "faiss-cpu")

NULL_STAGES = """\
Documents through eight stages that do nothing (ingest, parse, validate, chunk, embed, index, extract, kg), with raw
store, ledger (SQLite, `synchronous=FULL`), artifacts and events (JSON lines) durable. Loading the libraries and
creating the home are not counted. `submit` finds, stores and queues; `run` is Dagster, the stages and
the sending of events; `end` sweeps."""
BESIDE = """\
Chunk (Haystack) → embed (hashing) → index (Tantivy and FAISS), as a pipeline and as a bare loop that calls the same
functions on the same batches and keeps the raw bytes, in one process:"""


def measure(what: str, folder: str, documents: int) -> dict[str, Any]:
    """One measurement in a process of its own."""
    sys.stderr.write(f"measuring: {what}, {documents:,} documents\n")
    command = [sys.executable, "-m", "benchmarks.orchestration.measure", what, folder, str(documents)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def through_null_stages(documents: int) -> tuple[str, str]:
    """A row of the table of first runs, and one of the table of unchanged re-runs."""
    with TemporaryDirectory(prefix="penstock-benchmark-") as folder:
        first = measure("null", folder, documents)
        again = measure("null", folder, documents)
    new = first["documents"] - first["unchanged"]
    assert again["unchanged"] == again["documents"] == documents, "the re-run found something to do"
    seconds = first["submit"] + first["run"] + first["end"]
    phases = " | ".join(f"{first[each]:.2f}" for each in ("submit", "run", "end"))
    row = f"| {documents:,} | {new / seconds:,.0f} | {1000 * seconds / new:.2f} | {phases} | {first['peak_mb']:.0f} |"
    each = 1000 * (again["submit"] + again["end"]) / documents
    return row, f"| {documents:,} | {each:.3f} | {again['submit']:.2f} | {again['peak_mb']:.0f} |"


def beside_a_loop() -> str:
    """Chunk → hash-embed → index as a pipeline, and as a bare loop over the same functions."""
    with TemporaryDirectory(prefix="penstock-benchmark-") as folder:
        found = measure("bare", folder, BESIDE_A_LOOP)
    pipeline = found["submit"] + found["run"] + found["end"]
    return (
        f"| {BESIDE_A_LOOP:,} | {BESIDE_A_LOOP / found['loop']:,.0f} | {BESIDE_A_LOOP / pipeline:,.0f} "
        f"| {100 * found['loop'] / pipeline:.0f} % | {1000 * (pipeline - found['loop']) / BESIDE_A_LOOP:.2f} |"
    )


def profile() -> str:
    """Where the time goes, by cProfile."""
    with TemporaryDirectory(prefix="penstock-benchmark-") as folder:
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


def report(sizes: list[int]) -> str:
    """All measurements, in Markdown."""
    rows = [through_null_stages(documents) for documents in sizes]
    lines = [
        "## Orchestration",
        "",
        f"Measured on {machine()}.",
        "",
        NULL_STAGES,
        "",
        "| documents | documents/s | ms a document | submit s | run s | end s | peak MB |",
        "|--:|--:|--:|--:|--:|--:|--:|",
        *(first for first, _ in rows),
        "",
        "The same again, unchanged:",
        "",
        "| documents | ms a document | seconds | peak MB |",
        "|--:|--:|--:|--:|",
        *(again for _, again in rows),
        "",
        BESIDE,
        "",
        "| documents | loop, documents/s | pipeline, documents/s | of the loop's speed | ms more a document |",
        "|--:|--:|--:|--:|--:|",
        beside_a_loop(),
        "",
        f"Where the time goes ({PROFILED:,} documents through null stages, under cProfile, by cumulative time):",
        "",
        "```",
        profile(),
        "```",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.orchestration")
    parser.add_argument("--write", type=Path, help="a Markdown file that takes the report")
    parser.add_argument("documents", nargs="*", type=int, default=list(SIZES))
    given = parser.parse_args()
    text = report(given.documents or list(SIZES))
    sys.stdout.write(text + "\n")
    if given.write:
        write_between(given.write, BEGIN, END, text)


if __name__ == "__main__":
    main()
