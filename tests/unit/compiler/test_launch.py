"""Running now, in this process: until every job has an end, whoever does the work."""

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterRunStatus
from tests.unit.execution.scene import (
    GATED,
    INGEST,
    PLUGIN,
    SMALL,
    Scene,
    counts,
    gate,
    pipeline,
    run_batch,
    stage,
)

from penstock.compiler.instance import SETTINGS, dagster_home, prepare
from penstock.compiler.launch import Launcher, batch_size
from penstock.errors import MissingDependencyError, PenstockError, RejectedError
from penstock.execution.batch import BatchRun
from penstock.execution.gates import open_by_hand
from penstock.execution.result import run_result
from penstock.ledger.tables import jobs
from penstock.plan.topology import Topology
from penstock.spec.profile import BatchSpec, ProfileSpec

pytestmark = pytest.mark.usefixtures("instance")

THREE = {"a": "aspirin", "b": "bread", "c": "cocoa"}
WAITS = pipeline(INGEST, gate("gate", "ingest", "parse"), stage("parse", "Parse", "ingest", segment=1), name="waits")


def launch(scene: Scene, topology: Topology = SMALL) -> Any:
    """Submit the documents and run what is to be done; returns the report."""
    submission = scene.submit(topology)
    report = Launcher(scene.workspace, topology).run(submission.jobs)
    return run_result(scene.workspace, topology, submission, report.stages) | {"runs": report.runs}


def documents(report: Any) -> dict[str, int]:
    """The counts that are not 0."""
    return {name: count for name, count in report["documents"].items() if count}


def executed(report: Any) -> dict[str, int]:
    return {each["name"]: each["executed"] for each in report["stages"]}


def test_a_batch_that_is_through_is_out_of_memory_though_dagster_keeps_what_it_knows_of_the_run(scene: Scene) -> None:
    scene.workspace.profile = ProfileSpec(name="toys", batch=BatchSpec(documents=2))
    scene.write(**THREE)
    submission = scene.submit()
    kept: list[int] = []

    def count(done: int, total: int) -> None:
        kept.append(sum(isinstance(each, BatchRun) for each in gc.get_objects()))

    gc.collect()
    gc.disable()
    try:
        Launcher(scene.workspace, SMALL).run(submission.jobs, count)
    finally:
        gc.enable()
    assert kept == [0, 0]


@pytest.mark.parametrize(
    ("left", "share", "size"),
    [
        (100_000, 1, 5_000),
        (3_000, 1, 3_000),
        (100_000, 2, 5_000),
        (10_000, 2, 2_500),
        (5_000, 2, 1_250),
        (3_000, 2, 1_000),
        (900, 2, 450),
        (1, 2, 1),
    ],
)
def test_processes_that_share_a_run_take_less_towards_its_end(left: int, share: int, size: int) -> None:
    assert batch_size(left, 5_000, share) == size


def test_a_run_takes_all_batches_and_reports_them_together(scene: Scene, instance: DagsterInstance) -> None:
    scene.workspace.profile = ProfileSpec(name="toys", batch=BatchSpec(documents=2))
    scene.write(**THREE)
    report = launch(scene)
    assert (documents(report), len(report["runs"])) == ({"total": 3, "done": 3}, 2)
    assert [(each["name"], each["executed"]) for each in report["stages"]] == [
        ("ingest", 3),
        ("parse", 3),
        ("chunk", 3),
    ]
    for each in report["runs"]:
        run = instance.get_run_by_id(each)
        assert run is not None
        assert (run.status, run.job_name) == (DagsterRunStatus.SUCCESS, "toys_pipeline_job")
        assert run.tags["penstock/digest"] == SMALL.digest
    again = launch(scene)
    assert (documents(again), again["runs"]) == ({"total": 3, "unchanged": 3}, [])


def test_progress_tells_of_stages_and_of_documents(scene: Scene) -> None:
    told: list[Any] = []
    ended: list[Any] = []
    scene.write(**THREE)
    found = scene.submit()
    Launcher(scene.workspace, SMALL, lambda *each: told.append(each)).run(found.jobs, lambda *each: ended.append(each))
    assert [each for each in told if each[1] == each[2]] == [("ingest", 3, 3), ("parse", 3, 3), ("chunk", 3, 3)]
    assert ended == [(3, 3)]


