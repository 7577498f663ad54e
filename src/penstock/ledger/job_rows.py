"""What can be asked of jobs: rows by id, by document, by state; and counts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, exists, func, literal, or_, select, true

from penstock.ledger.among import among
from penstock.ledger.clock import now
from penstock.ledger.database import Database, slices
from penstock.ledger.status import LIVE, JobStatus
from penstock.ledger.tables import jobs, origins
from penstock.records import GATE_FLAGS


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the jobs table; `metadata` is what the source said of the document."""

    job: str
    tenant: str
    document: str
    source: str
    pipeline: str
    version: str
    topology: str
    work_digest: str
    content_hash: str
    size: int
    locator: str
    kind_hint: str
    metadata: dict[str, Any]
    generation: int
    status: str
    segment: int
    correlation_id: str
    lease_token: int
    current_stage: str | None = None
    index_build: str | None = None
    graph_build: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    error_stage: str | None = None
    error_recovery: str | None = None


class Outline(NamedTuple):
    """As much of a job as it takes to choose a batch."""

    job: str
    status: str
    topology: str
    segment: int
    size: int


_OUTLINES = select(*(jobs.c[name] for name in Outline._fields))
JOB_COLUMNS = [jobs.c[name] for name in Job.__struct_fields__]

FAILED = and_(*(jobs.c.status != status for status in JobStatus))
"""The condition of a job in a failure state, whatever its name."""


def is_now(status: JobStatus) -> ColumnElement[bool]:
    """The condition of a job in a state, spelt out in the statement: the database sees which partial index it meets."""
    return jobs.c.status == literal(status, literal_execute=True)


OTHER = jobs.alias("other")
BUSY = exists().where(
    OTHER.c.tenant == jobs.c.tenant, OTHER.c.document == jobs.c.document, OTHER.c.status == JobStatus.RUNNING
)
"""Another job of the document is being worked on."""

QUEUED, WAITS = is_now(JobStatus.QUEUED), is_now(JobStatus.WAITING)


