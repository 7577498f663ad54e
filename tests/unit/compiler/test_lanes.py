"""A run in several processes: they share its documents, and none is lost with one of them."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterRunStatus
from tests.unit.execution.scene import CHUNK, INGEST, Scene, pipeline, stage

from penstock.compiler.instance import open_instance, prepare
from penstock.compiler.lanes import Lanes
from penstock.compiler.launch import Launcher
from penstock.execution.result import run_result
from penstock.execution.submit import submit
from penstock.plan.topology import Topology

pytestmark = pytest.mark.usefixtures("measured")

ROUGH = pipeline(INGEST, stage("parse", "Parse", "ingest", uses="rough"), CHUNK)


@pytest.fixture
def scene(tmp_path: Path, toys: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A home whose adapters work in stage hosts, one of each process."""
    monkeypatch.setenv("DAGSTER_HOME", "set by open_instance, and taken back after the test")
    made = Scene(tmp_path, "process")
    yield made
    made.workspace.close()


@pytest.fixture
def instance(scene: Scene) -> Iterator[DagsterInstance]:
    with open_instance(prepare(scene.home)) as opened:
        yield opened


def lanes_alive() -> list[int]:
    """The lanes that this process has started and that live."""
    found = []
    for children in Path("/proc/self/task").glob("*/children"):
        for pid in map(int, children.read_text().split()):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"penstock.compiler.lane" in command:
                found.append(pid)
    return found


def launch(scene: Scene, count: int, topology: Topology = ROUGH, tick: Callable[[], None] = lambda: None) -> Any:
    """Submit the documents and run them in so many processes besides; returns the report."""
    with Lanes(scene.workspace, topology, count) as lanes:
        found = submit(scene.workspace, topology, [str(scene.documents)], tenant="default", on_jobs=lanes.feed)
        passed: list[tuple[str, int]] = []
        lanes.watch(lambda *each: passed.append(each))
        launcher = Launcher(scene.workspace, topology, lanes=lanes)
        report = launcher.run(found.jobs, lambda done, total: tick())
    result = run_result(scene.workspace, topology, found, report.stages)
    return result | {"runs": report.runs, "passed": passed}


def documents(report: Any) -> dict[str, int]:
    """The counts that are not 0."""
    return {name: count for name, count in report["documents"].items() if count}


def test_what_each_process_did_is_reported_together(scene: Scene, instance: DagsterInstance) -> None:
    scene.write(**{f"d{number:02}": "sleep 0.2" for number in range(16)}, bad="cancels")
    report = launch(scene, 2)
    assert documents(report) == {"total": 17, "done": 16, "failed": 1}
    assert [(each["name"], each["executed"], each["failed"]) for each in report["stages"]] == [
        ("ingest", 17, 0),
        ("parse", 16, 1),
        ("chunk", 16, 0),
    ]
    assert [each["document"] for each in report["failures"]] == ["file:bad.txt"]
    runs = [instance.get_run_by_id(each) for each in report["runs"]]
    assert len(runs) > 1
    assert {run.status for run in runs if run is not None} == {DagsterRunStatus.SUCCESS}
    taken = sum(count for name, count in report["passed"] if name == "ingest")
    assert 0 < taken < 17, "the lanes took their part, and not all"
    assert lanes_alive() == []


def test_where_nothing_is_to_do_no_process_starts(scene: Scene) -> None:
    scene.write(a="one")
    launch(scene, 0)
    with Lanes(scene.workspace, ROUGH, 3) as lanes:
        lanes.feed(scene.submit(ROUGH).jobs)
        assert lanes_alive() == []
        assert lanes.finish() == []


def test_what_a_lane_held_when_it_was_killed_goes_on_in_the_run(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.write(**{f"d{number}": "sleep 0.5" for number in range(8)})
    killed: list[int] = []

    def kill_when_it_works() -> None:
        with scene.ledger.read() as cx:
            owners = scene.ledger.jobs.owners(cx)
        if not killed and owners:
            killed.extend(lanes_alive())
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    report = launch(scene, 1, tick=kill_when_it_works)
    assert len(killed) == 1
    assert documents(report) == {"total": 8, "done": 8}
    assert "a worker of the run ended early (signal 9); the run went on without it" in caplog.text


def test_a_lane_that_cannot_work_is_told_of_and_the_run_goes_on(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.write(a="one", b="two")
    found = scene.submit(ROUGH)
    unknown = pipeline(INGEST, name="never-kept")
    with Lanes(scene.workspace, unknown, 1) as lanes:
        lanes.feed(found.jobs)
        Launcher(scene.workspace, ROUGH, lanes=lanes).run(found.jobs)
    assert set(scene.statuses().values()) == {"completed"}
    assert f"the ledger keeps no pipeline version `{unknown.digest}`" in caplog.text


def interrupted(scene: Scene) -> None:
    """A run that is interrupted once a lane works."""
    with Lanes(scene.workspace, ROUGH, 1) as lanes:
        lanes.feed(scene.submit(ROUGH).jobs)
        until = time.monotonic() + 60
        while not owned(scene) and time.monotonic() < until:
            time.sleep(0.05)
        assert owned(scene), "the lane has begun"
        raise KeyboardInterrupt


def test_an_interrupted_run_takes_its_lanes_with_it(scene: Scene) -> None:
    scene.write(**{f"d{number}": "sleep 1" for number in range(6)})
    with pytest.raises(KeyboardInterrupt):
        interrupted(scene)
    assert lanes_alive() == []
    assert set(scene.statuses().values()) == {"queued"}, "it has given back what it held"
    assert documents(launch(scene, 0)) == {"total": 6, "done": 6}


def owned(scene: Scene) -> int:
    """How many jobs somebody is working on."""
    return list(scene.statuses().values()).count("running")
