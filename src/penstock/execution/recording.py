"""Recording what a stage came to: outputs, stage runs, failures and the facts that tell of them, in one transaction."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from penstock.events.facts import Fact, fact_of
from penstock.execution.asking import ask
from penstock.execution.batch import BatchRun
from penstock.execution.messages import fault_of
from penstock.execution.pdf_requests import gate_run
from penstock.execution.report import StageOutcome
from penstock.ledger.artifacts import ArtifactRow
from penstock.ledger.jobs import Failure
from penstock.plan.topology import PlannedStage
from penstock.registry import stage_type
from penstock.resilience.calls import Outcome


class _Record(NamedTuple):
    """What is written for the jobs that are held: made before the transaction, which others wait for."""

    failures: Mapping[str, Failure]
    done: Mapping[str, int]
    runs: Mapping[str, Sequence[Any]]
    facts: Sequence[tuple[bytes, int]]


def record(
    batch: BatchRun,
    stage: PlannedStage,
    outcomes: Mapping[str, Outcome],
    rows: Sequence[ArtifactRow],
    result: StageOutcome,
    *,
    began: float | None = None,
) -> None:
    """Record the outcomes of the jobs that are still held; those that failed leave the batch.

    Args:
        began: when the stage was begun (`time.perf_counter()`), where nobody has been told of that yet.

    Raises `LostLeaseError` when none is held any more.
    """
    ledger = batch.workspace.ledger
    made = _made(batch, stage, outcomes, began)
    with ledger.begin() as cx:
        batch.keep_held(cx)
        held = {job: outcome for job, outcome in outcomes.items() if job in batch.jobs}
        if len(held) < len(outcomes):
            made = _made(batch, stage, held, began)
            mine = {batch.keys[stage.name][job] for job in made.done}
            rows = [row for row in rows if row.work_key in mine]
        ledger.artifacts.add(cx, rows)
        ledger.stage_runs.record_columns(cx, made.runs)
        if fields := gate_fields(stage):
            ledger.jobs.at_stage(cx, list(made.done), stage.name, **fields)
        ledger.jobs.count_retries(
            cx, stage.name, {job: len(each.retries) for job, each in held.items() if each.retries}
        )
        ledger.jobs.fail(cx, list(made.failures.values()))
        ledger.dead_letters.add(cx, [(batch.jobs[job], failure) for job, failure in made.failures.items()])
        for facts, count in made.facts:
            ledger.outbox.add(cx, facts, count)
        ask(batch, stage, cx, {job: held[job].value.output for job in made.done})
    result.executed += len(made.done)
    result.failed += len(made.failures)
    result.retries += sum(len(outcome.retries) for outcome in held.values())
    result.outputs += sum(made.done.values())
    result.durations += [outcome.seconds for outcome in held.values()]
    for job, failure in made.failures.items():
        result.failures.append((batch.jobs.pop(job).document, failure))


def started(batch: BatchRun, stage: PlannedStage, jobs: Iterable[str], age: float = 0.0) -> tuple[bytes, int]:
    """That a stage was started for these jobs, so many seconds ago, as the outbox takes it."""
    facts = [batch.told[job] for job in jobs]
    return batch.facts("stage.started", stage.name, stage.policy.name, facts, age)


def _made(batch: BatchRun, stage: PlannedStage, outcomes: Mapping[str, Outcome], began: float | None) -> _Record:
    failures = {job: _failure(stage, job, each) for job, each in outcomes.items() if each.error is not None}
    done = {job: each.value.count for job, each in outcomes.items() if each.error is None}
    runs = _stage_runs(batch, stage, outcomes, failures)
    return _Record(failures, done, runs, _told(batch, stage, outcomes, done, failures, began))


def _stage_runs(
    batch: BatchRun, stage: PlannedStage, outcomes: Mapping[str, Outcome], failures: Mapping[str, Failure]
) -> dict[str, Sequence[Any]]:
    keys, ended = batch.keys[stage.name], [failures.get(job) for job in outcomes]
    count = len(outcomes)
    return {
        "job": list(outcomes),
        "stage": [stage.name] * count,
        "status": [each.status if each else "completed" for each in ended],
        "attempts": [each.attempts for each in outcomes.values()],
        "seconds": [round(each.seconds, 6) for each in outcomes.values()],
        "reused": [False] * count,
        "work_key": [keys[job] for job in outcomes],
        "run_id": [batch.run_id or None] * count,
        "error": [each.message if each else None for each in ended],
    }


def taken_over(batch: BatchRun, stage: PlannedStage, job: str) -> dict[str, Any]:
    """The row of a stage whose output was there already."""
    return gate_run(job, stage.name, batch.keys[stage.name][job] or "", run_id=batch.run_id or None)


def gate_fields(stage: PlannedStage) -> dict[str, bool]:
    """The ledger fields that a stage sets when it is done."""
    return {"pdf_downloaded": True} if stage.type == "DownloadStage" else {}


def _told(
    batch: BatchRun,
    stage: PlannedStage,
    outcomes: Mapping[str, Outcome],
    done: Mapping[str, int],
    failures: Mapping[str, Failure],
    began: float | None,
) -> list[tuple[bytes, int]]:
    told: dict[str, list[Fact]] = {"stage.retrying": [], "stage.completed": [], "stage.failed": [], "job.failed": []}
    for job, outcome in outcomes.items():
        member = batch.jobs[job]
        for retry in outcome.retries:
            fault = fault_of(retry.error)
            error = {"error_type": fault.name, "error_message": fault.message}
            fields = {"attempt": retry.attempt, "backoff_ms": retry.backoff_seconds * 1000, **error}
            told["stage.retrying"].append(fact_of(member, **fields))
        attempt, milliseconds = outcome.attempts, outcome.seconds * 1000
        failure = failures.get(job)
        if failure is None:
            names = (job, member.tenant, member.document, member.correlation_id, member.lease_token)
            told["stage.completed"].append(Fact(*names, attempt, milliseconds, done[job]))
        else:
            error = {"error_type": failure.error_type, "error_message": failure.message}
            told["stage.failed"].append(fact_of(member, attempt=attempt, duration_ms=milliseconds, **error))
            told["job.failed"].append(fact_of(member, detail={"status": failure.status}, **error))
    whose = (stage.name, stage.policy.name)
    age = None if began is None else time.perf_counter() - began
    if age is not None and len(told["stage.completed"]) == len(outcomes) and not told["stage.retrying"]:
        return [batch.facts("stage.completed", *whose, told["stage.completed"], began=age)]
    ended = [
        batch.facts(kind, *(("", "") if kind == "job.failed" else whose), facts)
        for kind, facts in told.items()
        if facts
    ]
    return ended if age is None else [started(batch, stage, outcomes, age), *ended]


def _failure(stage: PlannedStage, job: str, outcome: Outcome) -> Failure:
    error = outcome.error
    assert error is not None
    fault = fault_of(error)
    return Failure(
        job=job,
        stage=stage.name,
        status=error.status or stage_type(stage.type).failed_status,
        error_type=fault.name,
        message=fault.message,
        recovery=error.recovery,
        attempts=outcome.attempts,
        chain=fault.causes,
    )