def test_failures_are_reported_with_their_reasons(scene: Scene, toys: Any) -> None:
    def fail(ctx: Any, value: Any) -> None:
        if ctx.doc_id == "file:b.txt":
            raise RejectedError("no text")

    toys.on["parse"] = fail
    scene.write(**THREE)
    report = launch(scene)
    assert documents(report) == {"total": 3, "done": 2, "failed": 1}
    assert report["failures"] == [
        {
            "document": "file:b.txt",
            "stage": "parse",
            "status": "parse_failed",
            "error_type": "RejectedError",
            "message": "no text",
        }
    ]


def test_outputs_that_are_computed_again_count_for_their_own_stage(scene: Scene) -> None:
    scene.write(a="aspirin")
    scene.submit()
    with scene.batch() as batch:
        run_batch(batch, stop_before="chunk")
    for each in ("ingest", "parse"):
        scene.packs(each, "a").unlink()
    report = launch(scene)
    assert executed(report) == {"ingest": 1, "parse": 1, "chunk": 1}


def test_a_package_that_is_missing_is_told_before_anything_starts(scene: Scene) -> None:
    scene.write(a="aspirin")
    with pytest.raises(MissingDependencyError, match="needs the package `penstock_no_such_package`"):
        launch(scene, pipeline(stage("ingest", "Ingest", uses="uninstalled")))
    assert scene.job("a").status == "queued"


def test_a_part_that_is_not_there_fails_its_documents(scene: Scene) -> None:
    scene.write(a="aspirin")
    report = launch(scene, pipeline(stage("ingest", "Ingest", uses="unbuildable")))
    assert [each["status"] for each in report["failures"]] == ["gpu_unavailable"]


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (MissingDependencyError("the store cannot be reached", hint="start it"), "the store cannot be reached"),
        (
            OSError(28, "No space left on device"),
            r"Dagster run `.*` of batch `.*` broke off: OSError: \[Errno 28\] No space",
        ),
    ],
)
def test_a_run_that_breaks_off_says_why_and_gives_its_documents_back(
    scene: Scene, instance: DagsterInstance, error: Exception, shown: str
) -> None:
    scene.write(**THREE)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(type(scene.workspace.resources.packs), "write", raising(error))
        with pytest.raises(PenstockError, match=shown) as caught:
            launch(scene)
    assert caught.value.hint
    assert caught.value.exit_code == (3 if isinstance(error, MissingDependencyError) else 1)
    (run,) = instance.get_runs()
    assert run.status == DagsterRunStatus.FAILURE
    assert set(scene.statuses().values()) == {"queued"}
    assert documents(launch(scene)) == {"total": 3, "done": 3}


def raising(error: Exception) -> Any:
    def write(*args: Any) -> None:
        raise error

    return write


def test_a_batch_that_another_worker_took_over_is_left_to_it(scene: Scene, toys: Any) -> None:
    scene.write(**THREE)

    def overtaken(ctx: Any, value: Any) -> None:
        toys.on.clear()
        with scene.ledger.begin() as cx:
            cx.execute(jobs.update().values(status="queued", lease_owner=None))
        with scene.another() as other, other.batch() as batch:
            assert counts(run_batch(batch))["chunk"] == (3, 0, 0)

    toys.on["parse"] = overtaken
    report = launch(scene)
    assert documents(report) == {"total": 3, "done": 3}
    assert [(each["name"], each["executed"]) for each in report["stages"]] == [
        ("ingest", 3),
        ("parse", 0),
        ("chunk", 0),
    ]


def test_what_another_process_works_on_is_waited_for(scene: Scene, toys: Any) -> None:
    scene.write(**THREE)
    found = scene.submit()
    with scene.worker() as other:
        batch = scene.claim(other)
        launcher = Launcher(scene.workspace, SMALL)
        ticks: list[int] = []

        def tick(done: int, total: int) -> None:
            ticks.append(done)
            if len(ticks) == 1:
                run_batch(batch)

        assert launcher.run(found.jobs, tick).runs == []
    assert ticks == [0, 3]
    assert {each.executed for each in launcher.report.stages.values()} == {0}


# ── gates ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_gate_that_need_not_wait_is_passed_in_the_same_run(scene: Scene) -> None:
    scene.write(**THREE)
    report = launch(scene, GATED)
    assert (documents(report), len(report["runs"])) == ({"total": 3, "done": 3}, 2)