class JobRows:
    """The questions; `penstock.ledger.jobs.Jobs` adds what changes the answers."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def get(self, cx: Connection, ids: Sequence[str]) -> dict[str, Job]:
        """Jobs by id; absent ones are left out."""
        return {row.job: job_of(row) for row in cx.execute(select(*JOB_COLUMNS).where(among(jobs.c.job, ids)))}

    def latest(self, cx: Connection, tenant: str, pipeline: str, documents: Sequence[str]) -> dict[str, Job]:
        """Each document's newest job in this pipeline."""
        mine = (jobs.c.tenant == tenant, among(jobs.c.document, documents), jobs.c.pipeline == pipeline)
        rows = cx.execute(select(*JOB_COLUMNS).where(*mine).order_by(jobs.c.generation))
        return {row.document: job_of(row) for row in rows}

    def unfinished(self, cx: Connection, tenant: str, pipeline: str, origin: str) -> list[Job]:
        """The jobs of an input's documents that are under way or have failed, oldest first."""
        held = exists().where(
            origins.c.tenant == jobs.c.tenant, origins.c.origin == origin, origins.c.document == jobs.c.document
        )
        where = (jobs.c.tenant == tenant, jobs.c.pipeline == pipeline, held, or_(jobs.c.status.in_(LIVE), FAILED))
        return [job_of(row) for row in cx.execute(select(*JOB_COLUMNS).where(*where).order_by(jobs.c.job))]

    def of_document(self, cx: Connection, tenant: str, document: str) -> list[Job]:
        """All jobs of a document, newest first."""
        query = select(*JOB_COLUMNS).where(jobs.c.tenant == tenant, jobs.c.document == document)
        return [job_of(row) for row in cx.execute(query.order_by(jobs.c.generation.desc()))]

    def count_held(self, cx: Connection, worker: str, batch: str) -> int:
        """How many jobs of a batch the worker still holds. What is taken from it leaves the batch as well."""
        mine = (is_now(JobStatus.RUNNING), jobs.c.batch == batch, jobs.c.lease_owner == worker)
        return int(cx.execute(select(func.count()).where(*mine)).scalar_one())

    def held(self, cx: Connection, worker: str, tokens: Mapping[str, int]) -> set[str]:
        """Which of these jobs the worker still holds, by job id and lease token."""
        kept: set[str] = set()
        for part in slices(list(tokens)):
            query = select(jobs.c.job, jobs.c.lease_token).where(
                jobs.c.job.in_(part), jobs.c.lease_owner == worker, jobs.c.status == JobStatus.RUNNING
            )
            kept.update(row.job for row in cx.execute(query) if tokens[row.job] == row.lease_token)
        return kept

    def owners(self, cx: Connection) -> list[str]:
        """The workers that hold running jobs."""
        query = select(jobs.c.lease_owner).where(is_now(JobStatus.RUNNING)).distinct()
        return [owner for owner in cx.execute(query).scalars() if owner]

    def outlines(self, cx: Connection, ids: Sequence[str]) -> dict[str, Outline]:
        """What is asked of a job before it is worked on."""
        return {row[0]: Outline(*row) for row in cx.execute(_OUTLINES.where(among(jobs.c.job, ids)))}

    def counts(self, cx: Connection) -> list[tuple[str, str, int]]:
        """(pipeline, status, number of jobs)."""
        query = select(jobs.c.pipeline, jobs.c.status, func.count()).group_by(jobs.c.pipeline, jobs.c.status)
        return sorted(cx.execute(query))

    def waiting(self, cx: Connection) -> list[tuple[str, str, int, float]]:
        """(pipeline, gate, number of jobs, seconds that the oldest has waited)."""
        gate = (jobs.c.pipeline, jobs.c.current_stage)
        query = select(*gate, func.count(), now() - func.min(jobs.c.waiting_since))
        query = query.where(WAITS).group_by(*gate).order_by(*gate)
        return [(row[0], row[1], row[2], row[3]) for row in cx.execute(query)]

    def queued(self, cx: Connection, topology: str, segment: int, limit: int) -> list[tuple[Job, float]]:
        """Jobs that may be claimed, oldest first, and when each was made; in a batch or not."""
        mine = (QUEUED, jobs.c.topology == topology, jobs.c.segment == segment, ~BUSY)
        query = select(*JOB_COLUMNS, jobs.c.created_at).where(*mine).order_by(jobs.c.created_at, jobs.c.job)
        return [(job_of(row), row.created_at) for row in cx.execute(query.limit(limit))]

    def ready(
        self, cx: Connection, topology: str, gate: str, field: str, equals: Any, limit: int, ids: Sequence[str] | None
    ) -> list[str]:
        """Jobs that wait at a gate whose condition holds, at most `limit`; of these ids, where they are given."""
        where = [*_at_gate(topology, gate, field), jobs.c[field] == equals]
        parts = [true()] if ids is None else [jobs.c.job.in_(part) for part in slices(ids)]
        queries = (select(jobs.c.job).where(*where, part).limit(limit) for part in parts)
        return [job for query in queries for job in cx.execute(query).scalars()]

    def overdue(self, cx: Connection, topology: str, gate: str, seconds: float, limit: int) -> list[Job]:
        """Jobs that have waited at a gate for longer than this, by the database's clock; at most `limit`."""
        since = select(now() - seconds).scalar_subquery()  # asked once: an index cannot follow a clock that goes on
        query = select(*JOB_COLUMNS).where(*_at_gate(topology, gate), jobs.c.waiting_since < since)
        return [job_of(row) for row in cx.execute(query.limit(limit))]

    def failed(
        self,
        cx: Connection,
        *,
        documents: Sequence[str] = (),
        tenant: str | None = None,
        stage: str | None = None,
        error: str | None = None,
        since: float | None = None,
    ) -> list[Job]:
        """Jobs in a failure state, oldest first, narrowed by what is given (`since`: seconds since 1970)."""
        where: list[ColumnElement[bool]] = [FAILED]
        if tenant is not None:
            where.append(jobs.c.tenant == tenant)
        if stage:
            where.append(jobs.c.error_stage == stage)
        if error:
            where.append(or_(jobs.c.error_type == error, jobs.c.status == error))
        if since is not None:
            where.append(func.coalesce(jobs.c.finished_at, jobs.c.created_at) >= since)
        query = select(*JOB_COLUMNS, jobs.c.created_at).where(*where)
        parts: Iterable[Any] = (jobs.c.document.in_(part) for part in slices(documents)) if documents else [True]
        rows = [row for part in parts for row in cx.execute(query.where(part))]
        return [job_of(row) for row in sorted(rows, key=lambda row: (row.created_at, row.job))]


def _at_gate(topology: str, gate: str, asked: str = "") -> list[ColumnElement[bool]]:
    """In the order of the index: each flag has one of two values, so that it leads on to the columns behind it.

    Not so the flag that is `asked` for: of two conditions on a column SQLite would follow the wider one.
    """
    flags = [jobs.c[name].in_([False, True]) for name in GATE_FLAGS if name != asked]
    return [WAITS, jobs.c.topology == topology, jobs.c.current_stage == gate, *flags]


def job_of(row: Any) -> Job:
    """A job from a row that begins with `JOB_COLUMNS`."""
    values = dict(zip(Job.__struct_fields__, row, strict=False))
    values["metadata"] = msgspec.json.decode(values["metadata"])
    return Job(**values)
