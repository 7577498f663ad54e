"""Sensors: each batch gets one run, whatever crashes, whoever else evaluates at the same time."""

import threading
from typing import Any

import pytest
from dagster import (
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    RunRequest,
    build_sensor_context,
)
from dagster._daemon.sensor import MIN_INTERVAL_LOOP_TIME
from sqlalchemy import update
from tests.unit.execution.scene import INGEST, PARSE, SMALL, Scene, gate, pipeline, run_batch, stage

from penstock.compiler.job import compile_job
from penstock.compiler.lost_runs import end_lost_runs
from penstock.compiler.sensors import gate_sensor, queue_sensor
from penstock.compiler.session import BATCH_TAG, Session, session_resource
from penstock.execution.planning import plan_batches, run_key
from penstock.execution.workspace import Workspace
from penstock.ledger.presence import lock_file
from penstock.ledger.tables import batches, jobs, workers
from penstock.plan.topology import Topology
from penstock.spec.profile import BatchSpec, ProfileSpec

WAITS = pipeline(INGEST, gate("gate", "ingest", "parse"), stage("parse", "Parse", "ingest", segment=1), name="waits")


class Location:
    """The code location of a few pipelines: their jobs and the two sensors."""

    def __init__(self, scene: Scene, *topologies: Topology, problems: int = 0) -> None:
        self.scene = scene
        self.jobs = {
            (topology.digest, segment): compile_job(topology, segment, session_resource(self.open, topology, segment))
            for topology in topologies
            for segment in range(topology.segments)
        }
        names = {key: job.name for key, job in self.jobs.items()}
        make = (self.open, list(self.jobs.values()), names, problems)
        self.sensors = {False: queue_sensor(*make), True: gate_sensor(*make)}

    def open(self) -> Workspace:
        return Workspace(self.scene.home, self.scene.workspace.config, self.scene.workspace.profile)

    def tick(self, instance: DagsterInstance, *, gated: bool = False) -> list[RunRequest]:
        """What a sensor asks for."""
        found = self.sensors[gated].evaluate_tick(build_sensor_context(instance=instance))
        return list(found.run_requests or [])

    def skipped(self, instance: DagsterInstance, *, gated: bool = False) -> str:
        message = self.sensors[gated].evaluate_tick(build_sensor_context(instance=instance)).skip_message
        assert message is not None
        return message

    def launch(self, instance: DagsterInstance, request: RunRequest) -> Any:
        """The run of a request, as Dagster's daemon makes it."""
        job = next(job for job in self.jobs.values() if job.name == request.job_name)
        tags = {**request.tags, "dagster/run_key": request.run_key or ""}
        return job.execute_in_process(instance=instance, run_config=request.run_config, tags=tags, raise_on_error=False)


def ended_without_a_trace(instance: DagsterInstance, location: Location, request: RunRequest) -> DagsterRun:
    """A run that ended before it claimed anything."""
    job = next(job for job in location.jobs.values() if job.name == request.job_name)
    tags = {**job.tags, **request.tags, "dagster/run_key": request.run_key or ""}
    return instance.create_run_for_job(job, run_config=request.run_config, tags=tags, status=DagsterRunStatus.FAILURE)


def test_sensors_ask_for_less_than_a_round_of_the_daemon(scene: Scene) -> None:
    for sensor in Location(scene, SMALL, WAITS).sensors.values():
        assert 0 < (sensor.minimum_interval_seconds or 0) < MIN_INTERVAL_LOOP_TIME, "or every second round is missed"


def test_what_is_queued_gets_a_run_for_each_batch(scene: Scene, instance: DagsterInstance) -> None:
    scene.workspace.profile = ProfileSpec(name="toys", batch=BatchSpec(documents=2))
    location = Location(scene, SMALL)
    assert location.skipped(instance) == "nothing is queued"
    scene.write(a="aspirin", b="bread", c="cocoa")
    scene.submit()
    requests = location.tick(instance)
    assert [(each.job_name, each.tags["penstock/documents"]) for each in requests] == [
        ("toys_pipeline_job", "2"),
        ("toys_pipeline_job", "1"),
    ]
    for each in requests:
        assert each.run_key == f"{each.tags[BATCH_TAG]}:0"
        assert location.launch(instance, each).success
    assert set(scene.statuses().values()) == {"completed"}
    assert location.skipped(instance) == "nothing is queued"
    sent = [each["type"] for each in scene.workspace.resources.events.read()]
    assert sent.count("org.medicalkg.orchestration.job.completed") == 3, "a run relays what it told"


