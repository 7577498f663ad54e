"""`python -m benchmarks.resilience [--write FILE]`: measures, prints a report in Markdown."""

import argparse
import sys
from pathlib import Path

from benchmarks.orchestration.__main__ import machine
from benchmarks.resilience import overhead, sharing

LIBRARIES = ("penstock", "pybreaker", "aiolimiter", "tenacity", "sqlalchemy")
TITLE = "# What resilience costs, and how exactly it is shared"
INTRODUCTION = """\
`make benchmark-resilience` has written this page. The first table is what every call pays. In the others several
processes share one ledger, as runs on one or several machines do; a call there is a moment noted, to nobody."""


def report() -> str:
    """All measurements, in Markdown."""
    with sharing.postgres() as server:
        lines = [
            TITLE,
            "",
            INTRODUCTION,
            "",
            f"Measured on {machine(LIBRARIES)}.",
            "",
            "## Where nothing is wrong",
            "",
            *overhead.table(server),
            "",
            "## Shared between processes",
            "",
            *sharing.tables(server),
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resilience")
    parser.add_argument("--write", type=Path, help="a Markdown file that takes the report")
    given = parser.parse_args()
    text = report()
    sys.stdout.write(text)
    if given.write:
        given.write.write_text(text)


if __name__ == "__main__":
    main()
