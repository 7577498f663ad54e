"""Dagster's SQLite storage with connections that stay open.

Dagster's own opens a connection for every event that it stores and closes it again, which costs more than most stages
do; these keep the connections of the runs last used. It also asks all of its migrations which is the newest whenever it
meets a file, a run's new one included; here a new file takes its tables from one that is there. The tables, the files
and everything else are Dagster's. What is kept here is history for the UI; what must not be lost is in the ledger, so
`synchronous=NORMAL` will do.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import sqlalchemy as db
from dagster import StringSource
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.sqlite import create_db_conn_string
from dagster._serdes import ConfigurableClassData

from penstock.effects import effect

_OPEN = 4
_TIMEOUT_SECONDS = 30


class EventHistory(SqliteEventLogStorage):
    """Event logs, a file a run, below `history/runs` of the folder."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, db.Engine] = OrderedDict()
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> Any:
        return {"folder": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        return cls(str(_history(config_value) / "runs"), inst_data)

    def _initdb(self, engine: db.Engine, for_index_shard: bool = False) -> None:
        if _is_made(engine):
            return
        index = Path(self.path_for_shard(INDEX_SHARD_NAME))
        if not for_index_shard and engine.url.database != str(index) and index.exists():
            # another process makes it: Dagster waits for that one; or who made the pattern was killed on the way
            with suppress(db.exc.OperationalError, sqlite3.OperationalError):
                _make_alike(engine, index)
        if not _is_made(engine):
            super()._initdb(engine, for_index_shard)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[db.Connection]:
        with self._db_lock:
            engine = self._engines.pop(shard, None)
            if engine is None:
                engine = _engine(self.conn_string_for_shard(shard))
                self._initdb(engine)
            self._engines[shard] = engine
            while len(self._engines) > _OPEN:
                self._engines.popitem(last=False)[1].dispose()
            with _transaction(engine) as connection:
                yield connection

    def dispose(self) -> None:
        while self._engines:
            self._engines.popitem()[1].dispose()
        super().dispose()


class RunHistory(SqliteRunStorage):
    """Runs and their tags, in `history/runs.db` of the folder."""

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engine = _engine(conn_string)
        super().__init__(conn_string, inst_data)

    @classmethod
    def config_type(cls) -> Any:
        return {"folder": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        folder = str(_history(config_value))
        address = create_db_conn_string(folder, "runs")
        if (Path(folder) / "runs.db").exists():
            found = cls(address, inst_data)
            if _is_made(found._engine):
                return found
            found.dispose()
        return cls.from_local(folder, inst_data)

    @contextmanager
    def connect(self) -> Iterator[db.Connection]:
        with _transaction(self._engine) as connection:
            yield connection

    def dispose(self) -> None:
        self._engine.dispose()
        super().dispose()


@contextmanager
def _transaction(engine: db.Engine) -> Iterator[db.Connection]:
    with engine.begin() as connection:
        yield connection
        # SQLite is in a transaction once something has been written
        if connection.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]  # it is open, so not None
            with effect("history.commit"):
                connection.commit()


def _history(config: Mapping[str, str]) -> Path:
    return Path(config["folder"]) / "history"


def _engine(url: str) -> db.Engine:
    arguments = {"timeout": _TIMEOUT_SECONDS, "check_same_thread": False}
    engine = db.create_engine(url, connect_args=arguments)
    db.event.listen(engine, "connect", lambda connection, _: connection.execute("pragma synchronous=normal"))
    return engine


_TABLES = "select sql from sqlite_master where sql is not null and name not like 'sqlite%' order by rowid"
_REVISIONS = "select version_num from alembic_version"


def _is_made(engine: db.Engine) -> bool:
    """Whether a file has Dagster's tables, of whatever revision: `dagster instance migrate` takes it to the newest."""
    with engine.connect() as connection:
        if not db.inspect(connection).has_table("alembic_version"):
            return False
        return connection.exec_driver_sql(_REVISIONS).first() is not None


def _make_alike(engine: db.Engine, pattern: Path) -> None:
    """Give a new file the tables of one that is there, and its revision, in one transaction."""
    with closing(sqlite3.connect(pattern, timeout=_TIMEOUT_SECONDS)) as found:
        tables = [sql for (sql,) in found.execute(_TABLES)]
        revisions = found.execute(_REVISIONS).fetchall()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("pragma journal_mode=wal")
        connection.exec_driver_sql("begin immediate")
        if not db.inspect(connection).has_table("alembic_version"):
            for sql in tables:
                connection.exec_driver_sql(sql)
            for revision in revisions:
                connection.exec_driver_sql("insert into alembic_version values (?)", revision)
        with effect("history.commit"):
            connection.exec_driver_sql("commit")
