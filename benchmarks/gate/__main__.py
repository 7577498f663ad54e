"""`python -m benchmarks.gate [--write FILE] [--times N] [WAITING …]`: measures, prints a report in Markdown."""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.orchestration.__main__ import machine
from benchmarks.page import write_between

SIZES = (10_000, 1_000_000)
TIMES = 20
BEGIN, END = "<!-- gates: written by make benchmark-gate -->", "<!-- gates: end -->"

TICKS = """\
A tick of `pdf_ir_ready_sensor` with so many documents waiting at the gate and none ready (SQLite; median of 25, the
least of them, and the processor's time, which others on the machine do not change), and the processor's time of a tick
that opens the gate for 256."""
RESUMED = """\
From the flag (`pdf_ir_ready`) to the start of the stage behind the gate, and from submission to the start of the first
stage, under a real `penstock up`, one document at a time at random moments, by the ledger's clock:"""


def measure(module: str, *arguments: object) -> dict[str, Any]:
    """One measurement in a process of its own."""
    sys.stderr.write(f"measuring: {module} {' '.join(map(str, arguments))}\n")
    command = [sys.executable, "-m", f"benchmarks.gate.{module}", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result | {"load": os.getloadavg()[0]}


def tick(found: dict[str, Any]) -> str:
    """A row of the table of ticks."""
    shown = (f"{1000 * found[name]:.0f}" for name in ("median", "least", "cpu", "opening"))
    return f"| {found['waiting']:,} | {' | '.join(shown)} | {found['load']:.0f} |"


def resumed(found: dict[str, Any]) -> str:
    """A row of the table of resumed documents."""
    shown = []
    for what in ("resumed", "submitted"):
        seconds = sorted(found[what])
        shown += [f"{statistics.median(seconds):.2f}", f"{seconds[-1]:.2f}"]
    which = "sensor and dispatcher" if found["dispatch"] else "sensor alone"
    return f"| {which} | {len(found['resumed'])} | {' | '.join(shown)} | {found['load']:.0f} |"


def report(ticks: list[dict[str, Any]], ways: list[dict[str, Any]]) -> str:
    """All measurements, in Markdown."""
    lines = [
        "## Gates",
        "",
        f"Measured on {machine()}.",
        "",
        TICKS,
        "",
        "| waiting | median ms | least ms | processor ms | opening: processor ms | load of the machine |",
        "|--:|--:|--:|--:|--:|--:|",
        *map(tick, ticks),
        "",
        RESUMED,
        "",
        "| | documents | resumed s, median | most | submitted s, median | most | load of the machine |",
        "|---|--:|--:|--:|--:|--:|--:|",
        *map(resumed, ways),
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate")
    parser.add_argument("--write", type=Path, help="a Markdown file that takes the report")
    parser.add_argument("--times", type=int, default=TIMES, help="documents for each way of being resumed")
    parser.add_argument("waiting", nargs="*", type=int, default=list(SIZES))
    given = parser.parse_args()
    ticks = [measure("ticks", each) for each in given.waiting or SIZES]
    ways = [measure("resume", given.times, way) for way in ("yes", "no")]
    text = report(ticks, ways)
    sys.stdout.write(text + "\n")
    if given.write:
        write_between(given.write, BEGIN, END, text)


if __name__ == "__main__":
    main()
