"""PDFs that wait to be read: what the worker is asked for, who has it, how often it was tried.

A request is written with the download that it follows and ends with its job's wait at the gate. Whoever claims it holds
it under its worker's lease and a token that rises with each claim; a result is taken for the token that it was read
under and for no other.

queued → leased → done
               → failed, quarantined → queued (`penstock retry`)
               → queued (given back, or its worker died)
queued, leased → superseded (the document changed or was deleted), withdrawn (the job no longer waits)
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, ScalarSelect, Update, and_, exists, func, literal, or_, select, update

from penstock.ledger.clock import now
from penstock.ledger.database import Database, slices
from penstock.ledger.status import JobStatus
from penstock.ledger.tables import jobs, pdf_requests


class RequestState(StrEnum):
    """The states of a request."""

    QUEUED = "queued"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"
    QUARANTINED = "quarantined"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


class PDFRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the requests table. `path` is the PDF's key in the object store, `work_key` that of the gate.

    `deliveries` counts the claims since the request was last asked for; `trouble` is why the last one came to nothing.
    """

    request: str
    job: str
    gate: str
    tenant: str
    document: str
    path: str
    sha256: str
    size: int
    work_key: str
    state: str
    token: int
    deliveries: int
    lease_owner: str | None = None
    pages: int | None = None
    trouble: str | None = None


_COLUMNS = [pdf_requests.c[name] for name in PDFRequest.__struct_fields__]
_OPEN = or_(pdf_requests.c.state == RequestState.QUEUED, pdf_requests.c.state == RequestState.LEASED)
_UNREAD = (RequestState.FAILED, RequestState.QUARANTINED)
_QUEUED = pdf_requests.c.state == literal(RequestState.QUEUED.value, literal_execute=True)
_LEASED = pdf_requests.c.state == literal(RequestState.LEASED.value, literal_execute=True)
"""As literals, so that SQLite knows the partial indexes that they lead to."""

_AT_ITS_GATE = exists().where(
    jobs.c.job == pdf_requests.c.job,
    jobs.c.status == JobStatus.WAITING,
    jobs.c.current_stage == pdf_requests.c.gate,
)
_FREE = and_(_QUEUED, pdf_requests.c.available_at <= now(), _AT_ITS_GATE)


class PDFRequests:
    """The requests of a ledger. Methods take a connection: they are part of the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def ask(self, cx: Connection, rows: Sequence[Mapping[str, Any]]) -> list[PDFRequest]:
        """Ask for PDFs (all columns without a default, `state` apart); returns the requests that are new or open again.

        One that is queued or leased already is left alone.
        """
        asked: list[PDFRequest] = []
        for row in rows:
            values = {**row, "state": RequestState.QUEUED.value}
            fresh = {name: values[name] for name in ("path", "sha256", "size", "work_key")} | _AGAIN
            statement = self.database.upsert(pdf_requests, "job", "gate", where=~_OPEN, change=fresh)
            asked += [_request(each) for each in cx.execute(statement.values(**values).returning(*_COLUMNS))]
        return asked

    def claim(self, cx: Connection, worker: str, *, request: str | None = None, after: str = "") -> PDFRequest | None:
        """Take a request whose job waits at its gate: this one, or the oldest of the tenant that stands next.

        Args:
            after: the tenant that was served last; the others come before its next turn. Tenants stand in a circle.
        """
        chosen = select(pdf_requests.c.request).where(_FREE)
        if request is not None:
            chosen = chosen.where(pdf_requests.c.request == request)
        else:
            tenant = self._next_tenant(cx, pdf_requests.c.tenant > after) or self._next_tenant(cx)
            if tenant is None:
                return None
            order = (pdf_requests.c.available_at, pdf_requests.c.request)
            chosen = chosen.where(pdf_requests.c.tenant == tenant).order_by(*order).limit(1)
        taken = (
            update(pdf_requests)
            .where(pdf_requests.c.request.in_(chosen))
            .values(
                state=RequestState.LEASED,
                lease_owner=worker,
                token=pdf_requests.c.token + 1,
                deliveries=pdf_requests.c.deliveries + 1,
                leased_at=now(),
            )
        )
        row = cx.execute(taken.returning(*_COLUMNS)).one_or_none()
        return _request(row) if row is not None else None

    def is_held(self, cx: Connection, claimed: PDFRequest) -> bool:
        """Whether the request is still held under the token that it was claimed with, and its job waits for it."""
        query = select(pdf_requests.c.request).where(_held(claimed), _AT_ITS_GATE)
        return cx.execute(query).first() is not None

    def done(self, cx: Connection, claimed: PDFRequest, pages: int | None = None) -> None:
        """The Document is there: end the request and set the ledger's field. The caller has seen that it is held."""
        self.end(cx, claimed, RequestState.DONE, pages=pages)
        cx.execute(update(jobs).where(jobs.c.job == claimed.job).values(pdf_ir_ready=True))

    def end(
        self,
        cx: Connection,
        claimed: PDFRequest,
        state: RequestState,
        trouble: str | None = None,
        pages: int | None = None,
    ) -> None:
        """End a request that is held."""
        ended = {"state": state, "lease_owner": None, "ended_at": now(), "trouble": trouble, "pages": pages}
        cx.execute(update(pdf_requests).where(_held(claimed)).values(**ended))

    def give_back(self, cx: Connection, claimed: PDFRequest) -> None:
        """Queue a request again as if it had not been claimed."""
        back = {"deliveries": pdf_requests.c.deliveries - 1, **_FREED}
        cx.execute(update(pdf_requests).where(_held(claimed)).values(**back))

    def put_off(self, cx: Connection, claimed: PDFRequest, trouble: str, seconds: float) -> None:
        """Queue a request again whose reading came to nothing, not to be claimed for so long."""
        later = {**_FREED, "available_at": now() + seconds, "trouble": trouble}
        cx.execute(update(pdf_requests).where(_held(claimed)).values(**later))

    def requeue_of(self, cx: Connection, owners: Sequence[str]) -> int:
        """Queue what workers hold that are dead; returns how many."""
        theirs = and_(_LEASED, pdf_requests.c.lease_owner.in_(owners))
        trouble = "the worker that had it ended before it did"
        return cx.execute(update(pdf_requests).where(theirs).values(**_FREED, trouble=trouble)).rowcount

    def owners(self, cx: Connection) -> list[str]:
        """The workers that hold requests."""
        query = select(pdf_requests.c.lease_owner).where(_LEASED).distinct()
        return [owner for owner in cx.execute(query).scalars() if owner]

    def get(self, cx: Connection, request: str) -> PDFRequest | None:
        """A request, whatever its state."""
        row = cx.execute(select(*_COLUMNS).where(pdf_requests.c.request == request)).one_or_none()
        return _request(row) if row is not None else None

    def of_jobs(self, cx: Connection, ids: Sequence[str]) -> list[PDFRequest]:
        """The requests of these jobs, oldest first."""
        found: list[PDFRequest] = []
        for part in slices(ids):
            query = select(*_COLUMNS).where(pdf_requests.c.job.in_(part))
            found += [_request(row) for row in cx.execute(query.order_by(pdf_requests.c.request))]
        return found

    def counts(self, cx: Connection) -> dict[str, int]:
        """How many requests are in each state."""
        query = select(pdf_requests.c.state, func.count()).group_by(pdf_requests.c.state)
        return {row[0]: row[1] for row in sorted(cx.execute(query))}

    def left(self, cx: Connection) -> tuple[int, float | None]:
        """How many requests are queued whose job waits, and after how many seconds the next may be claimed."""
        query = select(func.count(), func.min(pdf_requests.c.available_at) - now()).where(_QUEUED, _AT_ITS_GATE)
        count, seconds = cx.execute(query).one()
        return count, max(0.0, seconds) if count else None

    def _next_tenant(self, cx: Connection, *where: ColumnElement[bool]) -> str | None:
        order = (pdf_requests.c.tenant, pdf_requests.c.available_at)
        return cx.execute(select(pdf_requests.c.tenant).where(_FREE, *where).order_by(*order).limit(1)).scalar()


