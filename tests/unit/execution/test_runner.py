"""One stage over one batch: what is executed, reused, skipped, failed; and what of it is recorded."""

import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from tests.unit.execution.scene import (
    FULL,
    GATED,
    INGEST,
    PARSE,
    SMALL,
    TENANT,
    Scene,
    counts,
    pipeline,
    run_batch,
    stage,
)

from penstock.errors import (
    MissingDependencyError,
    PermanentError,
    RejectedError,
    TransientError,
    UnavailableError,
)
from penstock.events.facts import decode
from penstock.execution.inspection import inspect
from penstock.execution.retry import retry
from penstock.execution.runner import run_stage
from penstock.plan.topology import Policy

THREE = {"a": "aspirin", "b": "bread", "c": "cocoa"}


def failing(error: Exception, *names: str) -> Any:
    """Fails for these documents, and does as usual for the others."""

    def answer(ctx: Any, value: Any) -> None:
        if not names or ctx.doc_id in {f"file:{name}.txt" for name in names}:
            raise error

    return answer


def test_every_document_goes_through_every_stage_once(scene: Scene, toys: Any) -> None:
    scene.write(**THREE)
    assert counts(scene.run()) == {"ingest": (3, 0, 0), "parse": (3, 0, 0), "chunk": (3, 0, 0)}
    assert sorted(toys.calls) == sorted((s, f"file:{n}.txt", 1) for s in ("ingest", "parse", "chunk") for n in THREE)
    assert scene.statuses() == dict.fromkeys(THREE, "completed")
    assert scene.document("a").active_hash == scene.job("a").content_hash


def test_a_document_that_fails_leaves_the_others_alone(scene: Scene, toys: Any) -> None:
    scene.write(**THREE)
    toys.on["parse"] = failing(RejectedError("no text"), "b")
    outcomes = scene.run()
    assert counts(outcomes) == {"ingest": (3, 0, 0), "parse": (2, 0, 1), "chunk": (2, 0, 0)}
    assert [(name, failure.message) for name, failure in outcomes["parse"].failures] == [("file:b.txt", "no text")]
    assert scene.statuses() == {"a": "completed", "b": "parse_failed", "c": "completed"}
    failed = scene.job("b")
    assert (failed.error_type, failed.error_message, failed.error_stage, failed.error_recovery) == (
        "RejectedError",
        "no text",
        "parse",
        "rejected",
    )
    with scene.ledger.read() as cx:
        assert scene.ledger.dead_letters.open_count(cx) == 1
    run = scene.stage_runs("b")["parse"]
    assert (run["status"], run["error"], run["attempts"], run["run_id"]) == ("parse_failed", "no text", 1, "run-1")


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ValueError("odd"), ("parse_failed", "ValueError", "ValueError: odd", "permanent")),
        (PermanentError("no"), ("parse_failed", "PermanentError", "no", "permanent")),
        (
            UnavailableError("no GPU", status="gpu_unavailable"),
            ("gpu_unavailable", "UnavailableError", "no GPU", "unavailable"),
        ),
        (RejectedError("bad name \udcff"), ("parse_failed", "RejectedError", "bad name ?", "rejected")),
    ],
)
def test_a_failure_is_recorded_by_what_it_is(scene: Scene, toys: Any, error: Exception, shown: tuple[str, ...]) -> None:
    scene.write(a="x")
    toys.on["parse"] = failing(error)
    scene.run()
    job = scene.job("a")
    assert (job.status, job.error_type, job.error_message, job.error_recovery) == shown
    (event,) = [each for each in scene.events() if each["type"] == "toy.stage.failed"]
    assert (event["data"]["error_type"], event["data"]["error_message"]) == shown[1:3]


def test_retries_are_counted_and_told(scene: Scene, toys: Any) -> None:
    scene.write(a="x", b="y")
    policy = Policy(name="nagging", max_attempts=3)
    flaky = pipeline(INGEST, stage("parse", "Parse", "ingest", policy=policy))

    def twice(ctx: Any, value: Any) -> None:
        if ctx.doc_id == "file:a.txt" and ctx.attempt < 3:
            raise TransientError("busy")

    toys.on["parse"] = twice
    outcomes = scene.run(flaky)
    assert (outcomes["parse"].executed, outcomes["parse"].retries) == (2, 2)
    assert [run["attempts"] for run in (scene.stage_runs(name)["parse"] for name in "ab")] == [3, 1]
    told = [each["data"] for each in scene.events() if each["type"] == "toy.stage.retrying"]
    assert [(each["attempt_number"], each["policy_name"], each["error_message"]) for each in told] == [
        (1, "nagging", "busy"),
        (2, "nagging", "busy"),
    ]
    (ended,) = [
        each["data"]
        for each in scene.events()
        if (each["subject"], each["type"]) == ("file:a.txt", "toy.stage.completed") and each["data"]["stage"] == "parse"
    ]
    assert (ended["attempt_number"], ended["retry_count"], ended["output_count"]) == (3, 2, 1)


