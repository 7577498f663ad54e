"""What the sensors decide, without Dagster: which queued jobs make up a batch, and which batches want a run.

Called by as many sensors and daemons as there are, at once, and again after any crash: each step is a conditional write
in one transaction, and a batch keeps the run key under which it was first asked for until that run has ended.
"""

from collections.abc import Callable, Sequence
from itertools import groupby

from penstock.execution.gates import tend_gates
from penstock.execution.workspace import Workspace
from penstock.ledger.batches import Batch
from penstock.ledger.jobs import Job
from penstock.records import new_id
from penstock.spec.profile import BatchSpec

_JOBS = 5_000


def plan_batches(workspace: Workspace, gated: bool, ended: Callable[[str], bool]) -> list[Batch]:
    """Batches that want a run: of first segments, or (`gated`) of those behind a gate.

    Args:
        ended: whether the run under a run key has ended; if so, a batch that has not begun wants another.
    """
    ledger = workspace.ledger
    ledger.recover()
    if gated:
        tend_gates(workspace)
    with ledger.begin() as cx:
        ledger.database.exclusive(cx)
        ledger.batches.close_empty(cx)
        ledger.batches.drop_stale(cx)
        rows = ledger.batches.unbatched(cx, _JOBS, gated=gated)
        jobs = ledger.jobs.get(cx, [row[3] for row in rows])
        # `sorted` is stable and looks at the first three only, so that within a group the oldest job stays first
        for (pipeline, topology, segment), members in groupby(sorted(rows, key=_group), key=_group):
            left = [jobs[row[3]] for row in members]
            while left:
                part = batch_of(left, workspace.profile.batch)
                left = left[len(part) :]
                planned = Batch(
                    batch=new_id(),
                    pipeline=pipeline,
                    topology=topology,
                    segment=segment,
                    generation=0,
                    status="planned",
                    size=len(part),
                )
                ledger.batches.add(cx, planned, part)
        wanted = [batch for batch in ledger.batches.planned(cx) if (batch.segment > 0) == gated]
    lost = [batch for batch in wanted if ended(run_key(batch))]
    if lost:
        with ledger.begin() as cx:
            for each in lost:
                ledger.batches.raise_generation(cx, each.batch, each.generation)
            wanted = [batch for batch in ledger.batches.planned(cx) if (batch.segment > 0) == gated]
    return wanted


def batch_of(jobs: Sequence[Job], limits: BatchSpec) -> list[str]:
    """The first jobs, as many as one batch takes; at least one."""
    chosen: list[str] = []
    size = 0
    for job in jobs[: limits.documents]:
        size += job.size
        if chosen and size > limits.megabytes << 20:
            break
        chosen.append(job.job)
    return chosen


def _group(row: tuple[str, str, int, str]) -> tuple[str, str, int]:
    return row[0], row[1], row[2]


def run_key(batch: Batch) -> str:
    """The key under which Dagster starts one run for a batch, ever; the generation makes a new one."""
    return f"{batch.batch}:{batch.generation}"
