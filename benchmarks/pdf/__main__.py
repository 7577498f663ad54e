"""`python -m benchmarks.pdf DATA [--write FILE]`: reads the PDFs of a folder, prints a report in Markdown."""

import argparse
import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.orchestration.__main__ import machine
from benchmarks.page import write_below
from benchmarks.pdf.measures import Cells, Text, compare_tables, compare_text
from benchmarks.pdf.readers import READERS, Reading, timed
from benchmarks.pdf.references import Reference, references

LIBRARIES = ("penstock", "pypdfium2", "pdfplumber", "pypdf")
FOLDERS = ("pdf-science", "pdf-gt-docling", "pdf-scans", "pdf-hostile")
BEGIN = "<!-- figures: written by make benchmark-pdf -->"
WORDS = """\
*words*: how well the words agree with the reference, wherever they stand (F1); *in order*: how well they agree in their
order (F1 of the longest common subsequence); *order*: of the places where four words of the reference were read, the
share that follow each other as they do there. A reference from LaTeX is the paper's own source: independent of any
reader of PDFs, with footnotes and figures where the source has them, and without the list of references. One from
docling is machine made: a comparison, no truth. Files with a dot were looked at while rules and thresholds were chosen;
the means are over the others, whose scores were watched for steps back. Where the PDF is a part of the reference, what
is missing does not count."""
SPEED = "Papers and reports whose pages are text; the time of the processor, without that of loading the libraries."
OCR = f"{'with' if shutil.which('tesseract') else 'without'} tesseract"
CELLS = """\
*found*: of the reference's cells, those that were read as a cell; *right*: of the cells that were read, those that the
reference has; *beside*: of its pairs of neighbouring cells, those that were read as neighbours. Cells of formulas are
left out of the LaTeX references, so that *right* cannot be 1 there."""

Row = tuple[Reference, str, Text, Cells | None]


def rows(folder: Path) -> Iterator[Row]:
    """Each reader's reading of each PDF that has a reference, measured."""
    readings: dict[tuple[Path, str], Reading] = {}
    for reference in references(folder):
        for name, read in READERS.items():
            key = (reference.path, name)
            found = readings[key] = readings.get(key) or timed(read, reference.path.read_bytes())
            told = reference.tables and found.tables is not None
            cells = compare_tables(found.tables or [], reference.tables) if told else None
            yield reference, name, compare_text(found.text, reference.text, part=reference.part), cells


def text_table(found: list[Row]) -> Iterator[str]:
    """How well text and order were read."""
    yield "| PDF | reference | " + " | ".join(f"{name}: words, in order, order" for name in READERS) + " |"
    yield "|---|---|" + "---|" * len(READERS)
    for key, group in _by_reference(found).items():
        cells = " | ".join(_shares(text.words, text.similarity, text.order) for _, _, text, _ in group)
        yield f"| {key} | {cells} |"
    means = []
    for name in READERS:
        texts = [text for reference, reader, text, _ in found if reader == name and not reference.seen]
        means.append(
            _shares(*(fmean(getattr(each, part) for each in texts) for part in ("words", "similarity", "order")))
        )
    yield f"| **mean of those without a dot** | | {' | '.join(means)} |"


def cell_table(found: list[Row]) -> Iterator[str]:
    """How well tables were read; plain pypdf knows none."""
    named = [name for name in READERS if name != "pypdf"]
    yield "| PDF | reference | " + " | ".join(f"{name}: found, right, beside" for name in named) + " |"
    yield "|---|---|" + "---|" * len(named)
    for key, group in _by_reference([row for row in found if row[3] is not None]).items():
        cells = " | ".join(_shares(each.found, each.right, each.beside) for *_, each in group if each is not None)
        yield f"| {key} | {cells} |"


def _by_reference(found: list[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in found:
        reference = row[0]
        key = (
            f"{'· ' if reference.seen else ''}{reference.name} | {reference.origin}{', part' if reference.part else ''}"
        )
        groups.setdefault(key, []).append(row)
    return groups


def _shares(*values: float) -> str:
    return " ".join(f"{value:.2f}" for value in values)


def speed_table(folder: Path) -> Iterator[str]:
    """Pages per second of one core."""
    yield "| PDF | pages | " + " | ".join(READERS) + " |"
    yield "|---|--:|" + "--:|" * len(READERS)
    pages, seconds = 0, dict.fromkeys(READERS, 0.0)
    for path in sorted(folder.glob("*.pdf")):
        content = path.read_bytes()
        found = {name: timed(read, content) for name, read in READERS.items()}
        count = found["penstock"].pages
        if found["penstock"].unread:
            continue  # what is told to need OCR costs nothing to read
        pages += count
        for name, each in found.items():
            seconds[name] += each.seconds
        yield (
            f"| {path.stem} | {count} | " + " | ".join(f"{count / each.seconds:.1f}" for each in found.values()) + " |"
        )
    yield f"| **all** | {pages} | " + " | ".join(f"**{pages / each:.1f}**" for each in seconds.values()) + " |"


def states(data: Path) -> Iterator[str]:
    """What has become of every PDF, through the `auto` pipeline."""
    yield "| PDF | state | reason |"
    yield "|---|---|---|"
    for folder in FOLDERS:
        paths = sorted((data / folder).rglob("*.pdf"))
        failures = run([str(path) for path in paths])
        for path in paths:
            failure = failures.get(f"file:{path.name}")
            state, reason = (failure["status"], failure["message"]) if failure else ("completed", "")
            yield f"| {folder.removeprefix('pdf-')}/{path.name} | {state} | {reason} |"


def run(paths: list[str]) -> dict[str, Any]:
    """The failures of a run over files, by document."""
    with TemporaryDirectory(prefix="penstock-benchmark-") as home:
        command = [sys.executable, "-m", "penstock", "--home", home, "--profile", "tiny", "run", "auto", "--json"]
        inputs = [part for path in paths for part in ("--input", path)]
        done = subprocess.run([*command, *inputs], stdout=subprocess.PIPE, text=True, check=False)
    value = json.loads(done.stdout)
    assert value["documents"], "nothing was run"
    return {each["document"]: each for each in value["failures"]}


def report(data: Path) -> str:
    """All figures, in Markdown."""
    found = list(rows(data / "pdf-gt-docling"))
    parts = [
        [f"Measured on {machine(LIBRARIES)}."],
        ["## Text and order", "", WORDS, "", *text_table(found)],
        ["## Cells of tables", "", CELLS, "", *cell_table(found)],
        [
            "## Pages a second of one core",
            "",
            SPEED,
            "",
            *speed_table(data / "pdf-science"),
        ],
        [
            "## What becomes of every file",
            "",
            f"On a machine {OCR}.",
            "",
            *states(data),
        ],
    ]
    return "\n\n".join("\n".join(part) for part in parts)


def main() -> None:
    """Measure, print, and write below the text of the page that is there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pdf")
    parser.add_argument("data", type=Path, help="a folder with pdf-science, pdf-gt-docling, pdf-scans, pdf-hostile")
    parser.add_argument("--write", type=Path, help="a Markdown file that takes the report, behind what it begins with")
    given = parser.parse_args()
    logging.disable(logging.ERROR)  # pypdf and pdfminer tell of every font
    text = report(given.data)
    sys.stdout.write(f"{text}\n")
    if given.write:
        write_below(given.write, BEGIN, text)


if __name__ == "__main__":
    main()