@pytest.mark.parametrize(
    ("stage_name", "answer", "message"),
    [
        ("parse", ["no document"], "the adapter gave `list`, not `Document`"),
        ("chunk", ("not", "a", "list"), "the adapter gave `tuple`, not `list[Chunk]`"),
        ("chunk", ["text"], "the adapter gave a list with `str` in it, not `list[Chunk]`"),
        ("chunk", [], "nothing came of it: no `Chunk`"),
    ],
)
def test_an_output_that_is_not_what_the_contract_says_is_never_stored(
    scene: Scene, toys: Any, stage_name: str, answer: Any, message: str
) -> None:
    scene.write(a="x", b="y")
    toys.on[stage_name] = lambda ctx, value: answer if ctx.doc_id == "file:a.txt" else None
    assert counts(scene.run())[stage_name] == (1, 0, 1)
    assert (scene.job("a").status, scene.job("a").error_message) == (f"{stage_name}_failed", message)
    assert scene.job("b").status == "completed"


def test_an_output_that_cannot_be_encoded_fails_its_document(scene: Scene, toys: Any) -> None:
    scene.write(a="x")
    toys.on["parse"] = lambda ctx, value: toys.document_of(value[0], "\ud800")
    scene.run()
    assert (scene.job("a").error_message or "").startswith("`Document` cannot be stored: 'utf-8' codec can't encode")


def test_every_execution_tells_its_start_and_its_end_once(scene: Scene, toys: Any) -> None:
    scene.write(**THREE)
    toys.on["parse"] = failing(RejectedError("no text"), "b")
    scene.run()
    done = [(kind, each) for each in ("ingest", "parse", "chunk") for kind in ("stage.started", "stage.completed")]
    assert scene.told("a") == [*done, ("job.completed", "")]
    assert scene.told("b") == [*done[:3], ("stage.failed", "parse"), ("job.failed", "")]
    ids = [each["id"] for each in scene.events()]
    assert len(ids) == len(set(ids))


# ── what is there already ───────────────────────────────────────────────────────────────────────────────────────────


def test_what_an_earlier_version_of_the_pipeline_made_is_taken_over(scene: Scene, toys: Any) -> None:
    scene.write(**THREE)
    scene.run()
    toys.calls.clear()
    changed = pipeline(INGEST, PARSE, stage("chunk", "Chunk", "parse", settings={"note": "smaller"}))
    assert counts(scene.run(changed)) == {"ingest": (0, 3, 0), "parse": (0, 3, 0), "chunk": (3, 0, 0)}
    assert {each[0] for each in toys.calls} == {"chunk"}
    runs = scene.stage_runs("a")
    assert [(runs[name]["reused"], runs[name]["attempts"]) for name in ("parse", "chunk")] == [(True, 0), (False, 1)]
    started = [pair for pair in scene.told("a", "stage.started") if pair[1] == "parse"]
    assert len(started) == 1, "taking over is no execution"


def test_a_job_that_is_resumed_keeps_what_it_did_itself(scene: Scene, toys: Any) -> None:
    scene.write(a="x", b="y")
    scene.submit()
    with scene.batch() as batch:
        run_batch(batch, stop_before="chunk")
    before = scene.stage_runs("a")
    assert counts(scene.go_on()) == {"ingest": (0, 2, 0), "parse": (0, 2, 0), "chunk": (2, 0, 0)}
    after = scene.stage_runs("a")
    assert {name: after[name] for name in before} == before
    assert scene.job("a").lease_token == 2


