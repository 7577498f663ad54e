"""Stage outputs by work key: where in which pack; and the builds that live in the index and the graph.

A build is what one execution of a sink stage wrote for one document. Its name is used once, so that removing an old build
can never meet the writing of a new one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, delete, exists, select, update

from penstock.ledger.database import Database
from penstock.ledger.jobs import slices
from penstock.ledger.status import LIVE, JobStatus
from penstock.ledger.tables import artifacts, builds, documents, jobs, stage_runs, sweeps, versions


class ArtifactRow(msgspec.Struct, frozen=True, kw_only=True):
    """Where the output of a work key stands; `build` is set for outputs that live in a store."""

    work_key: str
    pack: str
    start: int
    length: int
    checksum: str
    build: str | None = None


_COLUMNS = [artifacts.c[name] for name in ArtifactRow.__struct_fields__]


class Artifacts:
    """The artifacts and builds of a ledger."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def find(self, cx: Connection, keys: Sequence[str]) -> dict[str, ArtifactRow]:
        """The rows of the keys that have an output."""
        found: dict[str, ArtifactRow] = {}
        for part in slices(keys):
            for row in cx.execute(select(*_COLUMNS).where(artifacts.c.work_key.in_(part))):
                found[row.work_key] = ArtifactRow(**row._mapping)
        return found

    def existing(self, cx: Connection, keys: Sequence[str]) -> set[str]:
        """Which keys have an output."""
        found: set[str] = set()
        for part in slices(keys):
            found.update(cx.execute(select(artifacts.c.work_key).where(artifacts.c.work_key.in_(part))).scalars())
        return found

    def add(self, cx: Connection, rows: Sequence[ArtifactRow]) -> None:
        if rows:
            values = [msgspec.structs.asdict(row) for row in rows]
            cx.execute(self.database.upsert(artifacts, "work_key"), values)

    def forget(self, cx: Connection, keys: Sequence[str]) -> None:
        """Drop rows whose pack is gone or broken, so that they are computed again."""
        for part in slices(keys):
            cx.execute(delete(artifacts).where(artifacts.c.work_key.in_(part)))

    def begin_builds(self, cx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Note what is about to be written to a store; what earlier tries of the same job left there is doomed."""
        for part in slices([row["job"] for row in rows]):
            left = and_(builds.c.job.in_(part), builds.c.store == rows[0]["store"])
            kept = exists().where(artifacts.c.build == builds.c.build, artifacts.c.work_key == builds.c.work_key)
            cx.execute(update(builds).where(left, ~kept).values(doomed=True))
        if rows:
            cx.execute(builds.insert(), list(rows))

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
        """Documents (tenant, id) that have something to sweep and nothing in flight."""
        busy = exists().where(
            jobs.c.tenant == sweeps.c.tenant, jobs.c.document == sweeps.c.document, jobs.c.status.in_(list(LIVE))
        )
        return list(cx.execute(select(sweeps.c.tenant, sweeps.c.document).where(~busy).limit(limit)).tuples())

    def sweep_document(self, cx: Connection, tenant: str, document: str) -> tuple[list[str], list[str]]:
        """Forget what no version of a document needs any more.

        Kept is what its newest job of each pipeline left, where that job is of the active content or has failed (a
        retry goes on from there). Returns the packs that may have become empty, and the raw objects that may have
        become free. The builds that are no longer visible are doomed; `doomed` hands them out.
        """
        row = cx.execute(
            select(documents.c.active_hash, documents.c.deleted_at, documents.c.index_build, documents.c.graph_build)
            .where(documents.c.tenant == tenant, documents.c.document == document)
            .with_for_update()
        ).one()
        mine = and_(jobs.c.tenant == tenant, jobs.c.document == document)
        newest: dict[str, Any] = {}
        everyone = list(
            cx.execute(
                select(jobs.c.job, jobs.c.pipeline, jobs.c.status, jobs.c.content_hash, jobs.c.generation)
                .where(mine)
                .order_by(jobs.c.generation)
            )
        )
        for each in everyone:
            newest[each.pipeline] = each
        kept_jobs = [
            each.job
            for each in newest.values()
            if row.deleted_at is None
            and each.status != JobStatus.SUPERSEDED
            and (each.status != JobStatus.COMPLETED or each.content_hash == row.active_hash)
        ]
        gone_jobs = [each.job for each in everyone if each.job not in set(kept_jobs)]
        keys_of = select(stage_runs.c.work_key).where(stage_runs.c.work_key.is_not(None))
        kept = set(cx.execute(keys_of.where(stage_runs.c.job.in_(kept_jobs))).scalars())
        gone = set(cx.execute(keys_of.where(stage_runs.c.job.in_(gone_jobs))).scalars()) - kept
        visible = [build for build in (row.index_build, row.graph_build) if build]
        superfluous = and_(builds.c.tenant == tenant, builds.c.document == document, builds.c.build.not_in(visible))
        kept_builds = exists().where(artifacts.c.build == builds.c.build, artifacts.c.work_key.in_(kept))
        failed = [each.job for each in newest.values() if each.job in kept_jobs and each.status != JobStatus.COMPLETED]
        doomed = and_(superfluous, ~and_(kept_builds, builds.c.job.in_(failed)))
        stale_keys = set(cx.execute(select(builds.c.work_key).where(doomed)).scalars())
        doomed_names = set(cx.execute(select(builds.c.build).where(doomed)).scalars())
        cx.execute(update(builds).where(doomed).values(doomed=True))
        packs: set[str] = set()
        for part in slices(sorted(gone | stale_keys)):
            found = cx.execute(select(*_COLUMNS).where(artifacts.c.work_key.in_(part))).all()
            drop = [a.work_key for a in found if a.work_key in gone or a.build in doomed_names]
            packs.update(a.pack for a in found if a.work_key in set(drop))
            cx.execute(delete(artifacts).where(artifacts.c.work_key.in_(drop)))
        raws: list[str] = []
        if row.deleted_at is not None:
            where = and_(versions.c.tenant == tenant, versions.c.document == document)
            raws = list(cx.execute(select(versions.c.content_hash).where(where)).scalars())
        cx.execute(delete(sweeps).where(sweeps.c.tenant == tenant, sweeps.c.document == document))
        return sorted(packs), raws

    def doomed(self, cx: Connection, limit: int) -> list[tuple[str, str, str]]:
        """(tenant, store, build) of builds to remove from their stores."""
        query = select(builds.c.tenant, builds.c.store, builds.c.build).where(builds.c.doomed).limit(limit)
        return list(cx.execute(query).tuples())

    def forget_builds(self, cx: Connection, names: Iterable[str]) -> None:
        for part in slices(list(names)):
            cx.execute(delete(builds).where(builds.c.build.in_(part), builds.c.doomed))