def test_at_a_gate_that_is_closed_the_run_ends(scene: Scene) -> None:
    scene.write(a="aspirin")
    assert documents(launch(scene, WAITS)) == {"total": 1, "waiting": 1}
    assert documents(launch(scene, WAITS)) == {"total": 1, "waiting": 1}


def test_a_document_waiting_with_an_older_version_goes_on_with_that(scene: Scene, toys: Any) -> None:
    scene.write(a="aspirin")
    launch(scene, WAITS)
    with scene.ledger.begin() as cx:
        cx.execute(jobs.update().values(pdf_ir_ready=True))
    reworded = Topology(
        pipeline="waits", version="2.0", stages=WAITS.stages, description="The same work, in other words."
    )
    assert documents(launch(scene, reworded)) == {"total": 1, "done": 1}
    assert scene.job("a").version == "1.0"


def test_a_gate_opened_by_hand_is_on_record(scene: Scene) -> None:
    reads = pipeline(INGEST, gate("gate", "ingest", "chunk"), stage("chunk", "Chunk", "gate", segment=1), name="reads")
    scene.write(a="aspirin")
    launch(scene, reads)
    (job,) = open_by_hand(scene.workspace, "default", "file:a.txt", "gate", "read by hand")
    (event,) = [each for each in scene.events() if each["type"] == "toy.gate.opened"]
    assert (event["data"]["gate"], event["data"]["reason"]) == ("gate", "read by hand")
    report = launch(scene, reads)
    assert [(each["stage"], each["error_type"], each["message"]) for each in report["failures"]] == [
        (
            "chunk",
            "PermanentError",
            "no document lies behind `gate`: it was opened by hand before there was one, or it is gone",
        )
    ]
    assert scene.statuses() == {"a": "no_document"}
    assert job.status == "waiting"


# ── Dagster's storage, and signals ──────────────────────────────────────────────────────────────────────────────────


def test_four_processes_may_be_the_first_to_use_a_home(tmp_path: Path) -> None:
    home = tmp_path / "fresh"
    script = "import sys; from pathlib import Path; from penstock.compiler.instance import prepare, open_instance\n"
    script += "with open_instance(prepare(Path(sys.argv[1]))) as found: print(len(found.get_runs()))"
    started = [
        subprocess.Popen([sys.executable, "-c", script, str(home)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    ends = [each.communicate() for each in started]
    assert [(each.returncode, out) for each, (out, _) in zip(started, ends, strict=True)] == [(0, b"0\n")] * 4, ends
    assert (dagster_home(home) / "dagster.yaml").read_text() == SETTINGS


def test_settings_that_somebody_has_changed_are_left_as_they_are(tmp_path: Path) -> None:
    folder = dagster_home(tmp_path)
    folder.mkdir()
    mine = SETTINGS.replace("max_concurrent_runs: 2", "max_concurrent_runs: 7")
    (folder / "dagster.yaml").write_text(mine)
    assert prepare(tmp_path) == folder
    assert prepare(tmp_path) == folder
    assert (folder / "dagster.yaml").read_text() == mine


INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from tests.unit.execution.scene import SMALL, Scene
from penstock.compiler.launch import Launcher, batch_size
import penstock_toys

def strike(ctx, value):
    if ctx.doc_id == "file:b.txt":
        os.kill(os.getpid(), signal.SIGINT)

penstock_toys.on["parse"] = strike
scene = Scene(Path(sys.argv[1]))
try:
    Launcher(scene.workspace, SMALL).run(scene.submit().jobs)
except KeyboardInterrupt:
    raise SystemExit(130)
"""


def test_an_interrupted_run_keeps_what_is_done_and_gives_the_rest_back(tmp_path: Path, scene: Scene, toys: Any) -> None:
    scene.write(**THREE)
    path = os.pathsep.join([str(PLUGIN), str(Path(__file__).parents[3])])
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)], env=os.environ | {"PYTHONPATH": path}, capture_output=True
    )
    assert done.returncode == 130, done.stderr.decode()[-2000:]
    assert scene.ledger.recover() == 0, "nothing is held any more"
    assert set(scene.statuses().values()) == {"queued"}
    report = launch(scene)
    assert documents(report) == {"total": 3, "done": 3}
    assert executed(report) == {"ingest": 0, "parse": 3, "chunk": 3}