def test_a_stage_that_failed_is_executed_again_when_the_job_is_retried(scene: Scene, toys: Any) -> None:
    scene.write(a="x")
    toys.on["parse"] = failing(PermanentError("no"))
    scene.run()
    toys.on.clear()
    assert [job.document for job in retry(scene.workspace, [])] == ["file:a.txt"]
    assert counts(scene.go_on()) == {"ingest": (0, 1, 0), "parse": (1, 0, 0), "chunk": (1, 0, 0)}
    runs = scene.stage_runs("a")
    assert [(runs[name]["status"], runs[name]["error"]) for name in ("ingest", "parse")] == [("completed", None)] * 2
    job = scene.job("a")
    assert (job.status, job.error_type) == ("completed", None)
    with scene.ledger.read() as cx:
        assert scene.ledger.dead_letters.open_count(cx) == 0


# ── adapters ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_batch_form_takes_as_many_as_it_says_at_a_time(scene: Scene, toys: Any) -> None:
    scene.write(**THREE)
    progress: list[tuple[str, int, int]] = []
    topology = pipeline(INGEST, stage("parse", "Parse", "ingest", uses="together"))
    scene.submit(topology)
    with scene.batch(topology, progress=lambda *told: progress.append(told)) as batch:
        assert counts(run_batch(batch))["parse"] == (3, 0, 0)
    assert progress == [("ingest", 1, 3), ("ingest", 2, 3), ("ingest", 3, 3), ("parse", 2, 3), ("parse", 3, 3)]


def test_an_error_in_the_batch_form_is_that_of_the_call(scene: Scene, toys: Any) -> None:
    scene.write(**THREE)
    toys.on["parse"] = failing(RejectedError("no text"), "c")
    topology = pipeline(INGEST, stage("parse", "Parse", "ingest", uses="together"))
    assert counts(scene.run(topology))["parse"] == (2, 0, 1)


def test_a_stage_is_told_for_whom_it_works(scene: Scene, toys: Any) -> None:
    scene.write(a="x")
    seen: list[Any] = []
    toys.on["graph_words"] = lambda ctx, value: seen.append(ctx)
    scene.run(pipeline(INGEST, PARSE, stage("graph_words", "Extract", "parse"), name="who", version="7"))
    (ctx,) = seen
    job = scene.job("a")
    assert (
        ctx.tenant_id,
        ctx.doc_id,
        ctx.job_id,
        ctx.correlation_id,
        ctx.pipeline,
        ctx.pipeline_version,
        ctx.stage,
    ) == (
        "default",
        "file:a.txt",
        job.job,
        job.correlation_id,
        "who",
        "7",
        "graph_words",
    )
    assert (ctx.attempt, ctx.build) == (1, "")


def test_a_part_that_is_not_there_fails_the_documents_by_its_name(scene: Scene, toys: Any) -> None:
    scene.write(a="x", b="y")
    outcomes = scene.run(pipeline(stage("ingest", "Ingest", uses="unbuildable")))
    assert counts(outcomes) == {"ingest": (0, 0, 2)}
    assert scene.statuses() == {"a": "gpu_unavailable", "b": "gpu_unavailable"}


def test_a_package_that_is_not_installed_stops_the_run_and_fails_no_document(scene: Scene, toys: Any) -> None:
    scene.write(a="x")
    with pytest.raises(MissingDependencyError, match="needs the package `penstock_no_such_package`"):
        scene.run(pipeline(stage("ingest", "Ingest", uses="uninstalled")))
    assert scene.job("a").status == "queued"
    assert scene.events() == [], "nothing was begun"


def test_what_a_download_brings_is_noted_in_the_ledger(scene: Scene, toys: Any) -> None:
    scene.write(a="x")
    scene.run(GATED)
    assert scene.told("a", "job.waiting", "gate.opened") == [("job.waiting", "gate"), ("gate.opened", "gate")]
    job = scene.job("a")
    assert (job.status, job.segment) == ("queued", 1), "its gate asks for just that"


def test_no_output_is_kept_in_memory_longer_than_a_stage_needs_it(scene: Scene, toys: Any) -> None:
    scene.write(a="x")
    scene.submit(FULL)
    kept: list[list[str]] = []
    toys.on.update(dict.fromkeys(("chunk", "embed", "index", "extract"), lambda ctx, value: None))
    with scene.batch(FULL) as batch:
        for each in batch.stages:
            run_stage(batch, each)
            kept.append(sorted(batch.outputs))
    assert kept == [["ingest"], ["parse"], ["chunk", "parse"], ["embed", "parse"], ["parse"], ["extract"], []]


