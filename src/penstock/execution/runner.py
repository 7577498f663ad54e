"""One stage over one batch: the only place where ledger, guard, stage and events meet.

For each document the stage's output is found by its work key, or computed. What is computed goes into one pack; then
one transaction records outputs, stage runs, failures and the facts that tell of them. A crash before that transaction
leaves nothing but files that nobody refers to; a crash after it leaves nothing to do again.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from penstock.errors import RejectedError, StageError, TransientError
from penstock.execution import outputs
from penstock.execution.batch import BatchRun
from penstock.execution.report import StageOutcome
from penstock.ledger.artifacts import ArtifactRow
from penstock.ledger.jobs import Failure, Job
from penstock.plan.topology import PlannedStage
from penstock.records import StageContext, new_id
from penstock.registry import StageType, stage_type
from penstock.resilience.guard import Guard, Outcome


def run_stage(batch: BatchRun, stage: PlannedStage) -> StageOutcome:
    """Take every document of the batch through a stage.

    Raises `LostLeaseError` when another worker has taken the whole batch over; a document's own failure raises nothing.
    """
    result = StageOutcome(stage.name, stage.type)
    began = time.perf_counter()
    ledger = batch.workspace.ledger
    keys = {job: key for job in batch.jobs if (key := batch.keys[job][stage.name]) is not None}
    result.skipped = len(batch.jobs) - len(keys)
    with ledger.read() as cx:
        found = ledger.artifacts.find(cx, list(keys.values()))
    reused = {job: found[key] for job, key in keys.items() if key in found}
    todo = [job for job in keys if job not in reused]
    if todo:
        _execute(batch, stage, todo, result)
    if reused:
        _take_over(batch, stage, reused, result)
    batch.open_stages.discard(stage.name)
    batch.drop_unneeded()
    result.seconds = time.perf_counter() - began
    if not batch.open_stages:
        batch.finish()
    return result


def _take_over(batch: BatchRun, stage: PlannedStage, rows: Mapping[str, ArtifactRow], result: StageOutcome) -> None:
    store = stage_type(stage.type).store
    with batch.workspace.ledger.begin() as cx:
        batch.keep_held(cx)
        kept = [job for job in rows if job in batch.jobs]
        batch.workspace.ledger.stage_runs.record(
            cx, [_stage_run(batch, stage, job, "completed", reused=True) for job in kept], keep=True
        )
        batch.workspace.ledger.jobs.at_stage(cx, kept, stage.name, **_fields(stage))
    for job in kept:
        build = rows[job].build
        if store and build:
            batch.builds[store][job] = build
    result.reused += len(kept)


def _execute(batch: BatchRun, stage: PlannedStage, jobs: Sequence[str], result: StageOutcome) -> None:
    kind = stage_type(stage.type)
    inputs = _inputs(batch, stage, jobs)
    builds = {job: new_id() for job in jobs} if kind.store else {}
    jobs = _announce(batch, stage, kind, [job for job in jobs if job in batch.jobs], builds)
    if not jobs:
        return
    ready = [job for job in jobs if job in inputs]
    outcomes = dict(zip(ready, _call(batch, stage, [(job, inputs[job]) for job in ready], builds), strict=True))
    for job in jobs:
        if job not in inputs:
            outcomes[job] = Outcome(
                error=TransientError(f"the output of `{stage.input}` is gone from the artifact store")
            )
    encoded: dict[str, bytes] = {}
    for job, outcome in outcomes.items():
        if outcome.error is None:
            outcome.error = _check(outcome, kind)
        if outcome.error is None:
            try:
                encoded[job] = outputs.encode(outcome.value, kind.gives)
            except StageError as exc:
                outcome.error = exc
    rows: list[ArtifactRow] = []
    if encoded:
        keys = {job: batch.keys[job][stage.name] or "" for job in encoded}
        rows = outputs.write_pack(
            batch.workspace.resources.packs,
            {keys[job]: data for job, data in encoded.items()},
            {keys[job]: builds[job] for job in encoded if job in builds},
        )
    _record(batch, stage, kind, outcomes, rows, result)
    batch.outputs[stage.name] = batch.outputs.get(stage.name, {}) | {job: outcomes[job].value for job in encoded}
    for job, build in builds.items():
        if job in encoded and kind.store:
            batch.builds[kind.store][job] = build


def _announce(
    batch: BatchRun, stage: PlannedStage, kind: StageType, jobs: Sequence[str], builds: Mapping[str, str]
) -> list[str]:
    ledger = batch.workspace.ledger
    with ledger.begin() as cx:
        batch.keep_held(cx)
        jobs = [job for job in jobs if job in batch.jobs]
        ledger.jobs.at_stage(cx, jobs, stage.name)
        if kind.store:
            members = [batch.jobs[job] for job in jobs]
            ledger.artifacts.begin_builds(cx, [_build_row(batch, stage, kind, job, builds[job.job]) for job in members])
        facts = [batch.fact(batch.jobs[job]) for job in jobs]
        ledger.outbox.add(cx, *batch.facts("stage.started", stage.name, stage.policy.name, facts))
    return jobs


def _call(
    batch: BatchRun, stage: PlannedStage, items: Sequence[tuple[str, Any]], builds: Mapping[str, str]
) -> list[Outcome]:
    adapter = batch.workspace.adapter(stage)
    guard = Guard(stage.policy)
    total = len(items)

    def context(job: Job, attempt: int) -> StageContext:
        return StageContext(
            tenant_id=job.tenant,
            doc_id=job.document,
            job_id=job.job,
            correlation_id=job.correlation_id,
            pipeline=job.pipeline,
            pipeline_version=job.version,
            stage=stage.name,
            build=builds.get(job.job, ""),
            attempt=attempt,
            deadline=time.monotonic() + stage.policy.timeout_seconds,
            metadata=job.metadata,
        )

    def progress(done: int) -> None:
        batch.progress(stage.name, done, total)

    members = [(batch.jobs[job], value) for job, value in items]
    if hasattr(adapter, "execute_batch"):
        size = getattr(adapter, "batch_documents", None) or total
        found: list[Outcome] = []
        for first in range(0, total, size):
            found += guard.batch(
                lambda chosen, n: adapter.execute_batch([(context(job, n), value) for job, value in chosen]),
                members[first : first + size],
            )
            progress(min(first + size, total))
        return found
    return guard.each(lambda item, attempt: adapter.execute(context(item[0], attempt), item[1]), members, progress)


def _record(
    batch: BatchRun,
    stage: PlannedStage,
    kind: StageType,
    outcomes: Mapping[str, Outcome],
    rows: Sequence[ArtifactRow],
    result: StageOutcome,
) -> None:
    ledger = batch.workspace.ledger
    with ledger.begin() as cx:
        batch.keep_held(cx)
        held = {job: outcome for job, outcome in outcomes.items() if job in batch.jobs}
        failures = {job: _failure(stage, kind, job, o) for job, o in held.items() if o.error is not None}
        done = [job for job in held if job not in failures]
        mine = {batch.keys[job][stage.name] for job in done}
        ledger.artifacts.add(cx, [row for row in rows if row.work_key in mine])
        ledger.stage_runs.record(
            cx,
            [
                _stage_run(batch, stage, job, failures[job].status if job in failures else "completed", outcome)
                for job, outcome in held.items()
            ],
        )
        fields = _fields(stage)
        if fields:
            ledger.jobs.at_stage(cx, done, stage.name, **fields)
        ledger.jobs.fail(cx, list(failures.values()))
        ledger.dead_letters.add(cx, [(batch.jobs[job], failure) for job, failure in failures.items()])
        _tell(batch, stage, cx, held, failures)
    result.executed += len(done)
    result.failed += len(failures)
    result.retries += sum(len(outcome.retries) for outcome in held.values())
    result.outputs += sum(outputs.output_count(held[job].value) for job in done)
    result.durations += [outcome.seconds for outcome in held.values()]
    for job, failure in failures.items():
        result.failures.append((batch.jobs[job].document, failure))
        del batch.jobs[job]


def _tell(
    batch: BatchRun,
    stage: PlannedStage,
    cx: Connection,
    held: Mapping[str, Outcome],
    failures: Mapping[str, Failure],
) -> None:
    told: dict[str, list[Any]] = {"stage.retrying": [], "stage.completed": [], "stage.failed": [], "job.failed": []}
    for job, outcome in held.items():
        fact = batch.fact(batch.jobs[job], attempt=outcome.attempts, duration_ms=outcome.seconds * 1000)
        for retry in outcome.retries:
            error = {"error_type": type(retry.error).__name__, "error_message": retry.error.message}
            fields = {"attempt": retry.attempt, "backoff_ms": retry.backoff_seconds * 1000, **error}
            told["stage.retrying"].append(batch.fact(batch.jobs[job], **fields))
        failure = failures.get(job)
        if failure is None:
            count = outputs.output_count(outcome.value)
            told["stage.completed"].append(msgspec.structs.replace(fact, output_count=count))
        else:
            ending = {"error_type": failure.error_type, "error_message": failure.message}
            told["stage.failed"].append(msgspec.structs.replace(fact, **ending))
            told["job.failed"].append(batch.fact(batch.jobs[job], detail={"status": failure.status}, **ending))
    for kind, facts in told.items():
        name = "" if kind == "job.failed" else stage.name
        batch.workspace.ledger.outbox.add(cx, *batch.facts(kind, name, stage.policy.name, facts))


def _inputs(batch: BatchRun, stage: PlannedStage, jobs: Sequence[str]) -> dict[str, Any]:
    """What the stage takes, by job: from memory, from the packs, or computed again where a pack is gone."""
    if stage.input is None:
        return {job: outputs.request_of(batch.jobs[job], _raw(batch, batch.jobs[job])) for job in jobs}
    producer = _producer(batch, stage, jobs)
    found: dict[str, Any] = {}
    for name in sorted(set(producer.values())):
        members = [job for job in jobs if producer[job] == name]
        found |= _values(batch, batch.topology.stage(name), members)
    return found


def _producer(batch: BatchRun, stage: PlannedStage, jobs: Sequence[str]) -> dict[str, str]:
    """Where each document's input comes from: past stages that its `when` has skipped."""
    chosen: dict[str, str] = {}
    for job in jobs:
        name = stage.input
        while name is not None and batch.keys[job][name] is None:
            name = batch.topology.stage(name).input
        assert name is not None, "a stage with a work key has a producer"
        chosen[job] = name
    return chosen