def test_batches_are_no_larger_than_the_profile_says(scene: Scene) -> None:
    scene.write(a="x" * 700_000, b="x" * 700_001, c="x" * 10, d="x" * 2_000_000, e="x")
    scene.submit()
    scene.workspace.profile = ProfileSpec(name="toys", batch=BatchSpec(documents=2, megabytes=1))
    sizes = [batch.size for batch in plan_batches(scene.workspace, False, [(SMALL.digest, 0)], lambda key: False)]
    assert sizes == [1, 2, 1, 1], "a document that is larger by itself goes alone"


def test_until_its_run_has_begun_a_batch_keeps_its_run_key(scene: Scene, instance: DagsterInstance) -> None:
    location = Location(scene, SMALL)
    scene.write(a="aspirin")
    scene.submit()
    keys = {each.run_key for _ in range(3) for each in location.tick(instance)}
    assert len(keys) == 1, "a daemon that died before it started the run finds the same key again"


def test_a_run_that_ended_before_it_began_gets_a_successor(scene: Scene, instance: DagsterInstance) -> None:
    location = Location(scene, SMALL)
    scene.write(a="aspirin")
    scene.submit()
    (first,) = location.tick(instance)
    ended_without_a_trace(instance, location, first)
    (second,) = location.tick(instance)
    assert (first.run_key, second.run_key) == (f"{first.tags[BATCH_TAG]}:0", f"{first.tags[BATCH_TAG]}:1")
    assert location.tick(instance) == [second], "and keeps that key in turn"
    assert location.launch(instance, second).success
    assert scene.job("a").status == "completed"


def test_what_a_dead_run_held_is_batched_again(scene: Scene, instance: DagsterInstance) -> None:
    location = Location(scene, SMALL)
    scene.write(a="aspirin")
    scene.submit()
    (first,) = location.tick(instance)
    with scene.worker() as worker:
        scene.claim(worker, SMALL, batch=first.tags[BATCH_TAG])
        assert location.skipped(instance) == "nothing is queued"
        with scene.ledger.begin() as cx:
            cx.execute(update(workers).where(workers.c.worker == worker.id).values(lease_expires_at=0.0))
        lock_file(scene.home, worker.id).write_text("0 0\n")
        (second,) = location.tick(instance)
    assert first.tags[BATCH_TAG] != second.tags[BATCH_TAG]
    assert location.launch(instance, second).success