def test_a_stage_that_is_broken_off_keeps_the_parts_that_were_recorded(
    scene: Scene, toys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.execution.runner._FIRST_PART", 2)
    monkeypatch.setattr("penstock.execution.runner._PART_SECONDS", 0.0)  # one after the other from the second part on
    scene.write(**{f"d{number}": "x" for number in range(6)})
    told: list[int] = []

    def break_off(stage: str, done: int, total: int) -> None:
        told.append(done)
        assert total == 6
        if stage == "parse" and done == 4:
            raise KeyboardInterrupt

    topology = pipeline(INGEST, PARSE)
    scene.submit(topology)
    with pytest.raises(KeyboardInterrupt), scene.batch(topology, progress=break_off) as batch:
        run_batch(batch)
    assert told == [1, 2, 3, 4, 5, 6, 1, 2, 3, 4], "told of the whole batch, not of a part"
    assert counts(scene.go_on(topology)) == {"ingest": (0, 6, 0), "parse": (3, 3, 0)}
    assert set(scene.statuses().values()) == {"completed"}


def test_a_quick_stage_tells_of_its_start_and_its_end_in_one_transaction(scene: Scene, toys: Any) -> None:
    toys.on["parse"] = lambda ctx, value: time.sleep(0.05)
    scene.workspace.paces = {(stage.name, stage.signature): 0.001 for stage in SMALL.stages}
    scene.write(a="aspirin")
    scene.submit()
    commits: list[object] = []
    note = commits.append
    with scene.batch() as batch:
        event.listen(scene.ledger.database.engine, "commit", note)
        for planned in batch.stages[:2]:
            run_stage(batch, planned)
        event.remove(scene.ledger.database.engine, "commit", note)
    assert len(commits) == 2, "one for each stage"
    parsed = [each for each in scene.events() if each["source"].endswith("/parse")]
    assert [each["type"] for each in parsed] == ["toy.stage.started", "toy.stage.completed"]
    started, completed = parsed
    assert started["sequence"] < completed["sequence"]
    took = datetime.fromisoformat(completed["time"]) - datetime.fromisoformat(started["time"])
    assert took >= timedelta(milliseconds=45), "the time of the start is that of the start"


def test_of_a_quick_stage_one_row_tells_all_where_nothing_went_wrong_and_several_where_it_did(
    scene: Scene, toys: Any
) -> None:
    scene.write(**THREE)
    scene.workspace.paces = {(stage.name, stage.signature): 0.001 for stage in SMALL.stages}
    toys.on["parse"] = failing(RejectedError("no text"), "b")
    scene.run()
    with scene.ledger.read() as cx:
        rows = [decode(facts) for _, _, facts in scene.ledger.outbox.all(cx)]
    assert [(row.kind, row.stage, len(row.facts), row.events_each) for row in rows] == [
        ("stage.completed", "ingest", 3, 2),
        ("stage.started", "parse", 3, 1),
        ("stage.completed", "parse", 2, 1),
        ("stage.failed", "parse", 1, 1),
        ("job.failed", "", 1, 1),
        ("stage.completed", "chunk", 2, 2),
        ("job.completed", "", 2, 1),
    ]
    for name in THREE:
        told = scene.told(name)
        assert told[:3] == [("stage.started", "ingest"), ("stage.completed", "ingest"), ("stage.started", "parse")]
        assert inspect(scene.workspace, TENANT, f"file:{name}.txt")["events"] == len(told) == (5 if name == "b" else 7)


def test_a_stage_that_is_over_at_once_is_noted_only_of_jobs_that_were_claimed_before(scene: Scene, toys: Any) -> None:
    seen: list[str | None] = []

    def look(ctx: Any, value: Any) -> None:
        seen.append(scene.job(ctx.doc_id.removeprefix("file:").removesuffix(".txt")).current_stage)

    toys.on["parse"] = look
    scene.write(a="aspirin")
    scene.run()
    scene.workspace.paces = {(stage.name, stage.signature): 0.001 for stage in SMALL.stages}
    scene.write(b="tea")
    scene.run()
    scene.write(c="bread")
    scene.submit()
    with scene.batch():
        pass  # claimed, and given back
    scene.go_on()
    assert seen == ["parse", None, "parse"], "how long it takes unknown; quick; quick, but a run has ended early"
    assert {scene.job(name).current_stage for name in "abc"} == {SMALL.stages[-1].name}
