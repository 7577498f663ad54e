"""Two workers and one batch: whoever has lost a job writes nothing more of it; a crash leaves nothing to mend."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from tests.unit.execution.scene import (
    CHUNK,
    EXTRACT,
    FULL,
    GRAPH,
    GRAPH_ONLY,
    INGEST,
    PARSE,
    PLUGIN,
    TENANT,
    Scene,
    counts,
    pipeline,
    run_batch,
    stage,
)

from penstock.audit import audit
from penstock.errors import LostLeaseError
from penstock.execution.removal import delete
from penstock.execution.runner import run_stage
from penstock.execution.sweep import sweep
from penstock.ledger.presence import lock_file
from penstock.ledger.tables import jobs, workers
from penstock.ledger.workers import Worker

TWO = {"a": "aspirin tea", "b": "bread"}


def expire(scene: Scene, worker: Worker) -> None:
    """The lease of a worker runs out, as if it had been stopped for too long."""
    with scene.ledger.begin() as cx:
        cx.execute(update(workers).where(workers.c.worker == worker.id).values(lease_expires_at=0.0))
    lock_file(scene.home, worker.id).write_text("0 0\n")
    assert scene.ledger.recover() > 0


def take_from(scene: Scene, worker: Worker, name: str) -> None:
    """One job of a worker goes back to the queue, as after an operator's hand or a lease that ran out in between."""
    with scene.ledger.begin() as cx:
        mine = (jobs.c.lease_owner == worker.id, jobs.c.document == f"file:{name}.txt")
        assert cx.execute(update(jobs).where(*mine).values(status="queued", lease_owner=None)).rowcount == 1


def claims(scene: Scene, kind: str) -> list[tuple[str, str]]:
    """(stage, number of the claim) of events."""
    found = [each for each in scene.events() if each["type"] == f"toy.{kind}"]
    return sorted((each["data"]["stage"], each["id"].split(":")[1]) for each in found)


def indexed(scene: Scene) -> set[str]:
    """Every build that the words are stored under, visible or not."""
    return {build for build, _, _ in scene.workspace.resources.lexical.scan(TENANT)}


def builds(scene: Scene) -> list[str]:
    """Every build that the graph holds, visible or not."""
    return sorted(build for build, _ in scene.workspace.resources.graph.scan(TENANT))


def test_a_worker_that_lost_its_batch_in_the_middle_of_a_stage_writes_nothing_of_it(scene: Scene, toys: Any) -> None:
    scene.write(**TWO)
    scene.submit(GRAPH_ONLY)
    with scene.worker() as slow, scene.another() as other, other.worker() as quick:
        first = scene.claim(slow, GRAPH_ONLY)

        def overtaken(ctx: Any, value: Any) -> None:
            toys.on.clear()
            expire(scene, slow)
            run_batch(other.claim(quick, GRAPH_ONLY))

        toys.on["extract"] = overtaken
        with pytest.raises(LostLeaseError, match="was taken over by another worker"):
            run_batch(first)
    runs = scene.stage_runs("a")
    assert {run["status"] for run in runs.values()} == {"completed"}
    assert scene.statuses() == {"a": "completed", "b": "completed"}
    assert scene.entities("a") == ["aspirin", "tea"]
    claims = {
        (event["data"]["stage"], event["id"].split(":")[1]) for event in scene.events() if "stage" in event["data"]
    }
    assert claims == {("ingest", "1"), ("parse", "1"), ("extract", "1"), ("extract", "2"), ("graph", "2")}
    ended = [each for each in scene.events() if each["type"] == "toy.stage.completed"]
    assert len(ended) == 2 * 4
    assert len({each["id"] for each in scene.events()}) == len(scene.events())


def test_what_a_sink_was_still_writing_for_a_lost_batch_is_taken_back(scene: Scene, toys: Any) -> None:
    scene.write(**TWO)
    scene.submit(FULL)
    with scene.worker() as slow, scene.another() as other, other.worker() as quick:
        first = scene.claim(slow, FULL)

        def overtaken(ctx: Any, value: Any) -> None:
            toys.on.clear()
            expire(scene, slow)
            run_batch(other.claim(quick, FULL))
            sweep(other.workspace)

        toys.on["index"] = overtaken
        with pytest.raises(LostLeaseError):
            run_batch(first)
    assert indexed(scene) == {scene.document(name).index_build for name in TWO}
    assert scene.chunks("a") == ["aspirin tea"]


def test_a_worker_that_lost_one_job_goes_on_with_the_others(scene: Scene, toys: Any) -> None:
    scene.write(**TWO)
    scene.submit(GRAPH_ONLY)
    with scene.worker() as slow, scene.worker() as quick:
        first = scene.claim(slow, GRAPH_ONLY)
        toys.on["parse"] = lambda ctx, value: take_from(scene, slow, "a") if ctx.doc_id == "file:a.txt" else None
        run_stage(first, GRAPH_ONLY.stage("ingest"))
        outcome = run_stage(first, GRAPH_ONLY.stage("parse"))
        assert (outcome.executed, [job.document for job in first.jobs.values()]) == (1, ["file:b.txt"])
        assert set(scene.stage_runs("a")) == {"ingest"}
        toys.on.clear()
        second = scene.claim(quick, GRAPH_ONLY)
        assert counts(run_batch(second))["parse"] == (1, 0, 0)
        run_batch(first)
    assert scene.statuses() == {"a": "completed", "b": "completed"}
    assert len(builds(scene)) == 2


