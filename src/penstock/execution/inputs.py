"""What a stage takes, by job: from memory, from the packs, or computed again where a pack is gone."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from penstock.errors import TransientError
from penstock.execution import outputs
from penstock.execution.batch import BatchRun
from penstock.ledger.jobs import Job
from penstock.plan.topology import PlannedStage
from penstock.registry import Contract, stage_type
from penstock.stages.types import GATE_GIVES

Recompute = Callable[[PlannedStage, Sequence[str]], None]
"""Executes a stage again for some jobs, and leaves what it gave in `BatchRun.outputs`."""


def inputs_of(batch: BatchRun, stage: PlannedStage, jobs: Sequence[str], recompute: Recompute) -> dict[str, Any]:
    """The input of each job, or the `StageError` that says why there is none.

    Jobs that fail on the way, or are lost to another worker, are no longer in the batch, and absent.
    """
    if stage.input is None:
        return {job: _request(batch, batch.jobs[job]) for job in jobs}
    producers = _producers(batch, stage, jobs)
    found: dict[str, Any] = {}
    for name in sorted(set(producers.values())):
        members = [job for job in jobs if producers[job] == name]
        found |= _values(batch, batch.topology.stage(name), members, recompute)
    return found


def _producers(batch: BatchRun, stage: PlannedStage, jobs: Sequence[str]) -> dict[str, str]:
    """Where each document's input comes from: past stages that its `when` has skipped."""
    chosen: dict[str, str] = {}
    for job in jobs:
        name = stage.input
        while name is not None and batch.keys[job][name] is None:
            name = batch.topology.stage(name).input
        assert name is not None, "a stage with a work key has a producer"
        chosen[job] = name
    return chosen


def _values(batch: BatchRun, producer: PlannedStage, jobs: Sequence[str], recompute: Recompute) -> dict[str, Any]:
    memory = batch.outputs.setdefault(producer.name, {})
    missing = [job for job in jobs if job not in memory]
    if missing:
        memory |= _stored(batch, producer, missing)
        again = [job for job in missing if job not in memory and job in batch.jobs]
        if again and producer.gate is None:
            recompute(producer, again)
    gone = TransientError(f"what `{producer.name}` let through is gone from the artifact store")
    return {job: memory.get(job, gone) for job in jobs if job in batch.jobs}


def _stored(batch: BatchRun, producer: PlannedStage, jobs: Sequence[str]) -> dict[str, Any]:
    """What the packs hold; rows of what they do not hold any more are forgotten, so that it is computed again."""
    ledger, resources = batch.workspace.ledger, batch.workspace.resources
    keys = {job: key for job in jobs if (key := batch.keys[job][producer.name]) is not None}
    with ledger.read() as cx:
        rows = ledger.artifacts.find(cx, list(keys.values()))
    found, broken = outputs.read_packs(resources.packs, list(rows.values()))
    contract = _gives(producer)
    values: dict[str, Any] = {}
    for job, key in keys.items():
        if key in found:
            try:
                values[job] = outputs.decode(found[key], contract, batch.jobs[job].tenant, resources.raw)
            except (msgspec.MsgspecError, KeyError, ValueError):
                broken.append(key)
    if broken:
        with ledger.begin() as cx:
            ledger.artifacts.forget(cx, broken)
    return values


def _gives(producer: PlannedStage) -> Contract:
    return GATE_GIVES[producer.gate.ledger_field] if producer.gate else stage_type(producer.type).gives


def _request(batch: BatchRun, job: Job) -> Any:
    try:
        content = batch.workspace.resources.raw.get(job.tenant, job.content_hash)
    except KeyError:
        return TransientError(f"{_raw(job)} is gone; a run with the document among its inputs stores it again")
    except (OSError, ValueError) as exc:
        return TransientError(f"{_raw(job)} cannot be read back as it was stored: {type(exc).__name__}")
    return outputs.request_of(job, content)


def _raw(job: Job) -> str:
    return f"raw object `{job.content_hash[:12]}…`"
