"""F33. SQLite under a disk or a neighbour that fails: nothing that was acknowledged is lost, the next run finishes."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from tests.unit.execution.scene import Scene
from tests.unit.execution.test_fencing import WHOLE

from penstock import effects
from penstock.audit import audit
from penstock.execution.sweep import sweep
from penstock.ledger import database
from penstock.ledger.ledger import Ledger

HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("begin immediate")
print("held", flush=True)
sys.stdin.readline()
"""


class FailingCommits:
    """Lets the n-th commit to the ledger fail, before it happens or after, and remembers what was acknowledged."""

    def __init__(self, number: int, after: bool) -> None:
        self.count = 0
        self._number, self._after = number, after

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        is_due = False
        if name.startswith("ledger."):
            self.count += 1
            is_due = self.count == self._number
        if is_due and not self._after:
            raise self._error()
        yield
        if is_due and self._after:
            raise self._error()

    def _error(self) -> OperationalError:
        return OperationalError("COMMIT", {}, sqlite3.OperationalError("disk I/O error"))


def fail_at(folder: Path, number: int, after: bool) -> int:
    """A first run and a change with one failing commit, then a run without; returns how many commits there were."""
    folder.mkdir()
    scene = Scene(folder)
    scene.write(a="old words", b="bread")
    scene.run(WHOLE)
    hook = FailingCommits(number, after)
    effects.install(hook)
    try:
        with suppress(OperationalError):
            scene.write(a="new thoughts")
            scene.run(WHOLE)
            sweep(scene.workspace)
    finally:
        effects.install(None)
    scene.workspace.close()
    with sqlite3.connect(scene.home / "ledger.db") as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    connection.close()
    check_next_run(Scene(folder))
    return hook.count


def check_next_run(scene: Scene) -> None:
    """The next run does what is left, and nothing is left of the failure."""
    scene.ledger.recover()
    scene.submit(WHOLE)
    if scene.job("a").status == "queued":
        scene.go_on(WHOLE)
    sweep(scene.workspace)
    assert scene.statuses() == {"a": "completed", "b": "completed"}
    assert scene.chunks("a") == ["new thoughts"]
    report = audit(scene.workspace)
    assert (report["consistent"], report["faults"]) == (True, [])
    scene.workspace.close()


@pytest.mark.parametrize("after", [False, True])
def test_a_commit_that_fails_or_only_seems_to_is_made_good_by_the_next_run(
    tmp_path: Path, toys: Any, after: bool
) -> None:
    total = fail_at(tmp_path / "calm", 0, after)
    assert total > 15
    for number in range(1, total + 1):
        assert fail_at(tmp_path / str(number), number, after) >= number, "the fault has fired"


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts a process that holds the lock for writing until it is sent a line."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLDER, str(tmp_path / "home" / "ledger.db")]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_neighbour_that_holds_the_lock_in_the_middle_of_a_run_costs_that_run_and_no_document(
    tmp_path: Path, toys: Any, hold: Callable[[], subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(database._SQLITE_ARGS, "timeout", 0.1)
    scene = Scene(tmp_path)
    scene.write(a="new thoughts", b="bread")
    neighbours: list[subprocess.Popen[str]] = []

    def locked(ctx: Any, value: Any) -> None:
        if not neighbours:
            neighbours.append(hold())

    toys.on["parse"] = locked
    with pytest.raises(OperationalError, match="database is locked"):
        scene.run(WHOLE)
    neighbours[0].communicate("let go\n")
    toys.on.clear()
    check_next_run(scene)


def test_a_commit_is_on_disk_before_it_counts_and_a_neighbour_is_waited_for(home: Path) -> None:
    ledger = Ledger.open(home)
    with ledger.begin() as cx:
        found = {
            name: cx.exec_driver_sql(f"pragma {name}").scalar()
            for name in ("synchronous", "journal_mode", "busy_timeout")
        }
    ledger.close()
    assert found == {"synchronous": 2, "journal_mode": "wal", "busy_timeout": 60_000}
