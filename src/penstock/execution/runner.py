"""One stage over one batch: the only place where ledger, guard, stage and events meet.

For each document the stage's output is found by its work key, or computed. What is computed goes into one pack; then
one transaction records outputs, stage runs, failures and the facts that tell of them. A crash before that transaction
leaves nothing but files that nobody refers to; a crash after it leaves nothing to do again.
"""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from penstock.errors import StageError
from penstock.events.facts import fact_of
from penstock.execution import outputs
from penstock.execution.batch import BatchRun
from penstock.execution.inputs import inputs_of
from penstock.execution.recording import gate_fields, record, stage_run
from penstock.execution.report import StageOutcome
from penstock.execution.sweep import remove_builds
from penstock.ledger.artifacts import ArtifactRow
from penstock.ledger.jobs import Job
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
    ledger = batch.workspace.ledger
    with ledger.begin() as cx:
        batch.keep_held(cx)
        kept = [job for job in rows if job in batch.jobs]
        ledger.stage_runs.record(cx, [stage_run(batch, stage, job) for job in kept], keep=True)
        ledger.jobs.at_stage(cx, kept, stage.name, **gate_fields(stage))
    for job in kept:
        build = rows[job].build
        if store and build:
            batch.builds[store][job] = build
    result.reused += len(kept)


def _execute(batch: BatchRun, stage: PlannedStage, jobs: Sequence[str], result: StageOutcome) -> None:
    kind = stage_type(stage.type)
    adapter: Any = None
    try:
        adapter = batch.workspace.adapter(stage)
    except StageError as exc:
        inputs: dict[str, Any] = dict.fromkeys(jobs, exc)
    else:
        inputs = inputs_of(batch, stage, jobs, partial(_recompute, batch))
    members = {job: batch.jobs[job] for job in inputs}
    builds = {job: new_id() for job in inputs} if kind.store else {}
    jobs = _announce(batch, stage, kind, list(inputs), builds)
    outcomes = {job: Outcome(error=inputs[job]) for job in jobs if isinstance(inputs[job], StageError)}
    ready = [job for job in jobs if job not in outcomes]
    outcomes |= zip(ready, _call(batch, stage, adapter, [(job, inputs[job]) for job in ready], builds), strict=True)
    encoded = _encode(kind, outcomes)
    rows = _write(batch, stage, encoded, builds)
    try:
        record(batch, stage, outcomes, rows, result)
    finally:
        lost = [members[job] for job in encoded if job not in batch.jobs]
        if kind.store and lost:  # a sweep may have looked for what they wrote too early
            remove_builds(batch.workspace, [(job.tenant, kind.store, builds[job.job]) for job in lost])
    batch.outputs.setdefault(stage.name, {}).update({job: outcomes[job].value for job in encoded})
    if kind.store:
        batch.builds[kind.store].update({job: builds[job] for job in encoded})


def _recompute(batch: BatchRun, stage: PlannedStage, jobs: Sequence[str]) -> None:
    result = StageOutcome(stage.name, stage.type)
    batch.recomputed.append(result)
    began = time.perf_counter()
    _execute(batch, stage, jobs, result)
    result.seconds = time.perf_counter() - began


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
        facts = [fact_of(batch.jobs[job]) for job in jobs]
        ledger.outbox.add(cx, *batch.facts("stage.started", stage.name, stage.policy.name, facts))
    return jobs


def _call(
    batch: BatchRun, stage: PlannedStage, adapter: Any, items: Sequence[tuple[str, Any]], builds: Mapping[str, str]
) -> list[Outcome]:
    guard = Guard(stage.policy)
    members = [(batch.jobs[job], value) for job, value in items]
    total = len(members)

    def context(job: Job, attempt: int, seconds: float) -> StageContext:
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
            deadline=time.monotonic() + seconds,
            metadata=job.metadata,
        )

    def one(item: tuple[Job, Any], attempt: int) -> Any:
        return adapter.execute(context(item[0], attempt, stage.policy.timeout_seconds), item[1])

    def many(chosen: Sequence[tuple[Job, Any]], attempt: int) -> Any:
        seconds = stage.policy.timeout_seconds * len(chosen)
        return adapter.execute_batch([(context(job, attempt, seconds), value) for job, value in chosen])

    def progress(done: int) -> None:
        batch.progress(stage.name, done, total)

    if not hasattr(adapter, "execute_batch"):
        return guard.each(one, members, progress)
    size = getattr(adapter, "batch_documents", None) or total or 1
    found: list[Outcome] = []
    for first in range(0, total, size):
        found += guard.batch(many, members[first : first + size])
        progress(len(found))
    return found


def _encode(kind: StageType, outcomes: Mapping[str, Outcome]) -> dict[str, bytes]:
    """The outputs as bytes; one that is not what the stage's contract says becomes its document's error."""
    encoded: dict[str, bytes] = {}
    for job, outcome in outcomes.items():
        if outcome.error is None:
            try:
                encoded[job] = outputs.encode(outcome.value, kind.gives)
            except StageError as exc:
                outcome.error = exc
    return encoded


def _write(
    batch: BatchRun, stage: PlannedStage, encoded: Mapping[str, bytes], builds: Mapping[str, str]
) -> list[ArtifactRow]:
    if not encoded:
        return []
    keys = {job: batch.keys[job][stage.name] or "" for job in encoded}
    return outputs.write_pack(
        batch.workspace.resources.packs,
        {keys[job]: data for job, data in encoded.items()},
        {keys[job]: builds[job] for job in encoded if job in builds},
    )


def _build_row(batch: BatchRun, stage: PlannedStage, kind: StageType, job: Job, build: str) -> dict[str, Any]:
    return {
        "build": build,
        "tenant": job.tenant,
        "document": job.document,
        "store": kind.store,
        "job": job.job,
        "work_key": batch.keys[job.job][stage.name],
    }
