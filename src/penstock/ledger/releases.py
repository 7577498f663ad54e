"""Releases: which version of a pipeline is in force.

That is the version that its file declares, until somebody rolls it back: then it is the one that was chosen, for as
long as the file declares what it declared then. A file that has become unsound leaves the version in force as it is.
"""

import msgspec
from sqlalchemy import Connection, func, select, update

from penstock.ledger.clock import now
from penstock.ledger.database import Database
from penstock.ledger.status import LIVE
from penstock.ledger.tables import jobs, releases, topologies


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the releases table. `declared` is what the file said when `digest` came into force.

    `problem` is what is wrong with the file now; `changed_by` names who rolled back, and is empty after an edit.
    """

    pipeline: str
    digest: str
    declared: str
    file: str
    problem: str | None = None
    changed_by: str = ""
    changed_at: float = 0.0


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline version that the ledger keeps, and how many of its jobs are in flight."""

    pipeline: str
    version: str
    digest: str
    created_at: float
    in_flight: int
    in_force: bool


_COLUMNS = [releases.c[name] for name in Release.__struct_fields__]


class Releases:
    """The releases of a ledger."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def all(self, cx: Connection) -> dict[str, Release]:
        """Every release, by pipeline."""
        return {row.pipeline: Release(**row._mapping) for row in cx.execute(select(*_COLUMNS))}

    def declare(self, cx: Connection, pipeline: str, digest: str, file: str) -> str | None:
        """A sound file declares this version; returns the one that it takes the place of, or "" for the first.

        None where the file says what it said before: what is in force stays.
        """
        found = self.all(cx).get(pipeline)
        sound = {"file": file, "problem": None}
        if found is not None and found.declared == digest:
            cx.execute(update(releases).where(releases.c.pipeline == pipeline).values(**sound))
            return None
        row = {"pipeline": pipeline, "digest": digest, "declared": digest, "changed_by": "", **sound}
        cx.execute(self.database.upsert(releases, "pipeline"), [row | {"changed_at": self._now(cx)}])
        return found.digest if found else ""

    def spoil(self, cx: Connection, pipeline: str, problem: str) -> bool:
        """The file is not sound; returns whether that is news. What is in force stays."""
        news = (releases.c.pipeline == pipeline, func.coalesce(releases.c.problem, "") != problem)
        return bool(cx.execute(update(releases).where(*news).values(problem=problem)).rowcount)

    def choose(self, cx: Connection, release: Release) -> None:
        """Put a version in force that the ledger keeps, whatever the file declares."""
        row = msgspec.structs.asdict(release) | {"changed_at": self._now(cx)}
        cx.execute(self.database.upsert(releases, "pipeline"), [row])

    def versions(self, cx: Connection, pipeline: str | None = None) -> list[Version]:
        """The versions that the ledger keeps, by pipeline, newest first."""
        flying = select(jobs.c.topology, func.count()).where(jobs.c.status.in_(list(LIVE)))
        counts = {row[0]: row[1] for row in cx.execute(flying.group_by(jobs.c.topology))}
        in_force = {release.digest for release in self.all(cx).values()}
        query = select(topologies.c.pipeline, topologies.c.version, topologies.c.digest, topologies.c.created_at)
        if pipeline is not None:
            query = query.where(topologies.c.pipeline == pipeline)
        return [
            Version(**row._mapping, in_flight=int(counts.get(row.digest, 0)), in_force=row.digest in in_force)
            for row in cx.execute(query.order_by(topologies.c.pipeline, topologies.c.created_at.desc()))
        ]

    def _now(self, cx: Connection) -> float:
        return float(cx.execute(select(now())).scalar_one())
