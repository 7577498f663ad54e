"""Rolling restarts: each worker starts while the one before it is still at work, under the same host name.

python -m tests.reliability.rolling HOME URL WORKERS: prints which job was completed how often, as the outbox tells.
"""

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

from tests.unit.ledger.steps import BOTH, add

from penstock.ledger.jobs import Job
from penstock.ledger.ledger import Ledger

_CLAIM = 9
_EACH = 4


def work(home: Path, url: str, started: int) -> None:
    """Claim some jobs, complete half of them, say so, and drain the others when asked to end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    ledger = Ledger.open(home, url)
    with ledger.worker(600) as worker:
        with ledger.begin() as cx:
            mine = ledger.jobs.claim(cx, worker.id, "auto", 0, limit=_CLAIM)
        for job in mine[: len(mine) // 2]:
            _complete(ledger, worker.id, job)
        os.write(started, b"+")
        signal.sigwait({signal.SIGTERM})
        for job in mine[len(mine) // 2 : _CLAIM - 1]:  # the last of a full claim is given back
            _complete(ledger, worker.id, job)
    ledger.close()


def _complete(ledger: Ledger, worker: str, job: Job) -> None:
    with ledger.begin() as cx:
        if ledger.jobs.held(cx, worker, {job.job: job.lease_token}):
            ledger.jobs.complete(cx, [job])
            ledger.documents.activate(cx, [job], BOTH)
            ledger.outbox.add(cx, job.job.encode(), 1)


def start(home: Path, url: str) -> int:
    """A worker in a child; returns its process id once it has begun."""
    heard, told = os.pipe()
    pid = os.fork()
    if not pid:
        work(home, url, told)
        os._exit(0)
    os.close(told)
    assert os.read(heard, 1) == b"+"
    os.close(heard)
    return pid


def end(pid: int, how: signal.Signals) -> None:
    os.kill(pid, how)
    os.waitpid(pid, 0)


def main() -> None:
    home, url, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    ledger = Ledger.open(home, url)
    add(ledger, *(f"d{number}" for number in range(_EACH * count)))
    ledger.close()
    before, killed = 0, 0
    for number in range(count):
        now = start(home, url)
        if before:
            killed += number % 2
            end(before, signal.SIGKILL if number % 2 else signal.SIGTERM)
        before = now
        if number % 10 == 9:
            _recover(home, url)
    end(before, signal.SIGTERM)
    while _recover(home, url):
        end(start(home, url), signal.SIGTERM)
    _report(home, url, count, killed)


def _recover(home: Path, url: str) -> int:
    """Recover as a run does before it claims; returns how many jobs are not done."""
    ledger = Ledger.open(home, url)
    ledger.recover()
    with ledger.read() as cx:
        left = sum(number for _, status, number in ledger.jobs.counts(cx) if status != "completed")
    ledger.close()
    return left


def _report(home: Path, url: str, count: int, killed: int) -> None:
    ledger = Ledger.open(home, url)
    with ledger.read() as cx:
        completed = Counter(facts.decode() for _, _, facts in ledger.outbox.all(cx))
    ledger.close()
    print(json.dumps({"workers": count, "killed": killed, "completed": completed}))


if __name__ == "__main__":
    main()
