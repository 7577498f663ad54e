"""The dispatcher: what is queued is taken on at once, once, and lost by nobody's death."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterRunStatus
from sqlalchemy import update
from tests.unit.compiler.conftest import instance
from tests.unit.execution.conftest import scene, toys
from tests.unit.execution.scene import INGEST, PARSE, SMALL, Scene, gate, pipeline, stage

from penstock.compiler.dispatch import Dispatcher
from penstock.ledger.tables import jobs
from penstock.ledger.workers import Worker
from penstock.spec.profile import BatchSpec

__all__ = ["instance", "scene", "toys"]

ROOT = Path(__file__).parents[3]
WAITS = pipeline(INGEST, gate("gate", "ingest", "parse"), stage("parse", "Parse", "ingest", segment=1), name="waits")
PROCESS = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, "tests/unit/execution/plugin")
import penstock_toys
from tests.unit.execution.scene import Scene
from penstock.spec.profile import BatchSpec
from penstock.workers.dispatch import run_dispatcher

def pause(ctx, value):
    if not Path(sys.argv[1], "cured").exists():
        print("paused", flush=True)
        signal.pause()

if "pause" in sys.argv:
    penstock_toys.on["parse"] = pause
workspace = Scene(Path(sys.argv[1])).workspace
workspace.profile = workspace.profile.model_copy(update={"batch": BatchSpec(documents=3), "lease_seconds": 5})
print(run_dispatcher(workspace, drain="drain" in sys.argv))
"""


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(folder), *more],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def worker(scene: Scene) -> Iterator[Worker]:
    with scene.worker() as entered:
        yield entered


@pytest.fixture
def dispatcher(scene: Scene, worker: Worker, instance: DagsterInstance) -> Dispatcher:
    return Dispatcher(scene.workspace, worker, instance)


def test_what_is_queued_becomes_a_run_that_dagster_shows(
    scene: Scene, dispatcher: Dispatcher, instance: DagsterInstance
) -> None:
    scene.workspace.profile = scene.workspace.profile.model_copy(update={"batch": BatchSpec(documents=2)})
    scene.write(a="aspirin", b="bread", c="cocoa")
    scene.submit()
    assert [dispatcher.turn() for _ in range(3)] == [2, 1, 0]
    assert set(scene.statuses().values()) == {"completed"}
    runs = instance.get_runs()
    assert {run.status for run in runs} == {DagsterRunStatus.SUCCESS}
    shown = {"penstock/pipeline": "toys", "penstock/version": "1.0", "penstock/tenant": "default"}
    shown |= {"penstock/digest": SMALL.digest, ".dagster/repository": "__repository__@penstock.definitions"}
    for run in runs:
        assert shown.items() <= run.tags.items()
        assert run.tags["penstock/batch"]
    assert sum(int(run.tags["penstock/documents"]) for run in runs) == 3
    assert {run["run_id"] for run in scene.stage_runs("a").values()} <= {run.run_id for run in runs}


def test_a_gate_that_opens_is_gone_through_in_the_next_turn(scene: Scene, dispatcher: Dispatcher, toys: Any) -> None:
    scene.write(a="aspirin", b="bread")
    scene.submit(WAITS)
    assert [dispatcher.turn(), dispatcher.turn()] == [2, 0]
    assert set(scene.statuses().values()) == {"waiting"}
    with scene.ledger.begin() as cx:
        cx.execute(update(jobs).where(jobs.c.document == "file:b.txt").values(pdf_ir_ready=True))
    while not dispatcher.turn():
        pass
    assert scene.statuses() == {"a": "waiting", "b": "completed"}
    assert [call[0] for call in toys.calls] == ["ingest", "ingest", "parse"]


def test_the_oldest_goes_first_whatever_its_pipeline(scene: Scene, dispatcher: Dispatcher, toys: Any) -> None:
    other = pipeline(INGEST, PARSE, name="other")
    scene.write(a="aspirin")
    scene.submit(other)
    scene.write(b="bread")
    scene.submit(SMALL, str(scene.documents / "b.txt"))
    while dispatcher.turn():
        pass
    assert list(dict.fromkeys(call[1] for call in toys.calls)) == ["file:a.txt", "file:b.txt"]


def test_what_sensors_have_batched_is_not_left_to_their_runs(scene: Scene, dispatcher: Dispatcher) -> None:
    from penstock.execution.planning import plan_batches

    def plan(patience: float = 0.0) -> int:
        return len(plan_batches(scene.workspace, False, [(SMALL.digest, 0)], lambda key: False, patience))

    scene.write(a="aspirin")
    scene.submit()
    assert (plan(patience=60), plan()) == (0, 1)
    assert dispatcher.turn() == 1
    assert plan() == 0, "its batch has ended"


def test_several_dispatchers_share_the_work_and_do_nothing_twice(scene: Scene, tmp_path: Path) -> None:
    scene.write(**{f"d{number}": str(number) for number in range(24)})
    scene.submit()
    processes = [start(tmp_path, "drain") for _ in range(3)]
    taken = []
    for each in processes:
        out, err = each.communicate(timeout=200)
        assert each.returncode == 0, err[-3000:]
        taken.append(int(out))
    assert sum(taken) == 24
    assert set(scene.statuses().values()) == {"completed"}
    completed = [each for each in scene.events() if each["type"] == "toy.stage.completed"]
    counted = Counter((each["subject"], each["data"]["stage"]) for each in completed)
    assert len(counted) == 72
    assert set(counted.values()) == {1}


@pytest.mark.parametrize("what", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_dispatcher_held_when_it_ended_goes_on_in_another_and_its_run_is_closed(
    scene: Scene, tmp_path: Path, instance: DagsterInstance, what: signal.Signals
) -> None:
    scene.write(a="aspirin")
    scene.submit()
    first = start(tmp_path, "pause")
    assert first.stdout is not None
    assert first.stdout.readline() == "paused\n", first.communicate()
    (held,) = instance.get_runs()
    assert held.status == DagsterRunStatus.STARTED
    first.send_signal(what)
    _, err = first.communicate(timeout=60)
    assert first.returncode == (-9 if what == signal.SIGKILL else 0), err
    (tmp_path / "cured").touch()
    second = start(tmp_path)
    try:
        while scene.job("a").status != "completed" or any(not run.is_finished for run in instance.get_runs()):
            assert second.poll() is None
            time.sleep(0.05)
    finally:
        second.send_signal(signal.SIGTERM)
        assert second.communicate(timeout=60)[0] == "1\n"
    (first_run, second_run) = (instance.get_run_by_id(held.run_id), instance.get_runs()[0])
    assert first_run is not None
    assert first_run.status in (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)
    assert second_run.status == DagsterRunStatus.SUCCESS
    assert len(instance.get_runs()) == 2


def test_where_the_ledger_has_trouble_it_says_so_and_goes_on(scene: Scene, tmp_path: Path) -> None:
    scene.write(a="aspirin")
    scene.submit()
    raw = scene.raw("a")
    artifacts = scene.home / "artifacts"
    artifacts.write_text("in the way")
    process = start(tmp_path)
    try:
        assert process.stderr is not None
        assert "trying again: " in process.stderr.readline()
        artifacts.unlink()
        while scene.job("a").status != "completed":
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert raw.exists()
