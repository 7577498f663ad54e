"""`python -m benchmarks.pdf.gate DATA [--write FILE]`: what becomes of every PDF below a folder behind the gate.

Each goes through `pdf-two-phase` as a user would take it there: a run up to the gate, the worker, a run behind it.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.orchestration.__main__ import machine
from benchmarks.page import write_below
from benchmarks.pdf.__main__ import LIBRARIES, OCR

BEGIN = "<!-- written by make benchmark-pdf-gate -->"


def penstock(home: str, *arguments: str) -> Any:
    """What a command says as JSON; documents may fail."""
    command = [sys.executable, "-m", "penstock", "--home", home, "--profile", "tiny", *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode in (0, 1), f"{arguments[0]} ended with {done.returncode}"
    return json.loads(done.stdout)


def table(data: Path) -> Iterator[str]:
    """Every PDF with the state that its job ended in, and the reason where it could not be read."""
    paths = sorted(path for path in data.rglob("*") if path.suffix.lower() == ".pdf")
    with TemporaryDirectory(prefix="penstock-benchmark-") as home:
        run = ("run", "pdf-two-phase", "--input", f"{data}/**/*.[pP][dD][fF]")
        waiting = penstock(home, *run)["documents"]["waiting"]
        worker = penstock(home, "worker", "pdf", "--drain", "--concurrency", "4")
        ended = penstock(home, *run)
        audit = penstock(home, "audit")
    yield (
        f"{len(paths)} PDFs; {waiting} waited at the gate, {worker['read']} were read ({worker['pages']:,} pages), "
        f"{worker['failed']} were not. In the end {ended['documents']['done']} are completed, "
        f"{ended['documents']['failed']} failed, {ended['documents']['waiting']} wait; "
        f"the stores are {'consistent' if audit['consistent'] else 'NOT consistent'}."
    )
    failures = {each["document"].removeprefix("file:"): each for each in ended["failures"]}
    states = Counter(each["status"] for each in failures.values())
    yield ""
    yield "Failed: " + ", ".join(f"{count} `{state}`" for state, count in sorted(states.items())) + "."
    yield ""
    yield "| PDF | state | reason |"
    yield "|---|---|---|"
    for name in (str(path.relative_to(data)) for path in paths):
        failure = failures.get(name)
        state, reason = (failure["status"], failure["message"]) if failure else ("completed", "")
        yield f"| {name} | {state} | {reason} |"


def main() -> None:
    """Print, and write below the text of the page that is there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pdf.gate")
    parser.add_argument("data", type=Path, help="a folder with PDFs, at any depth")
    parser.add_argument("--write", type=Path, help="the page to write the table into")
    arguments = parser.parse_args()
    text = "\n".join([f"Run on {machine(LIBRARIES)}, {OCR}.", "", *table(arguments.data)])
    sys.stdout.write(f"{text}\n")
    if arguments.write:
        write_below(arguments.write, BEGIN, text)


if __name__ == "__main__":
    main()
