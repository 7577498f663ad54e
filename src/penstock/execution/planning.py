"""What sensors and dispatchers decide, without Dagster: which jobs make up a batch, and which batches want a run.

Called by as many sensors and daemons as there are, at once, and again after any crash: each step is a conditional write
in one transaction, and a batch keeps the run key under which it was first asked for until that run has ended.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from uuid import uuid4

from sqlalchemy import Connection

from penstock.execution.batch import BatchRun, claim_batch
from penstock.execution.gates import tend_gates
from penstock.execution.workspace import Workspace
from penstock.ledger.batches import Batch
from penstock.ledger.job_rows import Outline
from penstock.ledger.jobs import Job
from penstock.ledger.ledger import Ledger
from penstock.ledger.status import JobStatus
from penstock.ledger.workers import Worker
from penstock.plan.topology import Topology
from penstock.records import new_id
from penstock.spec.profile import BatchSpec

AHEAD = 8
"""So many batches of a segment stand before their run at a time, however many jobs are queued behind them."""

Segments = Collection[tuple[str, int]]
"""(topology digest, segment) of what can be run."""


def plan_batches(
    workspace: Workspace, gated: bool, segments: Segments, ended: Callable[[str], bool], patience: float = 0.0
) -> list[Batch]:
    """Batches that want a run: of first segments, or (`gated`) of those behind a gate.

    Args:
        segments: those that the caller can run; jobs of others are left alone.
        ended: whether the run under a run key has ended; if so, a batch that has not begun wants another.
        patience: for how many seconds what is queued is left to a dispatcher, which is there sooner than any run.
    """
    ledger = workspace.ledger
    if gated:
        tend_gates(workspace)
    mine = [each for each in segments if (each[1] > 0) == gated]
    with ledger.read() as cx:
        queued = set(ledger.versions_in_flight(cx, JobStatus.QUEUED))
        if not queued and not ledger.batches.planned(cx):
            return []
    with ledger.begin() as cx:
        ledger.database.exclusive(cx)
        ledger.batches.close_empty(cx)
        ledger.batches.drop_stale(cx)
        ahead = Counter((batch.topology, batch.segment) for batch in ledger.batches.planned(cx))
        for digest, segment in mine:
            if digest in queued:
                _plan(workspace, cx, digest, segment, AHEAD - ahead[digest, segment], patience)
        wanted = _planned(ledger, cx, mine)
    lost = [batch for batch in wanted if ended(run_key(batch))]
    if lost:
        with ledger.begin() as cx:
            for each in lost:
                ledger.batches.raise_generation(cx, each.batch, each.generation)
            wanted = _planned(ledger, cx, mine)
    return wanted


def claim_next(workspace: Workspace, worker: Worker) -> BatchRun | None:
    """The oldest queued jobs that make up a batch, claimed by this worker; None where nothing is free.

    Sensors may have put them into batches whose runs are still to begin: these will find them taken.
    """
    ledger, limits = workspace.ledger, workspace.profile.batch
    heads: list[tuple[float, Topology, int]] = []
    with ledger.read() as cx:
        for topology in map(workspace.topology, ledger.versions_in_flight(cx, JobStatus.QUEUED)):
            for segment in range(topology.segments):
                heads += [(at, topology, segment) for _, at in ledger.jobs.queued(cx, topology.digest, segment, 1)]
    for _, topology, segment in sorted(heads, key=lambda head: head[0]):
        with ledger.read() as cx:
            free = [job for job, _ in ledger.jobs.queued(cx, topology.digest, segment, limits.documents)]
        if free:
            ids = batch_of(free, limits)
            batch = claim_batch(workspace, worker, topology, segment, ids=ids, limit=len(ids), run_id=str(uuid4()))
            if batch is not None:
                return batch
    return None


def _plan(workspace: Workspace, cx: Connection, digest: str, segment: int, count: int, patience: float) -> None:
    """Put the oldest queued jobs of a segment into batches, at most `count`."""
    ledger, limits = workspace.ledger, workspace.profile.batch
    ids = ledger.batches.unbatched(cx, digest, segment, max(count, 0) * limits.documents, patience)
    jobs = ledger.jobs.get(cx, ids)
    left = [jobs[job] for job in ids]
    while left and count > 0:
        part = batch_of(left, limits)
        planned = Batch(
            batch=new_id(),
            pipeline=left[0].pipeline,
            topology=digest,
            segment=segment,
            generation=0,
            status="planned",
            size=len(part),
        )
        ledger.batches.add(cx, planned, part)
        left = left[len(part) :]
        count -= 1


def _planned(ledger: Ledger, cx: Connection, segments: Segments) -> list[Batch]:
    return [batch for batch in ledger.batches.planned(cx) if (batch.topology, batch.segment) in segments]


def batch_of(jobs: Sequence[Job | Outline], limits: BatchSpec) -> list[str]:
    """The first jobs, as many as one batch takes; at least one."""
    chosen: list[str] = []
    size = 0
    for job in jobs[: limits.documents]:
        size += job.size
        if chosen and size > limits.megabytes << 20:
            break
        chosen.append(job.job)
    return chosen


def run_key(batch: Batch) -> str:
    """The key under which Dagster starts one run for a batch, ever; the generation makes a new one."""
    return f"{batch.batch}:{batch.generation}"
