"""Several processes on one ledger: how exactly they keep to one rate and one breaker together."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.resilience.caller import RESET_SECONDS, THRESHOLD
from penstock.ledger.database import sqlite_url
from penstock.ledger.ledger import Ledger

PROCESSES = (1, 2, 4, 8)
RATES = (5.0, 100.0)
PACED_SECONDS = 8.0
DOWN_SECONDS, GUARDED_SECONDS = 4.5, 6.5
_HEAD_START = 0.5


@contextmanager
def postgres() -> Iterator[Any]:
    """The tests' PostgreSQL server; where it is not installed None, and the reason on stderr."""
    with ExitStack() as stack:
        try:
            import pytest
            from tests.services.postgres import postgres_server
        except ImportError as exc:
            sys.stderr.write(f"PostgreSQL is left out: {exc}\n")
            yield None
            return
        try:
            server = stack.enter_context(postgres_server())
        except pytest.skip.Exception as exc:
            sys.stderr.write(f"PostgreSQL is left out: {exc}\n")
            server = None
        yield server


def together(what: str, server: Any, processes: int, value: float, seconds: float) -> list[dict[str, Any]]:
    """What so many processes did, all begun at the same time on a new ledger."""
    with TemporaryDirectory(prefix="penstock-benchmark-") as folder:
        home = Path(folder)
        url = server.database() if server else sqlite_url(home / "ledger.db")
        Ledger.open(home, url).close()
        command = [sys.executable, "-m", "benchmarks.resilience.caller", what, folder, url, str(value), str(seconds)]
        pipe = subprocess.PIPE
        started = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(processes)]
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        begins = time.monotonic() + _HEAD_START
        for process in started:
            assert process.stdin is not None
            process.stdin.write(f"{begins}\n")
            process.stdin.flush()
        return [json.loads(process.communicate()[0].splitlines()[-1]) for process in started]


def rate_row(name: str, server: Any, processes: int, per_second: float) -> str:
    """Calls a second, the most in any second, the two that came closest, and the cost of a call."""
    found = together("paced", server, processes, per_second, PACED_SECONDS)
    calls = sorted(at for each in found for at in each["calls"])
    most = max(sum(1 for at in calls if first <= at < first + 1) for first in calls)
    closest = 1000 * min(late - early for early, late in pairwise(calls))
    rate = (len(calls) - 1) / (calls[-1] - calls[0])
    cpu = sum(each["cpu"] * len(each["calls"]) for each in found) / len(calls)
    return f"| {name} | {per_second:g} | {processes} | {rate:.2f} | {most} | {closest:.1f} | {cpu:.0f} |"


def breaker_row(name: str, server: Any, processes: int) -> str:
    """Calls until all know that the breaker is open, trials, how far apart, and how soon all go on."""
    found = together("guarded", server, processes, DOWN_SECONDS, GUARDED_SECONDS)
    calls = sorted((at, trial) for each in found for at, trial in each["calls"])
    began = calls[0][0]
    trials = [at for at, trial in calls if trial]
    early = [at for at, trial in calls if not trial and at < trials[0]]
    gaps = [late - early for early, late in pairwise([early[-1], *trials])]
    closed = trials[-1]
    first = [min(at for at, _ in each["calls"] if at >= closed) for each in found]
    assert all(trial for at, trial in calls if trials[0] <= at < closed), "a call beside the trials"
    return (
        f"| {name} | {processes} | {len(early)} | {1000 * (early[-1] - began):.0f} | {len(trials)} "
        f"| {min(gaps):.3f}–{max(gaps):.3f} | {1000 * (max(first) - closed):.0f} |"
    )


def tables(server: Any) -> list[str]:
    """Both tables, in Markdown; PostgreSQL is in them where there is a server."""
    rates, breakers = [], []
    for name, each in [("SQLite", None)] + ([("PostgreSQL", server)] if server else []):
        for processes in PROCESSES:
            sys.stderr.write(f"measuring: {processes} processes on {name}\n")
            rates += [rate_row(name, each, processes, per_second) for per_second in RATES]
            breakers.append(breaker_row(name, each, processes))
    return [
        f"A rate, used as fast as it allows for {PACED_SECONDS:g} s:",
        "",
        "| ledger | allowed a second | processes | calls a second | most in any second | closest ms | CPU µs a call |",
        "|---|--:|--:|--:|--:|--:|--:|",
        *rates,
        "",
        f"A breaker (opens after {THRESHOLD} failures in a row, {RESET_SECONDS:g} s until a trial) before a target "
        f"that is down for {DOWN_SECONDS:g} s and that every process wants to call:",
        "",
        "| ledger | processes | calls until all knew | within ms | trials | s between them | all went on within ms |",
        "|---|--:|--:|--:|--:|--:|--:|",
        *breakers,
    ]
