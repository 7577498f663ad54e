"""Documents: their versions, the one that is active, where they came from, and their tombstones.

What queries may see is decided here and nowhere else: a chunk, vector or edge is visible when its build is the
document's `index_build` or `graph_build`. The switch to a new version is one update.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, Update, and_, bindparam, case, delete, exists, func, or_, select, update

from penstock.errors import LedgerError
from penstock.ledger.among import among
from penstock.ledger.clock import now
from penstock.ledger.database import Database, slices
from penstock.ledger.jobs import Job
from penstock.ledger.tables import documents, jobs, origins, sweeps, versions


class DocumentRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the documents table."""

    tenant: str
    document: str
    source: str
    generation: int
    active_generation: int
    active_job: str | None = None
    active_hash: str | None = None
    index_build: str | None = None
    graph_build: str | None = None
    deleted_at: float | None = None

    @property
    def is_gone(self) -> bool:
        """Deleted, and not on its way back."""
        return self.deleted_at is not None and self.generation <= self.active_generation


STORES = ("graph", "index")
"""The stores whose visible build a document names."""

_LONGEST = 512
_UNSTORABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_NAMED = and_(documents.c.tenant == bindparam("in_tenant"), documents.c.document == bindparam("in_document"))
_OWNER = and_(documents.c.tenant == versions.c.tenant, documents.c.document == versions.c.document)
NOT_GONE = or_(documents.c.deleted_at.is_(None), documents.c.generation > documents.c.active_generation)
"""Not deleted, or on its way back."""

_COLUMNS = [documents.c[name] for name in DocumentRow.__struct_fields__]


