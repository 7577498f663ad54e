"""Policies as they are lived: looked up at each batch, counted in the ledger, shared by all who call one adapter."""

import logging
import time
from itertools import pairwise
from typing import Any

import yaml
from sqlalchemy import update
from tests.unit.execution.scene import INGEST, PARSE, Scene, counts, pipeline, stage

from penstock.errors import TransientError, UnavailableError
from penstock.execution.decisions import ATTEMPTS
from penstock.ledger.tables import dead_letters, jobs
from penstock.plan.topology import Policy

THREE = {"a": "one", "b": "two", "c": "three"}
PATIENT = Policy(name="quick", max_attempts=3, backoff_strategy="none")


def configure(scene: Scene, **policy: Any) -> None:
    """The policy `quick`, as somebody edits it."""
    path = scene.workspace.config / "resilience.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump({"policies": {"quick": policy}}))


def busy(ctx: Any, value: Any) -> None:
    raise TransientError("busy")


def test_an_edited_policy_counts_from_the_next_batch_on(scene: Scene, toys: Any, caplog: Any) -> None:
    toys.on["parse"] = busy
    scene.write(a="one")
    made = pipeline(INGEST, stage("parse", "Parse", "ingest", policy=PATIENT))
    scene.run(made)
    assert len(toys.calls) == 1 + 3
    configure(scene, max_attempts=2)
    scene.run(made)
    assert len(toys.calls) == 4 + 2, "the topology was planned with three"
    configure(scene, max_attempts=0)
    with caplog.at_level(logging.WARNING):
        scene.run(made)
    assert len(toys.calls) == 6 + 2, "an edit that is not sound changes nothing"
    assert "the last policies stay" in caplog.text
    (scene.workspace.config / "resilience.yaml").unlink()
    scene.run(made)
    assert len(toys.calls) == 8 + 2


def test_retries_are_counted_by_stage_and_survive_the_next_run(scene: Scene, toys: Any) -> None:
    toys.on["parse"] = lambda ctx, value: busy(ctx, value) if ctx.doc_id == "file:b.txt" or ctx.attempt == 1 else None
    scene.write(**THREE)
    made = pipeline(INGEST, stage("parse", "Parse", "ingest", policy=PATIENT))
    for _ in range(2):
        scene.run(made)
    with scene.ledger.read() as cx:
        found = dict(cx.execute(jobs.select().with_only_columns(jobs.c.document, jobs.c.retry_count_per_stage)).all())
    assert found == {"file:a.txt": '{"parse":1}', "file:b.txt": '{"parse":4}', "file:c.txt": '{"parse":1}'}


def test_a_document_is_not_tried_for_ever_unless_somebody_says_so(scene: Scene, toys: Any) -> None:
    toys.on["parse"] = busy
    scene.write(a="one")
    made = pipeline(INGEST, PARSE)
    scene.run(made)
    with scene.ledger.begin() as cx:
        cx.execute(update(dead_letters).values(attempts=ATTEMPTS - 1))
    assert len(scene.submit(made).jobs) == 1
    scene.go_on(made)
    found = scene.submit(made)
    assert (found.jobs, len(found.failed)) == ([], 1)


def test_refusals_without_a_call_are_no_attempts(scene: Scene, toys: Any) -> None:
    made = pipeline(stage("ingest", "Ingest", uses="unbuildable"), PARSE)
    scene.write(a="one")
    scene.run(made)
    with scene.ledger.read() as cx:
        assert scene.ledger.dead_letters.attempts(cx, [scene.job("a").job]) == {scene.job("a").job: 0}


def test_what_a_run_had_no_time_for_is_left_to_the_next_one(scene: Scene, toys: Any) -> None:
    scene.write(**THREE)
    made = pipeline(INGEST, PARSE, deadline_seconds=1.0)
    toys.on["parse"] = lambda ctx, value: time.sleep(0.7)
    assert counts(scene.run(made))["parse"][0] < 3
    assert {scene.job(name).status for name in THREE} == {"completed", "parse_failed"}
    toys.on.clear()
    scene.run(made)
    assert {scene.job(name).status for name in THREE} == {"completed"}


def test_an_open_breaker_refuses_without_calling_also_in_the_next_run(scene: Scene, toys: Any) -> None:
    def gone(ctx: Any, value: Any) -> None:
        raise UnavailableError("nobody answers", status="embed_failed")

    toys.on["parse"] = gone
    scene.write(**{f"d{number}": "x" for number in range(9)})
    policy = Policy(name="guarded", max_attempts=1, failure_threshold=3, reset_timeout_seconds=30.0)
    made = pipeline(INGEST, stage("parse", "Parse", "ingest", policy=policy))
    scene.run(made)
    assert len([each for each in toys.calls if each[0] == "parse"]) == 3
    refused = [scene.job(f"d{number}") for number in range(9)]
    assert {job.error_recovery for job in refused} == {"unavailable"}
    assert sum(job.error_message == "nobody answers" for job in refused) == 3
    with scene.another() as other:
        other.run(made)
    assert len([each for each in toys.calls if each[0] == "parse"]) == 3, "the ledger knows of the breaker"
    assert other.workspace.shared.breaker("ParseStage/toy", 30.0).state == "open"


def test_a_rate_is_kept(scene: Scene, toys: Any) -> None:
    at: list[float] = []
    toys.on["parse"] = lambda ctx, value: at.append(time.monotonic())
    scene.write(**{f"d{number}": "x" for number in range(6)})
    policy = Policy(name="slow", max_attempts=1, rate_limit_per_second=20.0)
    scene.run(pipeline(INGEST, stage("parse", "Parse", "ingest", policy=policy)))
    gaps = [after - before for before, after in pairwise(at)]
    assert len(gaps) == 5
    assert sum(gaps) >= 0.9 * 0.05 * 5, "no faster than the policy allows"
