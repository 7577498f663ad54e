"""Jobs: one document's way through one pipeline version, from queue to end state.

A job is worked on under a lease: the worker's id and a token that rises with each claim. Every write asks first which
of its jobs the worker still holds (`held`), in the same transaction; what it lost is left alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Update, and_, bindparam, exists, func, or_, select, update

from penstock.errors import IllegalTransitionError
from penstock.ledger.among import among
from penstock.ledger.clock import now
from penstock.ledger.database import slices
from penstock.ledger.job_rows import BUSY, FAILED, JOB_COLUMNS, OTHER, QUEUED, WAITS, Job, JobRows, is_now, job_of
from penstock.ledger.pdf_requests import RequestState, gate_asked_at, reopen, unread, withdrawal
from penstock.ledger.status import GATE_TIMEOUT, LIVE, NO_DOCUMENT, JobStatus, is_failure, sources_of
from penstock.ledger.tables import dead_letters, documents, jobs

__all__ = ["Failure", "Job", "Jobs", "slices"]

_OUTDATED = or_(
    exists().where(
        OTHER.c.tenant == jobs.c.tenant,
        OTHER.c.document == jobs.c.document,
        OTHER.c.pipeline == jobs.c.pipeline,
        OTHER.c.generation > jobs.c.generation,
    ),
    exists().where(
        documents.c.tenant == jobs.c.tenant,
        documents.c.document == jobs.c.document,
        documents.c.deleted_at.is_not(None),
        documents.c.active_generation > jobs.c.generation,
    ),
)
"""A newer job of the document in the pipeline has been asked for, or the document has been deleted since."""

_TIMED_OUT = jobs.c.status == GATE_TIMEOUT
_SUPERSEDED: dict[str, Any] = {"status": JobStatus.SUPERSEDED, "lease_owner": None, "finished_at": now()}
_NO_ERROR: dict[str, Any] = dict.fromkeys(("error_type", "error_message", "error_stage", "error_recovery"))
_ADD = jobs.insert()
_COMPLETE = (
    update(jobs)
    .where(
        jobs.c.job == bindparam("in_job"),
        jobs.c.lease_token == bindparam("in_token"),
        jobs.c.status == JobStatus.RUNNING,
    )
    .values(
        status=JobStatus.COMPLETED,
        lease_owner=None,
        current_stage=bindparam("in_stage"),
        finished_at=now(),
        index_build=bindparam("in_index"),
        graph_build=bindparam("in_graph"),
        **_NO_ERROR,
    )
)
_OF_DOCUMENT = and_(
    jobs.c.tenant == bindparam("in_tenant"),
    jobs.c.document == bindparam("in_document"),
    jobs.c.pipeline == bindparam("in_pipeline"),
    jobs.c.generation < bindparam("in_generation"),
)


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


class Jobs(JobRows):
    """The jobs of a ledger. Methods take a connection: they are part of the caller's transaction."""

    def add(self, cx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add new jobs, queued unless their row says otherwise.

        Each supersedes the older ones of its document in its pipeline that nobody is working on. A running one is left
        alone: the new job waits in the queue until it ends.
        """
        self._supersede_older(cx, rows, [JobStatus.QUEUED, JobStatus.WAITING])
        if rows:
            blank = {"status": JobStatus.QUEUED, **_NO_ERROR}
            added = [blank | {**row, "metadata": _json(row["metadata"])} for row in rows]
            self.database.execute_many(cx, _ADD, added)

    def claim(
        self,
        cx: Connection,
        worker: str,
        topology: str,
        segment: int,
        *,
        ids: Sequence[str] | None = None,
        batch: str | None = None,
        into: str | None = None,
        limit: int = 500,
    ) -> list[Job]:
        """Take queued jobs of one topology and segment under a lease, oldest first.

        A document that another job is working on is left for later, so that its versions never cross.

        Args:
            batch: take those that were planned for this batch.
            into: the batch that they are of from now on.
        """
        where = [QUEUED, jobs.c.segment == segment, ~BUSY]
        if ids is None:
            where.append(jobs.c.topology == topology)
        else:  # a bare column would lead to an index that has to be read past all other jobs
            where += [among(jobs.c.job, ids), func.coalesce(jobs.c.topology, "") == topology]
        if batch is not None:
            where.append(jobs.c.batch == batch)
        free = select(jobs.c.job).where(*where).correlate(None)
        if batch is None:  # the order leads to an index that would be read past all that other batches hold
            free = free.order_by(jobs.c.created_at, jobs.c.job)
        taken_into = {} if into is None else {"batch": into}
        taken = cx.execute(
            update(jobs)
            .where(jobs.c.job.in_(free.limit(limit)))
            .values(status=JobStatus.RUNNING, lease_owner=worker, lease_token=jobs.c.lease_token + 1, **taken_into)
            .returning(*JOB_COLUMNS, jobs.c.created_at)
        )
        return [job_of(row) for row in sorted(taken, key=lambda row: (row.created_at, row.job))]

    def count_retries(self, cx: Connection, stage: str, retries: Mapping[str, int]) -> None:
        """Add to `retry_count_per_stage`. The caller holds the jobs."""
        for part in slices(list(retries)):
            rows = cx.execute(select(jobs.c.job, jobs.c.retry_count_per_stage).where(jobs.c.job.in_(part))).all()
            for job, counted in rows:
                counts = msgspec.json.decode(counted, type=dict[str, int])
                counts[stage] = counts.get(stage, 0) + retries[job]
                encoded = msgspec.json.encode(counts).decode()
                cx.execute(update(jobs).where(jobs.c.job == job).values(retry_count_per_stage=encoded))

    def at_stage(self, cx: Connection, ids: Sequence[str], stage: str, **fields: Any) -> None:
        """Note which stage the jobs are at, and set gate fields on the way. The caller holds them."""
        mine = and_(among(jobs.c.job, ids), jobs.c.status == JobStatus.RUNNING)
        cx.execute(update(jobs).where(mine).values(current_stage=stage, **fields))

    def fail(self, cx: Connection, failures: Sequence[Failure]) -> None:
        """End jobs in their failure state. The caller holds them, or what they wait for at a gate cannot be had.

        Raises `IllegalTransitionError` for a state that is no failure.
        """
        for each in failures:
            if not is_failure(each.status):
                raise IllegalTransitionError(f"job `{each.job}` cannot fail as `{each.status}`: that is no failure")
            cx.execute(
                update(jobs)
                .where(jobs.c.job == each.job, jobs.c.status.in_(sources_of(each.status)))
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
            cx.execute(withdrawal(and_(jobs.c.job == each.job, FAILED), RequestState.WITHDRAWN))

    def complete(self, cx: Connection, done: Sequence[Job]) -> None:
        """End jobs well, at the stage and with the builds that they bear; older ones of the document are superseded."""
        if not done:
            return
        self.database.execute_many(
            cx,
            _COMPLETE,
            [
                {
                    "in_job": j.job,
                    "in_token": j.lease_token,
                    "in_stage": j.current_stage,
                    "in_index": j.index_build,
                    "in_graph": j.graph_build,
                }
                for j in done
            ],
        )
        rows = [{name: getattr(j, name) for name in ("tenant", "document", "pipeline", "generation")} for j in done]
        self._supersede_older(cx, rows, LIVE)

    def wait(self, cx: Connection, ids: Sequence[str], gate: str, segment: int) -> list[str]:
        """Let jobs wait at a gate: rows, nothing else; they go on in `segment`. The caller holds them.

        Returns the jobs that wait; one that has been replaced by a newer one meanwhile is superseded instead.
        """
        fields = {"current_stage": gate, "segment": segment, "waiting_since": now()}
        return self._move(cx, ids, jobs.c.status == JobStatus.RUNNING, JobStatus.WAITING, **fields)

    def open_gate(
        self,
        cx: Connection,
        topology: str,
        gate: str,
        field: str,
        equals: Any,
        *,
        ids: Sequence[str] | None = None,
        limit: int = 5_000,
    ) -> list[str]:
        """Queue the jobs that wait at a gate whose condition holds, or those of these ids; returns them."""
        return self.pass_gate(cx, self.ready(cx, topology, gate, field, equals, limit, ids))

    def pass_gate(self, cx: Connection, ids: Sequence[str]) -> list[str]:
        """Queue jobs that wait, or have waited too long, whatever their gate's condition says; returns those."""
        passed = self._queue(cx, ids, or_(WAITS, _TIMED_OUT))
        for part in slices(passed):
            cx.execute(withdrawal(jobs.c.job.in_(part), RequestState.WITHDRAWN))
        return passed

    def release(self, cx: Connection, worker: str) -> None:
        """Give back what a worker holds, so that another goes on with it."""
        self.requeue_of(cx, [worker])

    def requeue_of(self, cx: Connection, owners: Sequence[str]) -> int:
        """Queue the running jobs of workers that are dead; superseded where a newer job of the document waits."""
        theirs = and_(is_now(JobStatus.RUNNING), jobs.c.lease_owner.in_(owners))
        return len(self._queue(cx, list(cx.execute(select(jobs.c.job).where(theirs)).scalars()), theirs))

    def requeue_failed(self, cx: Connection, ids: Sequence[str]) -> list[str]:
        """Queue failed jobs again, from where they stopped; the error stays until they are done.

        Those that have waited too long, or whose PDF could not be read, wait at their gate again, and it is asked for
        again: under a token of their own, as the events of a second failure are not those of the first. Returns the
        jobs that go on; one that has been replaced by a newer one is superseded instead.
        """
        anew = {"waiting_since": now(), "finished_at": None, "lease_token": jobs.c.lease_token + 1}
        early = and_(jobs.c.status == NO_DOCUMENT, gate_asked_at().is_not(None))
        waiting = self._move(cx, ids, early, JobStatus.WAITING, current_stage=gate_asked_at(), **anew)
        waiting += self._move(cx, ids, _TIMED_OUT, JobStatus.WAITING, **anew)
        waiting += self._move(cx, unread(cx, ids), FAILED, JobStatus.WAITING, **anew)
        reopen(cx, waiting)
        moved = {*waiting, *self._queue(cx, ids, FAILED)}
        return [each for each in ids if each in moved]

    def supersede(self, cx: Connection, tenant: str, document: str) -> None:
        """Take a document's jobs out of the way, whatever holds them: their lease no longer counts."""
        mine = and_(jobs.c.tenant == tenant, jobs.c.document == document)
        cx.execute(update(jobs).where(mine, or_(jobs.c.status.in_(LIVE), FAILED)).values(**_SUPERSEDED))
        cx.execute(_dropped(mine))

    def _supersede_older(self, cx: Connection, rows: Sequence[Mapping[str, Any]], live: Sequence[str]) -> None:
        """Supersede what is older than each row and failed or in one of these states, and close its dead letters."""
        older = [
            {f"in_{name}": row[name] for name in ("tenant", "document", "pipeline", "generation")}
            for row in rows
            if row["generation"] > 1
        ]
        if older:
            failed = select(jobs.c.job).where(_OF_DOCUMENT, FAILED)
            close = update(dead_letters).where(dead_letters.c.resolved_at.is_(None), dead_letters.c.job.in_(failed))
            cx.execute(close.values(resolved_at=now(), resolution="superseded"), older)
            gone = and_(_OF_DOCUMENT, or_(*(jobs.c.status == status for status in live), FAILED))
            cx.execute(update(jobs).where(gone).values(**_SUPERSEDED), older)
            cx.execute(_dropped(_OF_DOCUMENT), older)

    def _queue(self, cx: Connection, ids: Sequence[str], legal: ColumnElement[bool]) -> list[str]:
        return self._move(cx, ids, legal, JobStatus.QUEUED, waiting_since=None, finished_at=None)

    def _move(
        self, cx: Connection, ids: Sequence[str], legal: ColumnElement[bool], status: JobStatus, **fields: Any
    ) -> list[str]:
        """Take jobs that are in a legal state to another one, those that are outdated out of the way."""
        moved: set[str] = set()
        for part in slices(ids):
            mine = and_(jobs.c.job.in_(part), legal)
            cx.execute(update(jobs).where(mine, _OUTDATED).values(**_SUPERSEDED))
            cx.execute(_dropped(jobs.c.job.in_(part)))
            change = update(jobs).where(mine).values(status=status, lease_owner=None, batch=None, **fields)
            moved.update(cx.execute(change.returning(jobs.c.job)).scalars())
        return [each for each in ids if each in moved]


def _dropped(theirs: ColumnElement[bool]) -> Update:
    """Ends the open requests of those jobs that are superseded."""
    return withdrawal(and_(theirs, jobs.c.status == JobStatus.SUPERSEDED), RequestState.SUPERSEDED)


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()
