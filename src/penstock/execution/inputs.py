"""What a stage takes, by job: from memory, from the packs, or computed again where a pack is gone."""

from collections.abc import Callable, Iterator, Sequence
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
    found: dict[str, Input | StageError] = {}
    for producer, members in _by_producer(batch, stage, jobs):
        of = producer.gate.ledger_field if producer.gate else producer.type
        keys = batch.keys[producer.name]
        for job, content in _contents(batch, producer, members, recompute).items():
            found[job] = content if isinstance(content, StageError) else Input(keys[job] or "", of, content)
    return found


def _by_producer(
    batch: BatchRun, stage: PlannedStage, jobs: Sequence[str]
) -> Iterator[tuple[PlannedStage, Sequence[str]]]:
    """The stages that documents have their input from, past those that their `when` has skipped, and these."""
    name = stage.input
    while jobs:
        assert name is not None, "a stage with a work key has a producer"
        keys, producer = batch.keys[name], batch.topology.stage(name)
        members = [job for job in jobs if keys[job] is not None]
        if members:
            yield producer, members
        jobs = [job for job in jobs if keys[job] is None]
        name = producer.input


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
    keys = {job: key for job in jobs if (key := batch.keys[producer.name][job]) is not None}
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
