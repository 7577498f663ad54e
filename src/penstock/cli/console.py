"""Talking to people and to scripts: tables on stdout, one JSON value with `--json`, everything else on stderr."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from penstock.errors import PenstockError, SpecError


def write(text: str = "") -> None:
    """A line on stdout."""
    sys.stdout.write(text + "\n")


def write_json(value: Any) -> None:
    """One JSON value on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def note(text: str) -> None:
    """A line on stderr: progress, hints."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: frozenset[str] = frozenset()) -> None:
    """A table for people, as wide as it needs to be."""
    from rich.console import Console
    from rich.table import Table

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(str(cell) for cell in row))
    wide = None if sys.stdout.isatty() else 160
    Console(width=wide, highlight=False).print(drawn)


def report_error(error: PenstockError) -> int:
    """Say what went wrong and what to do next, on stderr; returns the exit code."""
    problems = error.problems if isinstance(error, SpecError) else ()
    for problem in problems:
        note(problem.render())
        note("")
    note(f"penstock: {error.message}")
    if error.hint:
        note(f"  next: {error.hint}")
    return error.exit_code


def debugging() -> bool:
    """Whether tracebacks are wanted (`PENSTOCK_DEBUG=1`)."""
    return os.environ.get("PENSTOCK_DEBUG", "") not in ("", "0")
