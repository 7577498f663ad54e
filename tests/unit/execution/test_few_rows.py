"""However many jobs there are, sensors and dispatchers ask for few of them: no statement of theirs reads all jobs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text, update
from tests.unit.execution.scene import INGEST, Scene, gate, pipeline, stage

from penstock.execution.gates import tend_gates
from penstock.execution.planning import claim_next, plan_batches
from penstock.ledger.tables import jobs

WAITS = pipeline(
    INGEST,
    gate("gate", "ingest", "parse", timeout_seconds=60.0),
    stage("parse", "Parse", "ingest", segment=1),
    name="waits",
)
BOTH = [(WAITS.digest, 0), (WAITS.digest, 1)]

OF_ONE_STATE = ("ix_jobs_planned", "ix_jobs_held", "uq_jobs_running_document")
"""Indexes that hold what is at work or about to be: as many rows as there are runs have documents, whatever waits."""


ASKING = ("select", "update", "delete", "with")


@contextmanager
def statements(scene: Scene) -> Iterator[list[tuple[str, Any]]]:
    """What is asked of the ledger meanwhile, and with which values."""
    found: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, values: Any, *more: Any) -> None:
        if ("jobs" in statement or "stage_runs" in statement) and statement.split()[0].lower() in ASKING:
            found.append((statement, values))

    engine = scene.ledger.database.engine
    event.listen(engine, "before_cursor_execute", note)
    yield found
    event.remove(engine, "before_cursor_execute", note)


def plans(scene: Scene, asked: list[tuple[str, Any]]) -> set[str]:
    """How SQLite goes about these statements, step by step."""
    with scene.ledger.read() as cx:
        steps = set()
        for statement, values in asked:
            for row in cx.exec_driver_sql(f"explain query plan {statement}", values):
                steps.add(row[3])
    return steps


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """Two documents wait, one is overdue, one is ready, one is queued."""
    scene.write(a="aspirin", b="bread", c="cocoa", d="dates")
    scene.run(WAITS)
    with scene.ledger.begin() as cx:
        late = jobs.c.waiting_since - 120
        cx.execute(update(jobs).where(jobs.c.document == "file:c.txt").values(waiting_since=late))
        cx.execute(update(jobs).where(jobs.c.document == "file:d.txt").values(pdf_ir_ready=True))
    scene.write(e="eggs")
    scene.submit(WAITS)
    return scene


def test_jobs_that_are_claimed_by_name_are_not_looked_for_among_all_that_are_queued(scene: Scene) -> None:
    queued = scene.job("e").job
    with statements(scene) as asked, scene.worker() as worker, scene.ledger.begin() as cx:
        assert len(scene.ledger.jobs.claim(cx, worker.id, WAITS.digest, 0, ids=[queued])) == 1
    found = plans(scene, [each for each in asked if "RETURNING" in each[0]])
    assert any("SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 (job=?)" in step for step in found), found
    assert [step for step in found if "ix_jobs_queued" in step or step.startswith("SCAN jobs")] == []


def test_what_stages_did_for_a_job_is_found_by_job(scene: Scene) -> None:
    with statements(scene) as asked:
        assert set(scene.stage_runs("a")) == {"ingest"}
    found = plans(scene, [each for each in asked if "stage_runs" in each[0]])
    assert any("sqlite_autoindex_stage_runs_1 (stage=? AND job=?)" in step for step in found), found
    assert [step for step in found if step.startswith("SCAN stage_runs")] == []


def test_what_a_batch_still_holds_is_counted_without_looking_at_its_jobs(scene: Scene) -> None:
    with statements(scene) as asked, scene.ledger.read() as cx:
        assert scene.ledger.jobs.count_held(cx, "worker", "batch") == 0
    assert [step for step in plans(scene, asked) if "COVERING INDEX ix_jobs_held" not in step] == []


@pytest.mark.parametrize("analysed", [False, True])
def test_no_statement_of_a_tick_reads_all_jobs(scene: Scene, analysed: bool) -> None:
    if analysed:
        with scene.ledger.begin() as cx:
            cx.execute(text("analyze"))
    with statements(scene) as asked:
        scene.ledger.recover()
        assert tend_gates(scene.workspace) == 1
        assert [batch.size for batch in plan_batches(scene.workspace, False, BOTH, lambda key: True)] == [1]
        assert [batch.size for batch in plan_batches(scene.workspace, True, BOTH, lambda key: True)] == [1]
        with scene.worker() as worker:
            assert claim_next(scene.workspace, worker) is not None
    assert scene.statuses() | {"e": ""} == {"a": "waiting", "b": "waiting", "c": "gate_timeout", "d": "queued", "e": ""}
    found = plans(scene, asked)
    through = [step for step in found if step.startswith("SCAN") and ("jobs" in step or "other" in step)]
    assert [step for step in through if not step.endswith(OF_ONE_STATE)] == []
    assert [step for step in found if "ix_jobs_pipeline_status" in step] == []
    for index in ("ix_jobs_waiting", "ix_jobs_queued", "ix_jobs_planned"):
        assert any(index in step for step in found), index
