"""Batches: ledger jobs that one Dagster run takes through one segment.

The sensor plans a batch and asks for a run under the key `<batch>:<generation>`; Dagster starts one run for a key,
ever. A run that died before it claimed anything leaves its batch `planned`: the generation rises and a new run is asked
for.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, and_, exists, select, update

from penstock.ledger.clock import now
from penstock.ledger.database import Database, slices
from penstock.ledger.job_rows import QUEUED, is_now
from penstock.ledger.status import JobStatus
from penstock.ledger.tables import batches, jobs


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the batches table. `status` is `planned`, `started` or `ended`."""

    batch: str
    pipeline: str
    topology: str
    segment: int
    generation: int
    status: str
    size: int
    run_id: str | None = None


_HAS_QUEUED = exists().where(QUEUED, jobs.c.batch == batches.c.batch, jobs.c.batch.is_not(None))
_COLUMNS = [batches.c[name] for name in Batch.__struct_fields__]


class Batches:
    """The batches of a ledger."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def get(self, cx: Connection, batch: str) -> Batch | None:
        row = cx.execute(select(*_COLUMNS).where(batches.c.batch == batch)).one_or_none()
        return Batch(**row._mapping) if row else None

    def add(self, cx: Connection, batch: Batch, job_ids: Sequence[str] = ()) -> None:
        """Add a batch, and plan queued jobs for it."""
        cx.execute(batches.insert(), [msgspec.structs.asdict(batch)])
        for part in slices(job_ids):
            mine = and_(jobs.c.job.in_(part), jobs.c.status == JobStatus.QUEUED)
            cx.execute(update(jobs).where(mine).values(batch=batch.batch))

    def started(self, cx: Connection, batch: str, run_id: str) -> None:
        """A run has claimed the batch's jobs; the first one counts."""
        planned = and_(batches.c.batch == batch, batches.c.status == "planned")
        cx.execute(update(batches).where(planned).values(status="started", run_id=run_id))

    def ended(self, cx: Connection, batch: str) -> None:
        cx.execute(update(batches).where(batches.c.batch == batch).values(status="ended"))

    def unbatched(self, cx: Connection, topology: str, segment: int, limit: int, seconds: float = 0.0) -> list[str]:
        """Jobs of a segment that have been queued for so long and are in no batch, oldest first."""
        mine = [QUEUED, jobs.c.topology == topology, jobs.c.segment == segment, jobs.c.batch.is_(None)]
        if seconds:
            mine.append(jobs.c.updated_at < now() - seconds)
        query = select(jobs.c.job).where(*mine).order_by(jobs.c.created_at, jobs.c.job)
        return list(cx.execute(query.limit(limit)).scalars())

    def planned(self, cx: Connection) -> list[Batch]:
        """Batches whose run is still to be started, while some of their jobs are queued."""
        query = select(*_COLUMNS).where(batches.c.status == "planned", _HAS_QUEUED)
        return [Batch(**row._mapping) for row in cx.execute(query.order_by(batches.c.created_at))]

    def working(self, cx: Connection) -> set[str]:
        """The runs that hold running jobs."""
        running = select(jobs.c.batch).where(is_now(JobStatus.RUNNING), jobs.c.batch.is_not(None)).distinct()
        query = select(batches.c.run_id).where(batches.c.run_id.is_not(None), batches.c.batch.in_(running))
        return set(cx.execute(query).scalars())

    def of_runs(self, cx: Connection, runs: Sequence[str]) -> dict[str, tuple[str, float]]:
        """What became of the batch of each run that has claimed one, and how many seconds ago."""
        found: dict[str, tuple[str, float]] = {}
        for part in slices(runs):
            query = select(batches.c.run_id, batches.c.status, now() - batches.c.updated_at)
            found |= {row[0]: (row[1], row[2]) for row in cx.execute(query.where(batches.c.run_id.in_(part)))}
        return found

    def raise_generation(self, cx: Connection, batch: str, generation: int) -> None:
        """Ask for a new run of a batch whose run ended before it began; only where that is its generation still."""
        mine = (batches.c.batch == batch, batches.c.status == "planned", batches.c.generation == generation)
        cx.execute(update(batches).where(*mine).values(generation=generation + 1))

    def close_empty(self, cx: Connection) -> None:
        """End planned batches whose jobs have all been taken by others."""
        cx.execute(update(batches).where(batches.c.status == "planned", ~_HAS_QUEUED).values(status="ended"))

    def drop_stale(self, cx: Connection) -> None:
        """Free queued jobs whose batch has ended or lost its run, so that they are batched again."""
        gone = exists().where(batches.c.batch == jobs.c.batch, batches.c.status != "planned")
        cx.execute(update(jobs).where(QUEUED, jobs.c.batch.is_not(None), gone).values(batch=None))