def _values(batch: BatchRun, producer: PlannedStage, jobs: Sequence[str]) -> dict[str, Any]:
    memory = batch.outputs.setdefault(producer.name, {})
    missing = [job for job in jobs if job not in memory]
    if missing:
        ledger, resources = batch.workspace.ledger, batch.workspace.resources
        keys = {job: batch.keys[job][producer.name] or "" for job in missing}
        with ledger.read() as cx:
            rows = ledger.artifacts.find(cx, list(keys.values()))
        found, broken = outputs.read_packs(resources.packs, list(rows.values()))
        contract = stage_type(producer.type).gives if producer.gate is None else _gate_contract(producer)
        for job, key in keys.items():
            if key in found:
                try:
                    memory[job] = outputs.decode(found[key], contract, batch.jobs[job].tenant, resources.raw)
                except (msgspec.MsgspecError, KeyError, ValueError):
                    broken.append(key)
        if broken:
            with ledger.begin() as cx:
                ledger.artifacts.forget(cx, broken)
        again = [job for job in missing if job not in memory]
        if again and producer.gate is None:
            batch.recomputed.append(StageOutcome(producer.name, producer.type))
            _execute(batch, producer, again, batch.recomputed[-1])
    return {job: memory[job] for job in jobs if job in memory}


def _gate_contract(gate: PlannedStage) -> Any:
    from penstock.stages.types import GATE_GIVES

    assert gate.gate is not None
    return GATE_GIVES[gate.gate.ledger_field]