def test_sensors_that_evaluate_at_once_ask_for_the_same_runs(scene: Scene, instance: DagsterInstance) -> None:
    scene.write(**{f"d{i}": str(i) for i in range(20)})
    scene.submit()
    found: list[set[str]] = []
    together = threading.Barrier(4)

    def evaluate() -> None:
        workspace = Workspace(scene.home, scene.workspace.config, ProfileSpec(name="t", batch=BatchSpec(documents=3)))
        together.wait()
        planned = plan_batches(workspace, False, [(SMALL.digest, 0)], lambda key: False)
        found.append({run_key(batch) for batch in planned})
        workspace.close()

    threads = [threading.Thread(target=evaluate) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (len(found), len(found[0]), len(set.union(*found))) == (4, 7, 7)


def test_the_same_batch_run_twice_is_worked_on_once(scene: Scene, toys: Any, instance: DagsterInstance) -> None:
    location = Location(scene, SMALL)
    scene.write(a="aspirin")
    scene.submit()
    (request,) = location.tick(instance)
    assert [location.launch(instance, request).success for _ in range(2)] == [True, True]
    assert len(toys.calls) == 3


def test_a_run_started_by_hand_takes_what_is_queued(scene: Scene, instance: DagsterInstance) -> None:
    location = Location(scene, SMALL)
    scene.write(a="aspirin", b="bread")
    scene.submit()
    (planned,) = location.tick(instance)
    by_hand = RunRequest(job_name="toys_pipeline_job", run_config={"loggers": {"console": {}}})
    assert location.launch(instance, by_hand).success
    assert set(scene.statuses().values()) == {"completed"}
    assert location.skipped(instance) == "nothing is queued"
    result = location.launch(instance, planned)
    assert result.output_for_node("parse", "manifest") == {"batch": "", "documents": 0, "failed": 0}


def test_what_other_runs_keep_busy_is_left_in_its_batch(scene: Scene, instance: DagsterInstance) -> None:
    other = pipeline(INGEST, PARSE, name="other")
    location = Location(scene, SMALL, other)
    scene.write(a="aspirin")
    scene.submit()
    scene.submit(other)
    with scene.batch() as batch:
        requests = [each for each in location.tick(instance) if each.job_name == "other_pipeline_job"]
        assert location.launch(instance, requests[0]).success
        assert scene.job("a").status == "queued"
        run_batch(batch)
    (again,) = location.tick(instance)
    assert again.run_key == f"{requests[0].tags[BATCH_TAG]}:1"
    location.launch(instance, again)
    assert scene.job("a").status == "completed"


def test_problems_in_the_configuration_are_told_with_every_tick(scene: Scene, instance: DagsterInstance) -> None:
    location = Location(scene, SMALL, problems=2)
    assert location.skipped(instance) == "2 problems in the configuration: penstock validate"


def test_a_version_that_is_not_loaded_is_told_and_keeps_its_batch(scene: Scene, instance: DagsterInstance) -> None:
    scene.write(a="aspirin")
    scene.submit()
    stranger = Location(scene, pipeline(INGEST, name="stranger"))
    assert stranger.skipped(instance) == ("1 pipeline versions are queued that this location has not loaded: reload it")
    assert len(Location(scene, SMALL).tick(instance)) == 1


# ── gates ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def flag(scene: Scene, name: str) -> None:
    """What the worker does once it has written the document."""
    with scene.ledger.begin() as cx:
        cx.execute(update(jobs).where(jobs.c.document == f"file:{name}.txt").values(pdf_ir_ready=True))


def test_when_its_field_is_set_a_document_goes_on_behind_the_gate(
    scene: Scene, toys: Any, instance: DagsterInstance
) -> None:
    location = Location(scene, WAITS)
    scene.write(a="aspirin", b="bread")
    scene.run(WAITS)
    assert location.skipped(instance, gated=True) == "no gate has opened"
    flag(scene, "a")
    assert location.tick(instance) == [], "the queue's sensor leaves it to the gate's"
    (request,) = location.tick(instance, gated=True)
    assert (request.job_name, request.tags["penstock/documents"]) == ("waits_pipeline_after_gate_job", "1")
    toys.calls.clear()
    assert location.launch(instance, request).success
    assert scene.statuses() == {"a": "completed", "b": "waiting"}
    assert toys.calls == [("parse", "file:a.txt", 1)]
    with scene.ledger.read() as cx:
        (row,) = cx.execute(jobs.select().where(jobs.c.document == "file:a.txt"))
    assert row.post_pdf_started


def test_a_job_keeps_the_stages_it_was_submitted_with(scene: Scene, toys: Any, instance: DagsterInstance) -> None:
    scene.write(a="aspirin")
    scene.run(WAITS)
    flag(scene, "a")
    changed = pipeline(
        INGEST, gate("gate", "ingest", "read"), stage("read", "Parse", "ingest", segment=1), name="waits"
    )
    old = compile_job(WAITS, 1, superseded=True)
    assert old.name == f"waits_pipeline_after_gate_job_{WAITS.digest[:8]}"
    location = Location(scene, changed)
    assert "has not loaded" in location.skipped(instance, gated=True)
    assert "has not loaded" in location.skipped(instance)
    location = Location(scene, WAITS)
    (request,) = location.tick(instance, gated=True)
    location.launch(instance, request)
    assert set(scene.stage_runs("a")) == {"ingest", "parse"}


# ── runs whose process is gone ──────────────────────────────────────────────────────────────────────────────────────


def started(instance: DagsterInstance, location: Location, run_id: str | None = None) -> DagsterRun:
    """A run that Dagster takes for running, though no process stands behind it."""
    job = next(iter(location.jobs.values()))
    return instance.create_run_for_job(job, run_id=run_id, tags=dict(job.tags), status=DagsterRunStatus.STARTED)


@pytest.fixture
def impatient(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A home where every run that was begun is older than a lease, and than any start takes."""
    monkeypatch.setattr("penstock.compiler.lost_runs.SLOW_SECONDS", -1)
    scene.workspace.profile = scene.workspace.profile.model_copy(update={"lease_seconds": -1})
    return scene


def test_a_run_whose_process_is_gone_is_marked_as_failed(impatient: Scene, instance: DagsterInstance) -> None:
    location = Location(impatient, SMALL)
    dead = started(instance, location)
    assert end_lost_runs(instance, impatient.workspace) == [dead.run_id]
    found = instance.get_run_by_id(dead.run_id)
    assert found is not None
    assert found.status == DagsterRunStatus.FAILURE
    assert end_lost_runs(instance, impatient.workspace) == []


def test_a_run_that_holds_documents_or_has_just_begun_is_left_alone(scene: Scene, instance: DagsterInstance) -> None:
    location = Location(scene, SMALL)
    young = started(instance, location)
    assert end_lost_runs(instance, scene.workspace) == []
    scene.write(a="aspirin")
    scene.submit()
    with scene.worker() as worker:
        batch = scene.claim(worker)
        with scene.ledger.begin() as cx:
            cx.execute(update(batches).where(batches.c.batch == batch.batch).values(run_id=young.run_id))
        scene.workspace.profile = scene.workspace.profile.model_copy(update={"lease_seconds": -1})
        assert end_lost_runs(instance, scene.workspace) == []
    assert end_lost_runs(instance, scene.workspace) == [young.run_id]


def test_a_run_that_is_slow_to_start_is_left_alone_whatever_the_lease(scene: Scene, instance: DagsterInstance) -> None:
    scene.workspace.profile = scene.workspace.profile.model_copy(update={"lease_seconds": -1})
    started(instance, Location(scene, SMALL))
    assert end_lost_runs(instance, scene.workspace) == []


def test_a_run_whose_batch_has_ended_may_be_sweeping(scene: Scene, instance: DagsterInstance) -> None:
    scene.workspace.profile = scene.workspace.profile.model_copy(update={"lease_seconds": -1})
    run = started(instance, Location(scene, SMALL))
    scene.write(a="aspirin")
    scene.submit()
    with scene.batch() as batch, scene.ledger.begin() as cx:
        cx.execute(update(batches).where(batches.c.batch == batch.batch).values(run_id=run.run_id, status="ended"))
    assert end_lost_runs(instance, scene.workspace) == []


def test_other_people_s_runs_are_none_of_its_business(impatient: Scene, instance: DagsterInstance) -> None:
    job = compile_job(SMALL, 0)
    instance.create_run_for_job(job, tags={}, status=DagsterRunStatus.STARTED)
    assert end_lost_runs(instance, impatient.workspace) == []


def test_a_batch_whose_run_is_gone_gets_another(impatient: Scene, instance: DagsterInstance) -> None:
    location = Location(impatient, SMALL)
    impatient.write(a="aspirin")
    impatient.submit()
    (first,) = location.tick(instance)
    job = location.jobs[SMALL.digest, 0]
    tags = {**job.tags, **first.tags, "dagster/run_key": first.run_key or ""}
    instance.create_run_for_job(job, tags=tags, status=DagsterRunStatus.STARTED)
    (second,) = location.tick(instance)
    assert second.run_key == f"{first.tags[BATCH_TAG]}:1"


def test_a_session_without_a_batch_does_nothing() -> None:
    session = Session(None)
    outcome = session.run("parse")
    assert (outcome.stage, outcome.executed, session.waiting) == ("parse", 0, 0)
