"""One stage over one batch: the only place where ledger, guard, stage and events meet.

For each document the stage's output is found by its work key, or computed. What is computed goes into one pack; then
one transaction records outputs, stage runs, failures and the facts that tell of them. A crash before that transaction
leaves nothing but files that nobody refers to; a crash after it leaves nothing to do again. A stage that takes long is
recorded every few seconds, so that a crash costs no more than these.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from penstock.errors import StageError
from penstock.execution import outputs
from penstock.execution.asking import ask
from penstock.execution.batch import BatchRun
from penstock.execution.inputs import Input, inputs_of
from penstock.execution.messages import Item
from penstock.execution.recording import gate_fields, record, started, taken_over
from penstock.execution.report import StageOutcome
from penstock.execution.stages import Member, called_by
from penstock.execution.stored_pdfs import stored_files, stores_pdfs
from penstock.execution.sweep import remove_builds, remove_gone
from penstock.ledger.artifacts import ArtifactRow
from penstock.ledger.jobs import Job
from penstock.plan.topology import PlannedStage
from penstock.records import new_id
from penstock.registry import StageType, stage_type
from penstock.resilience.calls import Outcome
from penstock.resilience.guard import Guard

_FIRST_PART = 32
_PART_SECONDS = 5.0
_NOTED_SECONDS = 1.0
_SERIES_SECONDS = 0.05
_LONGEST_SERIES = 256


def run_stage(batch: BatchRun, stage: PlannedStage) -> StageOutcome:
    """Take every document of the batch through a stage.

    Raises `LostLeaseError` when another worker has taken the whole batch over; a document's own failure raises nothing.
    """
    result = StageOutcome(stage.name, stage.type)
    began = time.perf_counter()
    ledger = batch.workspace.ledger
    given = batch.keys[stage.name]
    keys = {job: key for job in batch.jobs if (key := given[job]) is not None}
    result.skipped = len(batch.jobs) - len(keys)
    with ledger.read() as cx:
        found = ledger.artifacts.find(cx, list(keys.values()))
    reused = {job: found[key] for job, key in keys.items() if key in found}
    files: dict[str, bytes] = {}
    if reused and stores_pdfs(stage):
        files = stored_files(batch, reused)
        reused = {job: reused[job] for job in files}
    todo = [job for job in keys if job not in reused]
    _execute_in_parts(batch, stage, todo, result)
    if reused:
        _take_over(batch, stage, reused, files, result)
    batch.open_stages.discard(stage.name)
    batch.drop_unneeded()
    result.seconds = time.perf_counter() - began
    if not batch.open_stages:
        batch.finish()
    return result


def _take_over(
    batch: BatchRun,
    stage: PlannedStage,
    rows: Mapping[str, ArtifactRow],
    files: Mapping[str, bytes],
    result: StageOutcome,
) -> None:
    store = stage_type(stage.type).store
    ledger = batch.workspace.ledger
    with ledger.begin() as cx:
        batch.keep_held(cx)
        kept = [job for job in rows if job in batch.jobs]
        ledger.stage_runs.record(cx, [taken_over(batch, stage, job) for job in kept], keep=True)
        ledger.jobs.at_stage(cx, kept, stage.name, **gate_fields(stage))
        ask(batch, stage, cx, {job: file for job, file in files.items() if job in batch.jobs})
    for job in kept:
        build = rows[job].build
        if store and build:
            batch.builds[store][job] = build
    result.reused += len(kept)


def _execute_in_parts(batch: BatchRun, stage: PlannedStage, todo: Sequence[str], result: StageOutcome) -> None:
    """Each part is recorded before the next one begins; its size follows from how long the last one took."""
    paces, pace = batch.workspace.paces, (stage.name, stage.signature)
    size, done = _FIRST_PART, 0
    if pace in paces:  # an earlier batch went through the stage
        size = max(1, round(_PART_SECONDS / paces[pace]))
    while done < len(todo):
        part = todo[done : done + size]
        began = time.perf_counter()
        _execute(batch, stage, part, result, partial(_tell_progress, batch, stage, done, len(todo)))
        done += len(part)
        paces[pace] = (time.perf_counter() - began) / len(part)
        size = max(1, min(round(_PART_SECONDS / paces[pace]), 8 * size))


def _tell_progress(batch: BatchRun, stage: PlannedStage, before: int, total: int, done: int) -> None:
    batch.progress(stage.name, before + done, total)


def _execute(
    batch: BatchRun,
    stage: PlannedStage,
    jobs: Sequence[str],
    result: StageOutcome,
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    kind = stage_type(stage.type)
    unmade: StageError | None = None
    try:
        batch.workspace.stages.form(stage)
    except StageError as exc:
        unmade = exc
        inputs: dict[str, Input | StageError] = dict.fromkeys(jobs, exc)
    else:
        inputs = inputs_of(batch, stage, jobs, partial(_recompute, batch))
    members = {job: batch.jobs[job] for job in inputs}
    builds = {job: new_id() for job in inputs} if kind.store else {}
    began = time.perf_counter()
    jobs = list(inputs)
    noted = _is_noted(batch, stage, jobs)
    announced = noted or bool(kind.store)
    if announced:
        jobs = _announce(batch, stage, kind, jobs, builds, noted=noted)
    outcomes: dict[str, Outcome] = {}
    ready: dict[str, Input] = {}
    for job in jobs:
        found = inputs[job]
        if isinstance(found, Input):
            ready[job] = found
        else:
            outcomes[job] = Outcome(error=found, attempts=0 if unmade else 1)
    if ready:
        outcomes |= zip(ready, _call(batch, stage, ready, builds, progress), strict=True)
    encoded = {job: outcome.value.output for job, outcome in outcomes.items() if outcome.error is None}
    with batch.worker.settling():
        rows = _write(batch, stage, encoded, builds)
        try:
            record(batch, stage, outcomes, rows, result, began=None if announced else began)
        finally:
            lost = [members[job] for job in encoded if job not in batch.jobs]
            if kind.store and lost:  # a sweep may have looked for what they wrote too early
                remove_builds(batch.workspace, [(job.tenant, kind.store, builds[job.job]) for job in lost])
            if stores_pdfs(stage) and lost:
                remove_gone(batch.workspace, [(job.tenant, job.document) for job in lost])
    batch.outputs.setdefault(stage.name, {}).update(encoded)
    if kind.store:
        batch.builds[kind.store].update({job: builds[job] for job in encoded})


def _recompute(batch: BatchRun, stage: PlannedStage, jobs: Sequence[str]) -> None:
    result = StageOutcome(stage.name, stage.type)
    batch.recomputed.append(result)
    began = time.perf_counter()
    _execute(batch, stage, jobs, result)
    result.seconds = time.perf_counter() - began


def _announce(
    batch: BatchRun,
    stage: PlannedStage,
    kind: StageType,
    jobs: Sequence[str],
    builds: Mapping[str, str],
    *,
    noted: bool,
) -> list[str]:
    ledger = batch.workspace.ledger
    told = started(batch, stage, jobs)  # before the transaction, which others wait for
    with ledger.begin() as cx:
        batch.keep_held(cx)
        held = [job for job in jobs if job in batch.jobs]
        if len(held) < len(jobs):
            jobs, told = held, started(batch, stage, held)
        if noted:
            ledger.jobs.at_stage(cx, jobs, stage.name)
        if kind.store:
            members = [batch.jobs[job] for job in jobs]
            ledger.artifacts.begin_builds(cx, [_build_row(batch, stage, kind, job, builds[job.job]) for job in members])
        ledger.outbox.add(cx, *told)
    return list(jobs)


def _is_noted(batch: BatchRun, stage: PlannedStage, jobs: Sequence[str]) -> bool:
    """Whether the ledger says that jobs are at a stage, before it begins.

    Where the stage is over at once, nobody could read it in time; unless it writes to a store, which the ledger has to
    know of before, one transaction then tells of its start and its end.
    Of a job that was claimed before it is noted always: what has taken a run down is looked for there.
    """
    pace = batch.workspace.paces.get((stage.name, stage.signature))
    quick = pace is not None and pace * len(jobs) < _NOTED_SECONDS
    return not quick or any(batch.jobs[job].lease_token > 1 for job in jobs)


def _call(
    batch: BatchRun,
    stage: PlannedStage,
    inputs: Mapping[str, Input],
    builds: Mapping[str, str],
    progress: Callable[[int], None],
) -> list[Outcome]:
    workspace = batch.workspace
    keys, subjects = batch.keys[stage.name], batch.subjects
    members = [
        Member(
            subjects[job],
            Item(job, builds.get(job, ""), keys[job] or "", takes=given.key, of=given.of),
            given.content,
        )
        for job, given in inputs.items()
    ]
    form = workspace.stages.form(stage)
    total = len(members)
    guard = Guard(workspace.policy(stage), workspace.shared, form.endpoint or called_by(stage))
    return guard.run(
        workspace.stages.caller(stage, members),
        total,
        size=(form.size or total) if form.together else None,
        series=_series(workspace.paces.get((stage.name, stage.signature))) if form.serial else 1,
        deadline=batch.deadline,
        progress=progress,
    )


def _series(pace: float | None) -> int:
    """How many documents share a message: as many as take no longer than what a crash may cost."""
    return 1 if pace is None else max(1, min(round(_SERIES_SECONDS / pace), _LONGEST_SERIES))


def _write(
    batch: BatchRun, stage: PlannedStage, encoded: Mapping[str, bytes], builds: Mapping[str, str]
) -> list[ArtifactRow]:
    if not encoded:
        return []
    given = batch.keys[stage.name]
    keys = {job: given[job] or "" for job in encoded}
    return outputs.write_pack(
        batch.workspace.resources.packs,
        batch.worker.id,
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
        "work_key": batch.keys[stage.name][job.job],
    }
