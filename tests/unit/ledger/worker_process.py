"""A worker in a process of its own; a test starts it, talks to it in lines of JSON, and stops or kills it.

python -m tests.unit.ledger.worker_process ROLE HOME URL [NAME]
"""

import json
import sys
from pathlib import Path
from typing import Any

from tests.unit.ledger.steps import add

from penstock.ledger.ledger import Ledger

LEASE_SECONDS = 600


def tell(value: Any) -> None:
    print(json.dumps(value), flush=True)


def race(ledger: Ledger, name: str) -> None:
    """Add 125 jobs, then claim and complete whatever there is until 500 are done; tells which it claimed."""
    add(ledger, *(f"{name}-{number}" for number in range(125)))
    claimed: list[str] = []
    with ledger.worker(LEASE_SECONDS) as worker:
        while True:
            with ledger.begin() as cx:
                mine = ledger.jobs.claim(cx, worker.id, "auto", 0, limit=7)
            claimed += [job.job for job in mine]
            with ledger.begin() as cx:
                assert ledger.jobs.held(cx, worker.id, {job.job: job.lease_token for job in mine}) == {
                    j.job for j in mine
                }
                ledger.jobs.complete(cx, mine)
                if {row[1]: row[2] for row in ledger.jobs.counts(cx)}.get("completed") == 500:
                    break
    tell(claimed)


def hold(ledger: Ledger, name: str) -> None:
    """Claim everything, tell so, and tell which of it is still held whenever a line comes in."""
    with ledger.worker(LEASE_SECONDS) as worker:
        with ledger.begin() as cx:
            tokens = {job.job: job.lease_token for job in ledger.jobs.claim(cx, worker.id, "auto", 0)}
        tell([worker.id, sorted(tokens)])
        for line in sys.stdin:
            if line.strip() == "beat":
                worker.beat()
            with ledger.read() as cx:
                tell(sorted(ledger.jobs.held(cx, worker.id, tokens)))


def recover(ledger: Ledger, name: str) -> None:
    tell(ledger.recover())


if __name__ == "__main__":
    role, home, url, name = sys.argv[1:]
    {"race": race, "hold": hold, "recover": recover}[role](Ledger.open(Path(home), url), name)