def withdrawal(ended: ColumnElement[bool], state: RequestState) -> Update:
    """The statement that ends the open requests of the jobs that a condition on the jobs table holds for."""
    theirs = and_(_OPEN, pdf_requests.c.job.in_(select(jobs.c.job).where(ended)))
    return update(pdf_requests).where(theirs).values(state=state, lease_owner=None, ended_at=now())


def unread(cx: Connection, ids: Sequence[str]) -> list[str]:
    """Of these jobs, those that failed at a gate since their PDF could not be read."""
    found: set[str] = set()
    for part in slices(ids):
        query = select(pdf_requests.c.job).where(pdf_requests.c.job.in_(part), pdf_requests.c.state.in_(_UNREAD))
        found.update(cx.execute(query).scalars())
    return [each for each in ids if each in found]


def gate_asked_at() -> ScalarSelect[str]:
    """The gate that a row of the jobs table was to wait at for its PDF, or null."""
    gate = select(pdf_requests.c.gate).where(pdf_requests.c.job == jobs.c.job).order_by(pdf_requests.c.request)
    return gate.limit(1).scalar_subquery()


def reopen(cx: Connection, ids: Sequence[str]) -> None:
    """Ask again for what these jobs wait for anew."""
    for part in slices(ids):
        closed = pdf_requests.c.state.in_([*_UNREAD, RequestState.WITHDRAWN])
        cx.execute(update(pdf_requests).where(pdf_requests.c.job.in_(part), closed, _AT_ITS_GATE).values(**_AGAIN))


_FREED: dict[str, Any] = {"state": RequestState.QUEUED, "lease_owner": None}
_AGAIN: dict[str, Any] = {
    **_FREED,
    "token": pdf_requests.c.token + 1,
    "deliveries": 0,
    "trouble": None,
    "available_at": now(),
    "ended_at": None,
}


def _held(claimed: PDFRequest) -> ColumnElement[bool]:
    return and_(
        pdf_requests.c.request == claimed.request,
        pdf_requests.c.state == RequestState.LEASED,
        pdf_requests.c.lease_owner == claimed.lease_owner,
        pdf_requests.c.token == claimed.token,
    )


def _request(row: Any) -> PDFRequest:
    return PDFRequest(**{name: getattr(row, name) for name in PDFRequest.__struct_fields__})
