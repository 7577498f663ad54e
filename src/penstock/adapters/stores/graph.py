"""Entities and relations in one SQLite file: `graph.db`."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel

from penstock.adapters.stores import graph_rows, likeness
from penstock.adapters.stores.aside import set_aside
from penstock.adapters.stores.durable import PARTIAL, sync_folder
from penstock.adapters.stores.filelock import locked
from penstock.adapters.stores.settings import NoSettings
from penstock.adapters.stores.tenants import check_tenant
from penstock.effects import effect
from penstock.errors import UnavailableError
from penstock.graph_digest import facts_digest
from penstock.machine import sqlite_error, sqlite_uri
from penstock.ports import Likeness, Resources
from penstock.records import Claim, Facts

_BUSY_SECONDS = 30.0
_TABLES = {"builds", "entities", "mentions", "relations"}
_SCHEMA = """
CREATE TABLE builds (
    number INTEGER PRIMARY KEY, tenant TEXT NOT NULL, build TEXT NOT NULL, document TEXT NOT NULL,
    UNIQUE (tenant, build)
) STRICT;
CREATE TABLE entities (
    build INTEGER NOT NULL REFERENCES builds ON DELETE CASCADE, position INTEGER NOT NULL,
    entity_id TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, identifiers BLOB NOT NULL,
    folded_id TEXT NOT NULL, folded_name TEXT NOT NULL,
    PRIMARY KEY (build, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX entities_by_id ON entities (folded_id);
CREATE INDEX entities_by_name ON entities (folded_name);
CREATE TABLE mentions (
    build INTEGER NOT NULL REFERENCES builds ON DELETE CASCADE, entity INTEGER NOT NULL, position INTEGER NOT NULL,
    "start" INTEGER NOT NULL, "end" INTEGER NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (build, entity, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE relations (
    build INTEGER NOT NULL REFERENCES builds ON DELETE CASCADE, position INTEGER NOT NULL,
    subject TEXT NOT NULL, predicate TEXT NOT NULL, object TEXT NOT NULL,
    extractor TEXT NOT NULL, version TEXT NOT NULL, "start" INTEGER, "end" INTEGER, evidence TEXT NOT NULL,
    PRIMARY KEY (build, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX relations_by_subject ON relations (subject);
CREATE INDEX relations_by_object ON relations (object);
"""


class SQLiteGraph:
    """A graph in the state folder. Every write is one transaction; several processes may read and write at once."""

    settings_type: ClassVar[type[BaseModel]] = NoSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: NoSettings, resources: Resources) -> None:
        self._home = resources.home
        self._path = resources.home / "graph.db"

    def write(self, tenant: str, builds: Mapping[str, tuple[str, Facts]]) -> None:
        """Put each build's (document id, facts) in, replacing what stands under that build.

        Raises `TransientError` when another writer keeps the file for 30 s, `UnavailableError` when the disk does not
        take the rows.
        """
        check_tenant(tenant)
        if not builds:
            return
        if not self._path.exists():
            self._create()
        with self._transaction() as connection:
            self._complete(connection)
            for build, (document, facts) in builds.items():
                graph_rows.remove(connection, tenant, build)
                graph_rows.insert(connection, tenant, build, document, facts)

    def remove(self, tenant: str, builds: Iterable[str]) -> None:
        """Remove all rows of the builds; absent builds are passed over."""
        check_tenant(tenant)
        if self._path.exists():
            with self._transaction() as connection:
                for build in builds:
                    graph_rows.remove(connection, tenant, build)

    def find(self, tenant: str, name_or_id: str) -> list[tuple[str, str, str]]:
        """(entity id, name, type) of the entities that bear this id or name, whatever its case; sorted."""
        folded = name_or_id.casefold()
        return self._select(
            "SELECT DISTINCT entity_id, name, type FROM entities JOIN builds ON builds.number = entities.build"
            " WHERE tenant = ? AND (folded_id = ? OR folded_name = ?) ORDER BY 1, 2, 3",
            (check_tenant(tenant), folded, folded),
        )

    def relations(self, tenant: str, entity_id: str) -> list[tuple[str, str, Claim]]:
        """(build, document id, claim) of every relation that the entity takes part in, by build."""
        rows = self._select(
            f"SELECT builds.build, document, {graph_rows.CLAIM} FROM relations"  # noqa: S608 - constants
            " JOIN builds ON builds.number = relations.build"
            " WHERE tenant = ? AND (subject = ? OR object = ?) ORDER BY 1, position",
            (check_tenant(tenant), entity_id, entity_id),
        )
        return [(build, document, graph_rows.claim_of(row)) for build, document, *row in rows]

    def likenesses(self, tenant: str, entity_ids: Iterable[str]) -> list[Likeness]:
        """By what these entities may be the same as others, in any build; sorted."""
        return self._likenesses(tenant, "entity_id", entity_ids)

    def bearers(self, tenant: str, keys: Iterable[str]) -> list[Likeness]:
        """Which entities have one of these keys, in any build and of any kind; sorted."""
        return self._likenesses(tenant, "key", keys)

    def facts(self, tenant: str, build: str) -> Facts:
        """What was written under a build, in the same order; empty where there is nothing."""
        with self._snapshot() as connection:
            row = (
                connection
                and connection.execute(
                    "SELECT number FROM builds WHERE tenant = ? AND build = ?", (check_tenant(tenant), build)
                ).fetchone()
            )
            return graph_rows.facts(connection, row[0]) if connection and row else Facts()

    def scan(self, tenant: str) -> Iterator[tuple[str, str]]:
        """(build, digest of its facts) of every build, computed from the rows, as of one moment.

        Raises `UnavailableError` where the file is broken: all of it is checked, not the tenant's rows alone.
        """
        with self._snapshot() as connection:
            if connection is None:
                return
            self._check(connection)
            statement = "SELECT build, number FROM builds WHERE tenant = ? ORDER BY build"
            for build, number in connection.execute(statement, (check_tenant(tenant),)):
                yield build, facts_digest(graph_rows.facts(connection, number))

    def mend(self, tenant: str) -> bool:
        """Set a file that is broken aside, that of all tenants (`penstock.ports.Mendable`)."""
        if not self._is_broken():
            return False
        with locked(self._path.with_suffix(".lock"), "graph"):
            set_aside(self._home, [self._path, *self._beside()], "graph")
        return True

    def _likenesses(self, tenant: str, column: str, values: Iterable[str]) -> list[Likeness]:
        check_tenant(tenant)
        if not self._path.exists():
            return []
        with self._snapshot() as connection:
            if connection is None:
                return []
            if likeness.is_there(connection):
                found = likeness.select(connection, tenant, column, values)
                return sorted(found, key=lambda each: (each.build, each.entity_id, each.kind, each.key))
        with self._transaction() as connection:
            self._complete(connection)
        return self._likenesses(tenant, column, values)

    @staticmethod
    def _complete(connection: sqlite3.Connection) -> None:
        """Give a graph that an older Penstock made the table of likenesses."""
        if not likeness.is_there(connection):
            likeness.add_table(connection)

    def _is_broken(self) -> bool:
        try:
            with self._snapshot() as connection:
                if connection is not None:
                    self._check(connection)
        except UnavailableError as exc:
            code = getattr(exc.__cause__, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
            return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        return False

    def _check(self, connection: sqlite3.Connection) -> None:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        [verdict] = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok" or not tables >= _TABLES:
            raise UnavailableError(f"{self._path}: the file is broken", hint="penstock repair")

    def _beside(self) -> list[Path]:
        """What SQLite keeps beside the file; it must never meet another file of the same name."""
        return [self._path.with_name(self._path.name + end) for end in ("-wal", "-shm")]

    def _create(self) -> None:
        """Make the file beside its place and move it there: whoever sees it sees its tables."""
        with locked(self._path.with_suffix(".lock"), "graph"):
            if self._path.exists():
                return
            partial = self._path.with_suffix(PARTIAL)
            with effect("graph.create"):
                partial.unlink(missing_ok=True)
                with closing(sqlite3.connect(partial, isolation_level=None)) as connection:
                    connection.execute("PRAGMA journal_mode = WAL")
                    connection.executescript(f"BEGIN; {_SCHEMA} {likeness.SCHEMA} COMMIT;")
                for path in self._beside():
                    path.unlink(missing_ok=True)
            with effect("graph.rename"):
                partial.replace(self._path)
            sync_folder(self._path.parent, "graph")

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        try:
            uri = sqlite_uri(self._path)
            with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
                yield connection
        except sqlite3.Error as exc:
            raise sqlite_error(exc, str(self._path)) from exc

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:  # SQLite ends it by itself when the disk is full
                    connection.execute("ROLLBACK")
                raise
            with effect("graph.commit"):
                connection.execute("COMMIT")

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection | None]:
        """A connection that sees one state of the graph; None where there is no graph."""
        if not self._path.exists():
            yield None
            return
        with self._connect() as connection:
            connection.execute("BEGIN")
            yield connection

    def _select(self, statement: str, values: tuple[str, ...]) -> list[Any]:
        with self._snapshot() as connection:
            return connection.execute(statement, values).fetchall() if connection else []
