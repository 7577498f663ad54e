"""F06, F07, F10. Who recovers what, however many do so at once and whatever stands in the way."""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select, update
from tests.unit.ledger.steps import BOTH, add, claim, claim_one, statuses

from penstock.ledger.database import Database
from penstock.ledger.jobs import Job
from penstock.ledger.ledger import Ledger
from penstock.ledger.tables import jobs, outbox, workers
from penstock.ledger.workers import recover

ROOT = Path(__file__).parents[2]


class Turns:
    """Lets threads have their transactions in a given order, each to its end before the next begins."""

    def __init__(self, order: Sequence[str]) -> None:
        self._order = list(order)
        self._moved = threading.Condition()

    @contextmanager
    def turn(self, who: str) -> Iterator[None]:
        with self._moved:
            assert self._moved.wait_for(lambda: who not in self._order or self._order[0] == who, 30)
        yield
        with self._moved:
            if who in self._order:
                self._order.remove(who)
            self._moved.notify_all()

    def leave(self, who: str) -> None:
        """It needs no more turns than it has had."""
        with self._moved:
            self._order = [each for each in self._order if each != who]
            self._moved.notify_all()


class InTurns(Database):
    """The ledger's database, as one that must wait for its turn uses it."""

    def __init__(self, database: Database, turns: Turns, who: str) -> None:
        self.__dict__ |= database.__dict__  # its connections, which are closed with it
        self._turns, self._who = turns, who

    @contextmanager
    def begin(self, commit: str = "") -> Iterator[Connection]:
        with self._turns.turn(self._who), super().begin() as cx:
            yield cx

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._turns.turn(self._who), super().read() as cx:
            yield cx


def lease(ledger: Ledger, cx: Connection, worker: str, expires_at: float) -> None:
    row = {"worker": worker, "host": "elsewhere", "pid": 1, "lease_expires_at": expires_at}
    cx.execute(ledger.database.upsert(workers, "worker"), [row])


def play(ledger: Ledger, home: Path, order: Sequence[str], name: str) -> tuple[str, list[int], list[bool]]:
    """Two recover, the lease runs out, the worker beats and finishes its job, in this order.

    Returns the job's state, what the two have recovered, and whether the worker held the job at each of its writes.
    """
    (job,) = add(ledger, name, pipeline=name)
    with ledger.begin() as cx:
        lease(ledger, cx, name, 9e9)
    taken = claim_one(ledger, job, worker=name)
    turns = Turns(order)
    recovered: list[int] = []
    held: list[bool] = []

    def finish(database: Database) -> None:
        for write in (_note_stage, _complete):
            with database.begin() as cx:
                mine = ledger.jobs.held(cx, name, {job: taken.lease_token})
                held.append(bool(mine))
                if mine:
                    write(ledger, cx, taken)

    def expire(database: Database) -> None:
        with database.begin() as cx:
            cx.execute(update(workers).where(workers.c.worker == name).values(lease_expires_at=0.0))

    def beat(database: Database) -> None:
        with database.begin() as cx:
            lease(ledger, cx, name, 9e9)

    deeds: dict[str, Callable[[Database], Any]] = {
        "first": lambda database: recovered.append(recover(database, home)),
        "second": lambda database: recovered.append(recover(database, home)),
        "finish": finish,
        "expire": expire,
        "beat": beat,
    }

    def act(who: str) -> None:
        try:
            deeds[who](InTurns(ledger.database, turns, who))
        finally:
            turns.leave(who)

    threads = [threading.Thread(target=act, args=(who,)) for who in deeds]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    with ledger.begin() as cx:
        cx.execute(workers.delete())
    return statuses(ledger, [job])[0], recovered, held


def _note_stage(ledger: Ledger, cx: Connection, job: Job) -> None:
    ledger.jobs.at_stage(cx, [job.job], "parse")


def _complete(ledger: Ledger, cx: Connection, job: Job) -> None:
    ledger.jobs.complete(cx, [job])
    ledger.documents.activate(cx, [job], BOTH)


STEPS = ["first", "first", "second", "second", "finish", "finish", "expire", "beat"]


@pytest.mark.parametrize("examples", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_of_two_that_recover_and_one_that_finishes_exactly_one_has_its_way(
    ledger: Ledger, home: Path, examples: int
) -> None:
    names = count()

    @given(order=st.permutations(STEPS))
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def in_any_order(order: list[str]) -> None:
        status, recovered, held = play(ledger, home, order, f"d{next(names)}")
        assert len(recovered) == 2
        assert (status, sum(recovered), held[-1]) in [("completed", 0, True), ("queued", 1, False)], order
        assert held in ([True, True], [True, False], [False, False]), "what is lost is never held again"

    in_any_order()


def test_10001_jobs_that_need_no_recovery_do_not_keep_the_one_that_does_from_it(ledger: Ledger) -> None:
    with ledger.begin() as cx:
        lease(ledger, cx, "alive", 9e9)
    add(ledger, *(f"busy{number}" for number in range(10_001)), pipeline="busy")
    assert len(claim(ledger, "alive", "busy", limit=20_000)) == 10_001
    (lost,) = add(ledger, "lost")
    claim_one(ledger, lost, "dead")
    assert ledger.recover() == 1
    assert statuses(ledger, [lost]) == ["queued"]
    with ledger.read() as cx:
        running = cx.execute(select(func.count()).where(jobs.c.status == "running")).scalar()
    assert running == 10_001


@pytest.mark.parametrize("restarts", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_rolling_restarts_under_one_host_name_leave_no_job_behind(home: Path, url: str, restarts: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.reliability.rolling", str(home), url, str(restarts)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert (report["workers"], report["killed"]) == (restarts, restarts // 2)
    assert Counter(report["completed"].values()) == {1: 4 * restarts}, "each job was completed once"
    opened = Ledger.open(home, url)
    with opened.read() as cx:
        assert opened.jobs.counts(cx) == [("auto", "completed", 4 * restarts)]
        assert cx.execute(select(func.count()).select_from(workers)).scalar() == 0
        assert cx.execute(select(func.count()).select_from(outbox)).scalar() == 4 * restarts
    opened.close()
