"""Leases among real processes: nothing is claimed twice, and what a dead or a stopped worker held goes on."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError
from tests.services.postgres import PostgresServer
from tests.unit.ledger.steps import add, claim, statuses

from penstock.ledger.ledger import Ledger
from penstock.ledger.presence import left_behind
from penstock.ledger.tables import workers

Start = Callable[..., subprocess.Popen[str]]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def start(home: Path, url: str) -> Iterator[Start]:
    """Starts a worker process; every one is gone when the test ends."""
    started: list[subprocess.Popen[str]] = []

    def run(role: str, name: str = "") -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.unit.ledger.worker_process", role, str(home), url, name]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def heard(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def asked(process: subprocess.Popen[str], line: str = "held") -> Any:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    return heard(process)


def expire(ledger: Ledger) -> None:
    """Every lease runs out, by the database's clock and by the kernel's."""
    with ledger.begin() as cx:
        cx.execute(update(workers).values(lease_expires_at=0.0))
    for path in (ledger.home / "workers").glob("*.lock"):
        path.write_text("0 0\n")


def step_clock(ledger: Ledger, seconds: float) -> None:
    """The wall clock is set forward, or back: leases stand that much nearer, or further off."""
    with ledger.begin() as cx:
        cx.execute(update(workers).values(lease_expires_at=workers.c.lease_expires_at - seconds))


def test_processes_that_open_a_new_home_at_once_claim_each_job_once(home: Path, url: str, start: Start) -> None:
    processes = [start("race", f"p{number}") for number in range(4)]
    claimed = [job for process in processes for job in heard(process)]
    assert [process.wait() for process in processes] == [0] * 4
    assert (len(claimed), len(set(claimed))) == (500, 500)
    ledger = Ledger.open(home, url)
    with ledger.read() as cx:
        assert ledger.jobs.counts(cx) == [("auto", "completed", 500)]
        assert cx.execute(select(func.count()).select_from(workers)).scalar() == 0
    ledger.close()
    assert list((home / "workers").iterdir()) == []


def test_the_jobs_of_a_killed_worker_go_on_at_once(home: Path, ledger: Ledger, start: Start) -> None:
    ids = sorted(add(ledger, "a", "b"))
    process = start("hold")
    assert heard(process)[1] == ids
    assert ledger.recover() == 0
    process.kill()
    process.wait()
    assert ledger.recover() == 2
    assert ledger.recover() == 0
    assert statuses(ledger, ids) == ["queued"] * 2
    assert len(left_behind(home)) == 1


def test_the_jobs_of_a_stopped_worker_go_on_when_its_lease_has_run_out_and_it_holds_nothing_after(
    ledger: Ledger, start: Start
) -> None:
    ids = sorted(add(ledger, "a", "b"))
    process = start("hold")
    worker, held = heard(process)
    assert held == ids
    process.send_signal(signal.SIGSTOP)
    assert ledger.recover() == 0
    expire(ledger)
    assert ledger.recover() == 2
    assert sorted(job.job for job in claim(ledger, "another")) == ids
    process.send_signal(signal.SIGCONT)
    assert asked(process) == []
    assert asked(process, "beat") == []
    with ledger.read() as cx:
        assert list(cx.execute(select(workers.c.worker)).scalars()) == [worker]


@pytest.mark.parametrize("seconds", [3600.0, -3600.0, 30 * 86400.0, -30 * 86400.0])
def test_a_wall_clock_that_is_set_takes_no_lease_early_and_holds_none_for_ever(
    home: Path, ledger: Ledger, start: Start, seconds: float
) -> None:
    ids = sorted(add(ledger, "a", "b"))
    process = start("hold")
    heard(process)
    step_clock(ledger, seconds)
    assert ledger.recover() == 0
    assert asked(process) == ids
    process.send_signal(signal.SIGSTOP)
    [lock] = (home / "workers").glob("*.lock")
    at, lease = map(float, lock.read_text().split())
    lock.write_text(f"{at - lease} {lease}\n")  # as time passes: it was stopped a lease ago
    assert ledger.recover() == 2
    process.send_signal(signal.SIGCONT)


def test_the_jobs_of_a_worker_on_another_machine_go_on_when_its_lease_has_run_out(ledger: Ledger, start: Start) -> None:
    add(ledger, "a")
    process = start("hold")
    heard(process)
    with ledger.begin() as cx:
        cx.execute(update(workers).values(host="another-machine"))
    process.kill()
    process.wait()
    assert ledger.recover() == 0
    expire(ledger)
    assert ledger.recover() == 1


def test_a_worker_that_ends_in_order_gives_back_what_it_holds(home: Path, ledger: Ledger) -> None:
    ids = add(ledger, "a", "b")
    with ledger.worker(600) as worker:
        claim(ledger, worker.id)
        assert statuses(ledger, ids) == ["running"] * 2
    assert statuses(ledger, ids) == ["queued"] * 2
    assert list((home / "workers").iterdir()) == []


def test_a_worker_without_jobs_is_forgotten_when_it_is_dead(home: Path, ledger: Ledger, start: Start) -> None:
    process = start("hold")
    assert heard(process)[1] == []
    process.kill()
    process.wait()
    assert ledger.recover() == 0
    with ledger.read() as cx:
        assert cx.execute(select(func.count()).select_from(workers)).scalar() == 0
    assert len(left_behind(home)) == 1


def test_processes_that_recover_at_once_queue_each_job_once(ledger: Ledger, start: Start) -> None:
    ids = add(ledger, *(f"d{number}" for number in range(500)))
    process = start("hold")
    heard(process)
    process.kill()
    process.wait()
    counts = [heard(each) for each in [start("recover") for _ in range(4)]]
    assert ledger.recover() + sum(counts) == 500
    assert set(statuses(ledger, ids)) == {"queued"}


@pytest.mark.services
def test_jobs_that_a_restart_of_the_server_kept_from_recovery_are_recovered_by_the_next_pass(
    home: Path, postgres: PostgresServer
) -> None:
    ledger = Ledger.open(home, postgres.database())
    ids = add(ledger, *(f"d{number}" for number in range(250)))
    claim(ledger, "dead")
    postgres.stop("immediate")
    with pytest.raises(OperationalError):
        ledger.recover()
    postgres.start()
    assert ledger.recover() == 250
    assert set(statuses(ledger, ids)) == {"queued"}
    ledger.close()
