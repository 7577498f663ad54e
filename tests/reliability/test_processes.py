"""F08, F09, F17. Processes that were taken for dead and come back, and processes that want the same at once."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table
from tests.reliability.victim import HOST, POINTS, POISONED
from tests.unit.execution.scene import PLUGIN, TENANT, Scene
from tests.unit.execution.test_fencing import WHOLE
from tests.unit.ledger.steps import expire

from penstock.audit import audit
from penstock.execution.sweep import sweep
from penstock.ledger.tables import artifacts, builds, documents, jobs, outbox, stage_runs

ROOT = Path(__file__).parents[2]
PATH = os.pathsep.join([str(PLUGIN), str(Path(__file__).parent / "plugin"), str(ROOT)])
RECORDED: tuple[Table, ...] = (jobs, stage_runs, artifacts, documents, outbox, builds)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are gone when the test ends."""
    made: list[subprocess.Popen[str]] = []
    yield made
    for process in made:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def start(module: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.reliability.{module}", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": PATH},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def wait_until_stopped(process: subprocess.Popen[str]) -> list[int]:
    """Returns the processes that are stopped: the run and, where it has one, its host."""
    while state_of(process.pid) != "T":
        assert process.poll() is None, "it ended before the point"
        time.sleep(0.01)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in map(int, children):
        while state_of(child) != "T":
            time.sleep(0.01)
    return [*map(int, children), process.pid]


def rows(scene: Scene) -> dict[str, list[str]]:
    """All that the ledger records of the work."""
    with scene.ledger.read() as cx:
        return {table.name: sorted(map(repr, cx.execute(table.select()))) for table in RECORDED}


@pytest.mark.parametrize("point", [*POINTS, HOST])
def test_a_run_stopped_past_its_lease_writes_nothing_more_when_it_goes_on(
    scene: Scene, tmp_path: Path, url: str, point: str, monkeypatch: pytest.MonkeyPatch, started: Any
) -> None:
    topology = WHOLE
    if point == HOST:
        topology = POISONED
        monkeypatch.syspath_prepend(Path(__file__).parent / "plugin")
        (scene.home / "stop").touch()
    scene.write(a="aspirin tea", b="bread")
    scene.submit(topology)
    zombie = start("victim", point, tmp_path, url)
    started.append(zombie)
    stopped = wait_until_stopped(zombie)
    assert len(stopped) == (2 if point == HOST else 1)
    expire(scene.ledger)
    assert scene.ledger.recover() == 2
    scene.go_on(topology)
    sweep(scene.workspace)
    assert scene.statuses() == {"a": "completed", "b": "completed"}
    before = rows(scene)
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    out, _ = zombie.communicate(timeout=120)
    assert (zombie.returncode, out) == (0, "lost\n")
    assert rows(scene) == before, "not one write under the old token"
    sweep(scene.workspace)
    resources = scene.workspace.resources
    shown = [scene.document(name) for name in "ab"]
    for index in (resources.lexical, resources.vectors):
        assert sorted(build for build, _, _ in index.scan(TENANT)) == sorted(row.index_build for row in shown)
    assert sorted(build for build, _ in resources.graph.scan(TENANT)) == sorted(row.graph_build for row in shown)
    assert audit(scene.workspace)["consistent"] is True


@pytest.mark.parametrize("count", [25, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_two_processes_that_want_the_same_document_at_once_make_it_once(
    scene: Scene, tmp_path: Path, url: str, count: int, started: Any
) -> None:
    scene.write(**{f"d{number}": f"word{number} tea" for number in range(count)})
    scene.ledger.close()  # what is made at the first use is made by both
    both = [start("twin", tmp_path, url, count) for _ in range(2)]
    started.extend(both)
    assert [process.wait() for process in both] == [0, 0]
    with scene.ledger.read() as cx:
        found: list[Any] = cx.execute(jobs.select()).all()
    assert Counter((row.status, row.generation) for row in found) == {("completed", 1): count}
    ended = Counter(
        (each["subject"], each["data"]["stage"]) for each in scene.events() if each["type"] == "toy.stage.completed"
    )
    assert Counter(ended.values()) == {1: 4 * count}, "each stage was done once for each document"
    assert len(list(scene.workspace.resources.graph.scan(TENANT))) == count
