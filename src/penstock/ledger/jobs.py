"""Jobs: one document's way through one pipeline version, from queue to end state.

A job is worked on under a lease: the worker's id and a token that rises with each claim. Every write asks first which of
its jobs the worker still holds (`held`), in the same transaction; what it lost is left alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, exists, func, not_, or_, select, update

from penstock.ledger.clock import now
from penstock.ledger.database import Database
from penstock.ledger.status import LIVE, JobStatus, check_transition
from penstock.ledger.tables import jobs

GATE_FIELDS = ("pdf_downloaded", "pdf_ir_ready", "post_pdf_started")
"""The ledger fields that a gate may ask for."""

_SLICE = 500
_OTHER = jobs.alias("other")


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


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job stopped: the state it ends in and the error as it may be shown (no payloads, no secrets)."""

    job: str
    stage: str
    status: str
    error_type: str
    message: str
    recovery: str
    attempts: int
    chain: tuple[str, ...] = ()


_COLUMNS = [jobs.c[name] for name in Job.__struct_fields__]


class Jobs:
    """The jobs of a ledger. Methods that take a connection are part of the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def get(self, cx: Connection, ids: Sequence[str]) -> dict[str, Job]:
        """Jobs by id; absent ones are left out."""
        found: dict[str, Job] = {}
        for part in slices(ids):
            for row in cx.execute(select(*_COLUMNS).where(jobs.c.job.in_(part))):
                found[row.job] = _job(row)
        return found

    def latest(self, cx: Connection, tenant: str, pipeline: str, documents: Sequence[str]) -> dict[str, Job]:
        """Each document's newest job in this pipeline."""
        found: dict[str, Job] = {}
        for part in slices(documents):
            where = and_(jobs.c.tenant == tenant, jobs.c.document.in_(part), jobs.c.pipeline == pipeline)
            for row in cx.execute(select(*_COLUMNS).where(where).order_by(jobs.c.generation)):
                found[row.document] = _job(row)
        return found

    def of_document(self, cx: Connection, tenant: str, document: str) -> list[Job]:
        """All jobs of a document, newest first."""
        where = and_(jobs.c.tenant == tenant, jobs.c.document == document)
        return [_job(row) for row in cx.execute(select(*_COLUMNS).where(where).order_by(jobs.c.generation.desc()))]

    def add(self, cx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Queue new jobs. Each supersedes what is not being worked on of its document in its pipeline."""
        older = [
            {"in_tenant": row["tenant"], "in_document": row["document"], "in_pipeline": row["pipeline"]}
            for row in rows
            if row["generation"] > 1
        ]
        if older:
            cx.execute(
                update(jobs)
                .where(
                    jobs.c.tenant == bindparam("in_tenant"),
                    jobs.c.document == bindparam("in_document"),
                    jobs.c.pipeline == bindparam("in_pipeline"),
                    jobs.c.status.not_in([JobStatus.RUNNING, JobStatus.COMPLETED, JobStatus.SUPERSEDED]),
                )
                .values(status=JobStatus.SUPERSEDED, finished_at=now()),
                older,
            )
        if rows:
            cx.execute(jobs.insert(), [{**row, "metadata": _json(row["metadata"])} for row in rows])

    def claim(
        self,
        cx: Connection,
        worker: str,
        topology: str,
        segment: int,
        *,
        ids: Sequence[str] | None = None,
        batch: str | None = None,
        limit: int = _SLICE,
    ) -> list[Job]:
        """Take queued jobs of one topology and segment under a lease, oldest first.

        A document that another job is working on is left for later, so that its versions never cross.
        """
        self.database.exclusive(cx)
        busy = exists().where(
            _OTHER.c.tenant == jobs.c.tenant,
            _OTHER.c.document == jobs.c.document,
            _OTHER.c.status == JobStatus.RUNNING,
        )
        where = [jobs.c.status == JobStatus.QUEUED, jobs.c.topology == topology, jobs.c.segment == segment, not_(busy)]
        if batch is not None:
            where.append(jobs.c.batch == batch)
        claimed: list[Job] = []
        for part in slices(ids) if ids is not None else [None]:
            chosen = where if part is None else [*where, jobs.c.job.in_(part)]
            query = select(jobs.c.job).where(*chosen).order_by(jobs.c.created_at, jobs.c.job)
            found = list(cx.execute(query.limit(limit - len(claimed))).scalars())
            if found:
                cx.execute(
                    update(jobs)
                    .where(jobs.c.job.in_(found))
                    .values(status=JobStatus.RUNNING, lease_owner=worker, lease_token=jobs.c.lease_token + 1)
                )
                taken = self.get(cx, found)
                claimed += [taken[each] for each in found]
            if len(claimed) >= limit:
                break
        return claimed

    def held(self, cx: Connection, worker: str, tokens: Mapping[str, int]) -> set[str]:
        """Which of these jobs the worker still holds, by job id and lease token."""
        kept: set[str] = set()
        for part in slices(list(tokens)):
            query = select(jobs.c.job, jobs.c.lease_token).where(
                jobs.c.job.in_(part), jobs.c.lease_owner == worker, jobs.c.status == JobStatus.RUNNING
            )
            for row in cx.execute(query.with_for_update()):
                if tokens[row.job] == row.lease_token:
                    kept.add(row.job)
        return kept

    def at_stage(self, cx: Connection, ids: Sequence[str], stage: str, **fields: Any) -> None:
        """Note which stage the jobs are at, and set gate fields on the way."""
        for part in slices(ids):
            cx.execute(update(jobs).where(jobs.c.job.in_(part)).values(current_stage=stage, **fields))

    def fail(self, cx: Connection, failures: Sequence[Failure]) -> None:
        """End jobs in their failure state. The caller holds them."""
        for each in failures:
            check_transition(JobStatus.RUNNING, each.status)
            cx.execute(
                update(jobs)
                .where(jobs.c.job == each.job, jobs.c.status == JobStatus.RUNNING)
                .values(
                    status=each.status,
                    lease_owner=None,
                    finished_at=now(),
                    error_type=each.error_type,
                    error_message=each.message,
                    error_stage=each.stage,
                    error_recovery=each.recovery,
                )
            )

    def complete(self, cx: Connection, done: Sequence[Job]) -> None:
        """End jobs well, with the builds that they leave; older ones of the document that failed are superseded."""
        if not done:
            return
        cx.execute(
            update(jobs)
            .where(jobs.c.job == bindparam("in_job"), jobs.c.status == JobStatus.RUNNING)
            .values(
                status=JobStatus.COMPLETED,
                lease_owner=None,
                finished_at=now(),
                index_build=bindparam("in_index"),
                graph_build=bindparam("in_graph"),
                error_type=None,
                error_message=None,
                error_stage=None,
                error_recovery=None,
            ),
            [{"in_job": job.job, "in_index": job.index_build, "in_graph": job.graph_build} for job in done],
        )
        older = [
            {"in_tenant": j.tenant, "in_document": j.document, "in_pipeline": j.pipeline, "in_generation": j.generation}
            for j in done
            if j.generation > 1
        ]
        if older:
            cx.execute(
                update(jobs)
                .where(
                    jobs.c.tenant == bindparam("in_tenant"),
                    jobs.c.document == bindparam("in_document"),
                    jobs.c.pipeline == bindparam("in_pipeline"),
                    jobs.c.generation < bindparam("in_generation"),
                    jobs.c.status.not_in([JobStatus.COMPLETED, JobStatus.SUPERSEDED]),
                )
                .values(status=JobStatus.SUPERSEDED, lease_owner=None, finished_at=now()),
                older,
            )

    def wait(self, cx: Connection, ids: Sequence[str], gate: str, segment: int) -> None:
        """Let jobs wait at a gate: rows, nothing else; they go on in `segment`."""
        for part in slices(ids):
            cx.execute(
                update(jobs)
                .where(jobs.c.job.in_(part), jobs.c.status == JobStatus.RUNNING)
                .values(
                    status=JobStatus.WAITING,
                    lease_owner=None,
                    current_stage=gate,
                    segment=segment,
                    waiting_since=now(),
                    batch=None,
                )
            )

    def open_gate(
        self, cx: Connection, topology: str, gate: str, field: str, equals: Any, limit: int = 10_000
    ) -> list[str]:
        """Queue the jobs that wait at a gate whose condition holds; returns their ids."""
        query = select(jobs.c.job).where(
            jobs.c.status == JobStatus.WAITING,
            jobs.c.topology == topology,
            jobs.c.current_stage == gate,
            jobs.c[field] == equals,
        )
        return self._queue(cx, list(cx.execute(query.limit(limit)).scalars()))

    def release(self, cx: Connection, worker: str) -> None:
        """Give back what a worker holds, so that another goes on with it."""
        self.requeue_of(cx, [worker])

    def requeue_of(self, cx: Connection, owners: Sequence[str]) -> int:
        """Queue the running jobs of workers that are dead; superseded where a newer job of the document waits."""
        query = select(jobs.c.job).where(jobs.c.status == JobStatus.RUNNING, jobs.c.lease_owner.in_(owners))
        return len(self._queue(cx, list(cx.execute(query).scalars())))

    def requeue_failed(self, cx: Connection, ids: Sequence[str]) -> list[str]:
        """Queue failed jobs again, from where they stopped; the error stays until they are done."""
        chosen = [
            job.job
            for job in self.get(cx, ids).values()
            if job.status not in (*LIVE, JobStatus.COMPLETED, JobStatus.SUPERSEDED)
        ]
        return self._queue(cx, chosen)

    def owners(self, cx: Connection) -> list[str]:
        """The workers that hold running jobs."""
        query = select(jobs.c.lease_owner).where(jobs.c.status == JobStatus.RUNNING).distinct()
        return [owner for owner in cx.execute(query).scalars() if owner]

    def supersede(self, cx: Connection, tenant: str, document: str, statuses: Iterable[str] = LIVE) -> None:
        """Take a document's jobs out of the way, whatever holds them: their lease no longer counts."""
        cx.execute(
            update(jobs)
            .where(jobs.c.tenant == tenant, jobs.c.document == document, jobs.c.status.in_(list(statuses)))
            .values(status=JobStatus.SUPERSEDED, lease_owner=None, finished_at=now())
        )

    def statuses(self, cx: Connection, ids: Sequence[str]) -> dict[str, str]:
        """The state of each job."""
        found: dict[str, str] = {}
        for part in slices(ids):
            found.update(cx.execute(select(jobs.c.job, jobs.c.status).where(jobs.c.job.in_(part))).tuples().all())
        return found

    def counts(self, cx: Connection) -> list[tuple[str, str, int]]:
        """(pipeline, status, number of jobs)."""
        query = select(jobs.c.pipeline, jobs.c.status, func.count()).group_by(jobs.c.pipeline, jobs.c.status)
        return [tuple(row) for row in cx.execute(query.order_by(jobs.c.pipeline, jobs.c.status))]

    def waiting(self, cx: Connection) -> list[tuple[str, str, int, float]]:
        """(pipeline, gate, number of jobs, seconds that the oldest has waited)."""
        query = (
            select(jobs.c.pipeline, jobs.c.current_stage, func.count(), now() - func.min(jobs.c.waiting_since))
            .where(jobs.c.status == JobStatus.WAITING)
            .group_by(jobs.c.pipeline, jobs.c.current_stage)
        )
        return [tuple(row) for row in cx.execute(query)]

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
        """Jobs in a failure state, narrowed by what is given (`since`: seconds since 1970)."""
        where = [jobs.c.status.not_in([*LIVE, JobStatus.COMPLETED, JobStatus.SUPERSEDED])]
        if documents:
            where.append(jobs.c.document.in_(list(documents)))
        if tenant is not None:
            where.append(jobs.c.tenant == tenant)
        if stage:
            where.append(jobs.c.error_stage == stage)
        if error:
            where.append(or_(jobs.c.error_type == error, jobs.c.status == error))
        if since is not None:
            where.append(jobs.c.finished_at >= since)
        return [_job(row) for row in cx.execute(select(*_COLUMNS).where(*where).order_by(jobs.c.created_at))]

    def _queue(self, cx: Connection, ids: Sequence[str]) -> list[str]:
        queued: list[str] = []
        newer = exists().where(
            _OTHER.c.tenant == jobs.c.tenant,
            _OTHER.c.document == jobs.c.document,
            _OTHER.c.pipeline == jobs.c.pipeline,
            _OTHER.c.generation > jobs.c.generation,
        )
        for part in slices(ids):
            cx.execute(
                update(jobs)
                .where(jobs.c.job.in_(part), newer)
                .values(status=JobStatus.SUPERSEDED, lease_owner=None, finished_at=now())
            )
            rest = and_(jobs.c.job.in_(part), jobs.c.status != JobStatus.SUPERSEDED)
            queued += cx.execute(select(jobs.c.job).where(rest)).scalars()
            cx.execute(update(jobs).where(rest).values(status=JobStatus.QUEUED, lease_owner=None, batch=None))
        return queued


def slices(values: Sequence[str], size: int = _SLICE) -> Iterable[Sequence[str]]:
    """The values in parts that fit into one statement."""
    return (values[i : i + size] for i in range(0, len(values), size))


def _job(row: Any) -> Job:
    return Job(**{**row._mapping, "metadata": msgspec.json.decode(row.metadata)})


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()
