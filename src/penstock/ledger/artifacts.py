"""Stage outputs by work key: where in which pack; and the builds that live in the index and the graph.

A build is what one execution of a sink stage wrote for one document. Its name is used once, so that removing an old
build can never meet the writing of a new one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, delete, exists, select, update

from penstock.ledger.among import among
from penstock.ledger.database import Database, slices
from penstock.ledger.stage_runs import of_jobs
from penstock.ledger.status import LIVE, JobStatus, is_failure
from penstock.ledger.tables import artifacts, builds, documents, jobs, stage_runs, sweeps, versions


class ArtifactRow(msgspec.Struct, frozen=True, gc=False):
    """Where the output of a work key stands; `build` is set for outputs that live in a store."""

    work_key: str
    pack: str
    start: int
    length: int
    checksum: str
    build: str | None = None


_JOB = [
    jobs.c[name] for name in ("job", "pipeline", "status", "content_hash", "generation", "index_build", "graph_build")
]
_IN_FLIGHT = exists().where(
    jobs.c.tenant == sweeps.c.tenant, jobs.c.document == sweeps.c.document, jobs.c.status.in_(LIVE)
)
_COLUMNS = [artifacts.c[name] for name in ArtifactRow.__struct_fields__]
_BEGIN = builds.insert()


class Artifacts:
    """The artifacts and builds of a ledger."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._add = database.upsert(artifacts, "work_key")

    def find(self, cx: Connection, keys: Sequence[str]) -> dict[str, ArtifactRow]:
        """The rows of the keys that have an output."""
        rows = cx.execute(select(*_COLUMNS).where(among(artifacts.c.work_key, keys)))
        return {row.work_key: ArtifactRow(**row._mapping) for row in rows}

    def existing(self, cx: Connection, keys: Sequence[str]) -> set[str]:
        """Which keys have an output."""
        return set(cx.execute(select(artifacts.c.work_key).where(among(artifacts.c.work_key, keys))).scalars())

    def add(self, cx: Connection, rows: Sequence[ArtifactRow]) -> None:
        """Keep outputs, replacing what stands under their keys."""
        if rows:
            columns = {name: list(map(attrgetter(name), rows)) for name in ArtifactRow.__struct_fields__}
            self.database.execute_columns(cx, self._add, columns)

    def forget(self, cx: Connection, keys: Sequence[str]) -> None:
        """Drop rows whose pack is gone or broken, so that they are computed again."""
        for part in slices(keys):
            cx.execute(delete(artifacts).where(artifacts.c.work_key.in_(part)))

    def begin_builds(self, cx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Note what is about to be written to one store; what earlier tries of the same jobs left there is doomed."""
        kept = exists().where(artifacts.c.build == builds.c.build, artifacts.c.work_key == builds.c.work_key)
        if rows:
            mine = among(builds.c.job, [row["job"] for row in rows])
            left = and_(mine, builds.c.store == rows[0]["store"], ~builds.c.doomed)
            cx.execute(update(builds).where(left, ~kept).values(doomed=True))
            self.database.execute_many(cx, _BEGIN, rows)

    def known_builds(self, cx: Connection, tenant: str, store: str, names: Iterable[str]) -> set[str]:
        """Which of these names are builds of the tenant in a store, on their way in, in use or on their way out."""
        mine = select(builds.c.build).where(builds.c.tenant == tenant, builds.c.store == store)
        found: set[str] = set()
        for part in slices(sorted(names)):
            found.update(cx.execute(mine.where(builds.c.build.in_(part))).scalars())
        return found

    def all(self, cx: Connection) -> Iterator[ArtifactRow]:
        for row in cx.execute(select(*_COLUMNS).order_by(artifacts.c.pack, artifacts.c.start)):
            yield ArtifactRow(**row._mapping)

    def packs_in_use(self, cx: Connection, names: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for part in slices(names):
            found.update(cx.execute(select(artifacts.c.pack).where(artifacts.c.pack.in_(part)).distinct()).scalars())
        return found

    # ── sweeping ────────────────────────────────────────────────────────────────────────────────────────────────────

    def due(self, cx: Connection, limit: int) -> list[tuple[str, str]]:
        """Documents (tenant, id) that have something to sweep and nothing in flight, those that have waited longest."""
        query = select(sweeps.c.tenant, sweeps.c.document).where(~_IN_FLIGHT)
        order = (sweeps.c.created_at, sweeps.c.tenant, sweeps.c.document)
        return list(cx.execute(query.order_by(*order).limit(limit)))

    def sweep_document(self, cx: Connection, tenant: str, document: str) -> tuple[list[str], list[str]]:
        """Forget what no version of a document needs any more; nothing while one of its jobs is in flight.

        Kept is what the visible version needs; what the newest job of each pipeline left, where that job is of the
        active content; and what a failed one left, since a retry goes on from there. The builds that neither queries
        nor a retry can reach are doomed; `doomed` hands them out.

        Returns the packs that may have become empty, and the raw objects that may have become free.
        """
        of_document = and_(documents.c.tenant == tenant, documents.c.document == document)
        row = cx.execute(select(documents).where(of_document)).one_or_none()
        asked = and_(sweeps.c.tenant == tenant, sweeps.c.document == document)
        if row is None or cx.execute(select(sweeps.c.tenant).where(asked, _IN_FLIGHT)).first():
            return [], []
        mine = select(*_JOB).where(jobs.c.tenant == tenant, jobs.c.document == document).order_by(jobs.c.generation)
        everyone = cx.execute(mine).all()
        kept_jobs, unfinished = _needed(row, everyone)
        keys = self._keys_of(cx, [each.job for each in everyone])
        kept = set().union(*(keys[job] for job in kept_jobs))
        resumed = set().union(*(keys[job] for job in unfinished))
        theirs = and_(builds.c.tenant == tenant, builds.c.document == document)
        built = dict(cx.execute(select(builds.c.build, builds.c.work_key).where(theirs)).all())
        found = self.find(cx, sorted(set().union(*keys.values(), built.values())))
        reachable = {row.index_build, row.graph_build} | {a.build for a in found.values() if a.work_key in resumed}
        doomed = sorted(built.keys() - reachable)
        dropped = [a for a in found.values() if a.work_key not in kept or a.build in doomed]
        for part in slices(doomed):
            cx.execute(update(builds).where(builds.c.build.in_(part)).values(doomed=True))
        self.forget(cx, [a.work_key for a in dropped])
        cx.execute(delete(sweeps).where(asked))
        freed = self._forget_versions(cx, tenant, document) if _is_gone(row) else []
        return sorted({a.pack for a in dropped}), freed

    def doomed(self, cx: Connection, limit: int) -> list[tuple[str, str, str]]:
        """(tenant, store, build) of builds to remove from their stores."""
        query = select(builds.c.tenant, builds.c.store, builds.c.build).where(builds.c.doomed).limit(limit)
        return list(cx.execute(query))

    def forget_builds(self, cx: Connection, names: Iterable[str]) -> None:
        for part in slices(list(names)):
            cx.execute(delete(builds).where(builds.c.build.in_(part), builds.c.doomed))

    def _keys_of(self, cx: Connection, job_ids: Sequence[str]) -> dict[str, set[str]]:
        """The work keys that each job has left."""
        found: dict[str, set[str]] = {job: set() for job in job_ids}
        query = select(stage_runs.c.job, stage_runs.c.work_key)
        for job, key in cx.execute(query.where(of_jobs(job_ids), stage_runs.c.work_key.is_not(None))):
            found[job].add(key)
        return found

    def _forget_versions(self, cx: Connection, tenant: str, document: str) -> list[str]:
        gone = delete(versions).where(versions.c.tenant == tenant, versions.c.document == document)
        return sorted(cx.execute(gone.returning(versions.c.content_hash)).scalars())


def _needed(row: Any, everyone: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Of a document's jobs, oldest first: those whose outputs are kept, and among them those that may be resumed."""
    if _is_gone(row):
        return [], []
    newest = {each.pipeline: each for each in everyone if each.status != JobStatus.SUPERSEDED}
    unfinished = [each.job for each in newest.values() if is_failure(each.status)]
    shown = {row.index_build, row.graph_build} - {None}
    visible = [
        each.job for each in everyone if each.job == row.active_job or shown & {each.index_build, each.graph_build}
    ]
    current = [each.job for each in newest.values() if each.content_hash == row.active_hash]
    return [*visible, *current, *unfinished], unfinished


def _is_gone(row: Any) -> bool:
    """Whether the document is deleted and nobody has asked for it since."""
    return row.deleted_at is not None and row.generation == row.active_generation