def _raw(batch: BatchRun, job: Job) -> bytes:
    try:
        return batch.workspace.resources.raw.get(job.tenant, job.content_hash)
    except (KeyError, ValueError):
        return b""


def _check(outcome: Outcome, kind: StageType) -> StageError | None:
    if kind.gives.plural and isinstance(outcome.value, list) and not outcome.value:
        return RejectedError(f"nothing came of it: no `{kind.gives.name}`")
    return None


def _failure(stage: PlannedStage, kind: StageType, job: str, outcome: Outcome) -> Failure:
    error = outcome.error
    assert error is not None
    chain: list[str] = []
    cause = error.__cause__
    while cause is not None and len(chain) < 5:
        chain.append(type(cause).__name__)
        cause = cause.__cause__
    return Failure(
        job=job,
        stage=stage.name,
        status=error.status or kind.failed_status,
        error_type=type(error.__cause__ or error).__name__
        if type(error).__name__ == "PermanentError"
        else type(error).__name__,
        message=error.message,
        recovery=error.recovery,
        attempts=outcome.attempts,
        chain=tuple(chain),
    )


def _stage_run(
    batch: BatchRun, stage: PlannedStage, job: str, status: str, outcome: Outcome | None = None, *, reused: bool = False
) -> dict[str, Any]:
    return {
        "job": job,
        "stage": stage.name,
        "status": status,
        "attempts": outcome.attempts if outcome else 0,
        "seconds": round(outcome.seconds, 6) if outcome else 0.0,
        "reused": reused,
        "work_key": batch.keys[job][stage.name],
        "run_id": batch.run_id or None,
        "error": outcome.error.message if outcome and outcome.error else None,
    }


def _build_row(batch: BatchRun, stage: PlannedStage, kind: StageType, job: Job, build: str) -> dict[str, Any]:
    return {
        "build": build,
        "tenant": job.tenant,
        "document": job.document,
        "store": kind.store,
        "job": job.job,
        "work_key": batch.keys[job.job][stage.name],
    }


def _fields(stage: PlannedStage) -> dict[str, Any]:
    return {"pdf_downloaded": True} if stage.type == "DownloadStage" else {}