def test_a_document_deleted_while_it_is_worked_on_leaves_nothing_behind(scene: Scene, toys: Any) -> None:
    scene.write(**TWO)
    scene.submit(FULL)

    def deleted(ctx: Any, value: Any) -> None:
        if ctx.doc_id == "file:a.txt":
            delete(scene.workspace, TENANT, ["file:a.txt"])
            sweep(scene.workspace)

    toys.on["index"] = deleted
    assert counts(scene.go_on(FULL))["index"] == (1, 0, 0)
    sweep(scene.workspace)
    assert scene.statuses() == {"a": "superseded", "b": "completed"}
    assert {build for build, _, _ in scene.workspace.resources.lexical.scan(TENANT)} == {
        scene.document("b").index_build
    }
    assert scene.told("a", "stage.completed", "document.deleted")[-1] == ("document.deleted", "")
    assert scene.told("a", "job.completed") == []


def test_a_document_deleted_in_the_queue_is_not_worked_on(scene: Scene, toys: Any) -> None:
    scene.write(**TWO)
    scene.submit()
    delete(scene.workspace, TENANT, ["file:a.txt"])
    scene.go_on()
    assert {each[1] for each in toys.calls} == {"file:b.txt"}
    assert scene.job("a").status == "superseded"


def test_a_worker_that_ends_gives_back_what_it_has_not_done(scene: Scene, toys: Any) -> None:
    scene.write(**TWO)
    scene.submit()
    with scene.batch():
        assert set(scene.statuses().values()) == {"running"}
    assert set(scene.statuses().values()) == {"queued"}


WHOLE = pipeline(
    INGEST,
    PARSE,
    CHUNK,
    stage("embed", "Embed", "chunk", uses="hashing"),
    stage("index", "Index", "embed", uses="hybrid"),
    EXTRACT,
    GRAPH,
)

# ── SIGKILL ─────────────────────────────────────────────────────────────────────────────────────────────────────────

VICTIM = """
import os, signal, sys
from pathlib import Path
from tests.unit.execution.scene import Scene
from tests.unit.execution.test_fencing import WHOLE
import penstock_toys
from penstock.execution import outputs, recording, runner
from penstock.execution.sweep import sweep
from penstock.ledger.outbox import Outbox

point, folder = sys.argv[1], Path(sys.argv[2])
die = lambda *args, **more: os.kill(os.getpid(), signal.SIGKILL)


def before(owner, name, chance):
    usual = getattr(owner, name)
    def method(*args, **more):
        if chance(*args, **more):
            die()
        return usual(*args, **more)
    setattr(owner, name, method)


scene = Scene(folder)
resources = scene.workspace.resources
if point == "in parse":
    penstock_toys.on["parse"] = lambda ctx, value: die()
elif point == "between the two indexes":
    before(resources.vectors, "write", lambda *args: True)
elif point.startswith("before the commit of"):
    before(runner, "record", lambda batch, planned, *rest, **more: planned.name == point.split()[-1])
elif point == "at the switch":
    before(scene.ledger.documents, "activate", lambda *args: True)
elif point == "after the switch":
    scene.submit(WHOLE)
    scene.go_on(WHOLE)
    die()
elif point == "before files are swept":
    before(resources.packs, "remove", lambda names: True)
elif point == "before builds are swept":
    before(resources.graph, "remove", lambda tenant, names: True)
elif point == "before builds are forgotten":
    before(scene.ledger.artifacts, "forget_builds", lambda cx, names: True)
scene.submit(WHOLE)
scene.go_on(WHOLE)
sweep(scene.workspace)
raise SystemExit("nothing struck")
"""


def killed(folder: Path, point: str) -> None:
    """Work in a process of its own that kills itself at the named point."""
    path = os.pathsep.join([str(PLUGIN), str(Path(__file__).parents[3])])
    done = subprocess.run(
        [sys.executable, "-c", VICTIM, point, str(folder)], env=os.environ | {"PYTHONPATH": path}, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]


POINTS = [
    "in parse",
    "between the two indexes",
    "before the commit of parse",
    "before the commit of graph",
    "at the switch",
    "after the switch",
    "before files are swept",
    "before builds are swept",
    "before builds are forgotten",
]


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_the_next_run_ends_as_if_nothing_had_happened(
    tmp_path: Path, toys: Any, point: str
) -> None:
    (tmp_path / "calm").mkdir()
    (tmp_path / "struck").mkdir()
    calm, struck = Scene(tmp_path / "calm"), Scene(tmp_path / "struck")
    for scene in (calm, struck):
        scene.write(a="old words", b="bread")
        scene.run(WHOLE)
        scene.write(a="new words")
    calm.run(WHOLE)
    sweep(calm.workspace)
    struck.workspace.close()

    killed(tmp_path / "struck", point)
    struck = Scene(tmp_path / "struck")
    assert struck.chunks("a") in (["old words"], ["new words"]), "one version or the other, whole"
    struck.ledger.recover()
    struck.submit(WHOLE)
    if struck.job("a").status == "queued":
        struck.go_on(WHOLE)
    sweep(struck.workspace)
    reports = [audit(each.workspace) for each in (calm, struck)]
    assert reports[0] == reports[1]
    assert reports[1]["consistent"] is True
    assert struck.chunks("a") == ["new words"]
    assert indexed(struck) == {struck.document(name).index_build for name in "ab"}, "nothing is left behind"
    assert builds(struck) == sorted(struck.document(name).graph_build for name in "ab")
    for scene in (calm, struck):
        scene.workspace.close()