class Documents:
    """The documents of a ledger."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def get(self, cx: Connection, tenant: str, names: Sequence[str]) -> dict[str, DocumentRow]:
        """Documents by id; absent ones are left out."""
        where = and_(documents.c.tenant == tenant, among(documents.c.document, names))
        return {row.document: DocumentRow(**row._mapping) for row in cx.execute(select(*_COLUMNS).where(where))}

    def tenants_of(self, cx: Connection, document: str) -> list[str]:
        """The tenants that have a document of that id."""
        query = select(documents.c.tenant).where(documents.c.document == document).order_by(documents.c.tenant)
        return list(cx.execute(query).scalars())

    def tenants(self, cx: Connection) -> list[str]:
        return list(cx.execute(select(documents.c.tenant).distinct().order_by(documents.c.tenant)).scalars())

    def nearest(self, cx: Connection, limit: int = 2000) -> list[str]:
        """Some document ids, for a suggestion."""
        return list(cx.execute(select(documents.c.document).limit(limit)).scalars())

    def raise_generation(self, cx: Connection, tenant: str, sources: Mapping[str, str]) -> dict[str, int]:
        """Count a new job of each document (id → source), creating it where it is new; returns its number.

        Raises `LedgerError` for a tenant or a document id that no ledger can hold.
        """
        for name in (tenant, *sources):
            _check_name(name)
        rows = [{"tenant": tenant, "document": name, "source": source} for name, source in sources.items()]
        if not rows:
            return {}
        self.database.execute_many(cx, self.database.insert_new(documents), rows)
        change = (
            update(documents)
            .where(documents.c.tenant == tenant, among(documents.c.document, list(sources)))
            .values(generation=documents.c.generation + 1)
            .returning(documents.c.document, documents.c.generation)
        )
        return dict(cx.execute(change).all())

    def add_versions(self, cx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Note stored contents: tenant, document, content_hash, size."""
        if rows:
            self.database.execute_many(cx, self.database.insert_new(versions), rows)

    def versions_of(self, cx: Connection, tenant: str, document: str) -> list[dict[str, Any]]:
        where = and_(versions.c.tenant == tenant, versions.c.document == document)
        query = select(versions.c.content_hash, versions.c.size, versions.c.created_at).where(where)
        return [dict(row._mapping) for row in cx.execute(query.order_by(versions.c.created_at))]

    def activate(self, cx: Connection, done: Sequence[Job], writes: frozenset[str]) -> None:
        """The switch: make what these completed jobs built the visible version of their documents.

        `writes` says which stores the pipeline writes (`index`, `graph`). A store that it does not write keeps its
        build where the content is the same, and shows nothing where it has changed: never a stale answer. A job that a
        newer one has overtaken only fills what that one left empty, and only where the content is still the same.
        """
        if not done:
            return
        rows = [
            {
                "in_tenant": job.tenant,
                "in_document": job.document,
                "in_generation": job.generation,
                "in_hash": job.content_hash,
                "in_job": job.job,
                **{f"in_{store}": getattr(job, f"{store}_build") for store in sorted(writes)},
            }
            for job in done
        ]
        switched = self.database.execute_many(cx, _switch(writes), rows).rowcount
        overtaken = switched < len(rows)
        if overtaken and writes:
            cx.execute(_fill(writes), rows)
        self.ask_for_sweep(cx, [(job.tenant, job.document) for job in done if job.generation > 1 or overtaken])

    def bury(self, cx: Connection, tenant: str, document: str) -> None:
        """Leave a tombstone: nothing of the document is visible from here on."""
        cx.execute(
            update(documents)
            .where(documents.c.tenant == tenant, documents.c.document == document)
            .values(
                generation=documents.c.generation + 1,
                active_generation=documents.c.generation + 1,
                active_job=None,
                active_hash=None,
                index_build=None,
                graph_build=None,
                deleted_at=now(),
            )
        )
        cx.execute(delete(origins).where(origins.c.tenant == tenant, origins.c.document == document))
        self.ask_for_sweep(cx, [(tenant, document)])

    def ask_for_sweep(self, cx: Connection, names: Iterable[tuple[str, str]]) -> None:
        rows = [{"tenant": tenant, "document": document} for tenant, document in names]
        if rows:
            self.database.execute_many(cx, self.database.insert_new(sweeps), rows)

    def active_builds(self, cx: Connection, tenant: str, store: str, builds: Iterable[str]) -> set[str]:
        """Which of these builds are visible."""
        column = documents.c[f"{store}_build"]
        found: set[str] = set()
        for part in slices(list(builds)):
            where = and_(column.in_(part), documents.c.tenant == tenant)
            found.update(cx.execute(select(column).where(where)).scalars())
        return found

    def active(self, cx: Connection) -> Iterator[DocumentRow]:
        """Every document that has an active version, in order of tenant and id."""
        query = select(*_COLUMNS).where(documents.c.active_job.is_not(None))
        for row in cx.execute(query.order_by(documents.c.tenant, documents.c.document)):
            yield DocumentRow(**row._mapping)

    def counts(self, cx: Connection) -> dict[str, int]:
        """How many documents are active, and how many are tombstones."""
        active = cx.execute(select(func.count()).where(documents.c.active_job.is_not(None))).scalar_one()
        deleted = cx.execute(select(func.count()).where(documents.c.deleted_at.is_not(None))).scalar_one()
        return {"active": active, "deleted": deleted}

    def note_origin(self, cx: Connection, tenant: str, rows: Iterable[tuple[str, str]]) -> None:
        """Remember that an input (origin) holds a document: rows of (origin, document)."""
        values = [{"tenant": tenant, "origin": origin, "document": document} for origin, document in rows]
        if values:
            self.database.execute_many(cx, self.database.insert_new(origins), values)

    def of_origin(self, cx: Connection, tenant: str, origin: str, pipeline: str | None = None) -> list[str]:
        """The documents that an input held when it was last seen."""
        query = select(origins.c.document).where(origins.c.tenant == tenant, origins.c.origin == origin)
        if pipeline is not None:
            query = query.where(
                exists().where(
                    jobs.c.tenant == origins.c.tenant,
                    jobs.c.document == origins.c.document,
                    jobs.c.pipeline == pipeline,
                )
            )
        return list(cx.execute(query.order_by(origins.c.document)).scalars())

    def origin_counts(self, cx: Connection, tenant: str, names: Sequence[str]) -> dict[str, int]:
        """How many inputs hold each document."""
        found: dict[str, int] = {}
        for part in slices(names):
            where = and_(origins.c.tenant == tenant, origins.c.document.in_(part))
            query = select(origins.c.document, func.count()).where(where).group_by(origins.c.document)
            found.update(cx.execute(query).all())
        return found

    def forget_origins(self, cx: Connection, tenant: str, origin: str, names: Sequence[str]) -> list[str]:
        """An input no longer holds these documents; returns those that no other input holds either."""
        orphans: list[str] = []
        for part in slices(names):
            where = and_(origins.c.tenant == tenant, origins.c.document.in_(part))
            cx.execute(delete(origins).where(where, origins.c.origin == origin))
            kept = set(cx.execute(select(origins.c.document).where(where)).scalars())
            orphans += [name for name in part if name not in kept]
        return orphans

    def raw_in_use(self, cx: Connection, tenant: str, names: Sequence[str]) -> set[str]:
        """Which raw objects belong to a version of a document that is not deleted."""
        query = select(versions.c.content_hash).join(documents, _OWNER).where(versions.c.tenant == tenant, NOT_GONE)
        found: set[str] = set()
        for part in slices(names):
            found.update(cx.execute(query.where(versions.c.content_hash.in_(part))).scalars())
        return found

    def raw_expected(self, cx: Connection) -> Iterator[tuple[str, str]]:
        """(tenant, raw object) of every version of every document that is not deleted."""
        query = select(versions.c.tenant, versions.c.content_hash).join(documents, _OWNER).where(NOT_GONE).distinct()
        yield from cx.execute(query.order_by(versions.c.tenant, versions.c.content_hash))


@cache
def _switch(writes: frozenset[str]) -> Update:
    same = documents.c.active_hash == bindparam("in_hash")
    builds = {
        f"{store}_build": bindparam(f"in_{store}")
        if store in writes
        else case((same, documents.c[f"{store}_build"]), else_=None)
        for store in STORES
    }
    return (
        update(documents)
        .where(_NAMED, documents.c.active_generation <= bindparam("in_generation"))
        .values(
            active_generation=bindparam("in_generation"),
            active_hash=bindparam("in_hash"),
            active_job=bindparam("in_job"),
            deleted_at=None,
            **builds,
        )
    )


@cache
def _fill(writes: frozenset[str]) -> Update:
    columns = {store: documents.c[f"{store}_build"] for store in sorted(writes)}
    return (
        update(documents)
        .where(
            _NAMED,
            documents.c.active_generation > bindparam("in_generation"),
            documents.c.active_hash == bindparam("in_hash"),
        )
        .values({column.name: func.coalesce(column, bindparam(f"in_{store}")) for store, column in columns.items()})
    )


def is_name(name: str) -> bool:
    """Whether any ledger can hold a document of that id."""
    return bool(name.strip()) and len(name) <= _LONGEST and not _UNSTORABLE.search(name)


def _check_name(name: str) -> None:
    if not name.strip() or _UNSTORABLE.search(name):
        raise LedgerError(f"{name[:80]!a} is no name of a document or tenant: it is blank or has control characters")
