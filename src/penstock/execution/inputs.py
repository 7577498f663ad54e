"""What a stage takes, by job: from memory, from the packs, or computed again where a pack is gone."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from penstock.errors import PermanentError, StageError
from penstock.execution import outputs
from penstock.execution.adapters import contract_of
from penstock.execution.batch import BatchRun
from penstock.execution.encoding import decode
from penstock.plan.topology import PlannedStage

Recompute = Callable[[PlannedStage, Sequence[str]], None]
"""Executes a stage again for some jobs, and leaves what it gave in `BatchRun.outputs`."""


class Input(NamedTuple):
    """An encoded input: its work key, the contract that it keeps, its bytes. All empty for a pipeline's first stage."""

    key: str = ""
    of: str = ""
    content: bytes = b""


def inputs_of(
    batch: BatchRun, stage: PlannedStage, jobs: Sequence[str], recompute: Recompute
) -> dict[str, Input | StageError]:
    """The input of each job, or the `StageError` that says why there is none.

    Jobs that fail on the way, or are lost to another worker, are no longer in the batch, and absent.
    """
    if stage.input is None:
        return dict.fromkeys(jobs, Input())
    producers = _producers(batch, stage, jobs)
    found: dict[str, Input | StageError] = {}
    for name in sorted(set(producers.values())):
        producer = batch.topology.stage(name)
        members = [job for job in jobs if producers[job] == name]
        of = producer.gate.ledger_field if producer.gate else producer.type
        for job, content in _contents(batch, producer, members, recompute).items():
            key = batch.keys[job][name] or ""
            found[job] = content if isinstance(content, StageError) else Input(key, of, content)
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


def _contents(
    batch: BatchRun, producer: PlannedStage, jobs: Sequence[str], recompute: Recompute
) -> dict[str, bytes | StageError]:
    memory = batch.outputs.setdefault(producer.name, {})
    missing = [job for job in jobs if job not in memory]
    if missing:
        memory |= _stored(batch, producer, missing)
        again = [job for job in missing if job not in memory and job in batch.jobs]
        if again and producer.gate is None:
            recompute(producer, again)
    gone = _nothing_behind(producer)
    return {job: memory.get(job, gone) for job in jobs if job in batch.jobs}


def _nothing_behind(gate: PlannedStage) -> StageError:
    """A gate that somebody has opened by hand, or whose document was lost: stages behind it have nothing to take."""
    message = f"no document lies behind `{gate.name}`: it was opened by hand before there was one, or it is gone"
    return PermanentError(message, status="no_document", hint="penstock worker pdf reads it; then penstock retry")


def _stored(batch: BatchRun, producer: PlannedStage, jobs: Sequence[str]) -> dict[str, bytes]:
    """What the packs hold; rows of what they do not hold any more are forgotten, so that it is computed again."""
    ledger, resources = batch.workspace.ledger, batch.workspace.resources
    keys = {job: key for job in jobs if (key := batch.keys[job][producer.name]) is not None}
    with ledger.read() as cx:
        rows = ledger.artifacts.find(cx, list(keys.values()))
    found, broken = outputs.read_packs(resources.packs, list(rows.values()))
    contract = contract_of(producer.gate.ledger_field if producer.gate else producer.type)
    contents: dict[str, bytes] = {}
    for job, key in keys.items():
        if key in found:
            try:
                decode(found[key], contract, batch.jobs[job].tenant, resources.raw)
            except (msgspec.MsgspecError, KeyError, ValueError):
                broken.append(key)
            else:
                contents[job] = found[key]
    if broken:
        with ledger.begin() as cx:
            ledger.artifacts.forget(cx, broken)
    return contents
