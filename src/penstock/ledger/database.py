"""Opening the ledger's database: SQLite under the home, or PostgreSQL.

Writers exclude one another on both, so that what a transaction has read still holds when it writes. SQLite runs in WAL
mode with `synchronous=FULL`, and a write transaction begins with `BEGIN IMMEDIATE`: a deferred one that reads before it
writes fails at once when another process writes (https://www.sqlite.org/isolation.html). On PostgreSQL a write
transaction begins by taking an advisory lock (https://www.postgresql.org/docs/current/explicit-locking.html).
"""

import sqlite3
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Engine,
    Insert,
    Table,
    create_engine,
    event,
    inspect,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError
from sqlalchemy.sql.dml import UpdateBase

from penstock.effects import effect
from penstock.errors import LedgerError, MissingDependencyError
from penstock.ledger.bulk import Bulk
from penstock.ledger.tables import metadata
from penstock.machine import sqlite_uri

COMMIT, BESIDE = "ledger.commit", "ledger.beside"
"""What the seam calls the commits of write transactions, where the caller does not say more."""

REVISION = "0011"
"""The newest migration in `migrations/versions`; a test compares the two."""

_STAMP = (
    "create table if not exists alembic_version (version_num varchar(32) primary key)",
    f"insert into alembic_version values ('{REVISION}')",  # noqa: S608 - a constant
)

_SQLITE_ARGS: dict[str, Any] = {"timeout": 60, "isolation_level": None, "check_same_thread": False}
"""`isolation_level` None: the driver begins nothing by itself, `_begin` does."""

_PAGE_BYTES = 8192
"""A transaction over thousands of rows costs a tenth less than with SQLite's 4096: fewer pages are logged."""

_LOG_BYTES = 32 << 20
"""So much is logged before it is copied back: at each stage of a batch the same pages are written again."""

_LOOKS, _LOOK_SECONDS = 1000, 0.001

_EXCLUSIVE = text(
    "select pg_advisory_xact_lock(1885695603), set_config('idle_in_transaction_session_timeout', '60s', true)"
)
"""A writer that goes silent (stopped, or cut off) would hold up all others: the server ends its transaction."""


class Database:
    """Connections to the ledger. `begin` is for writing, `read` for reading."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._bulks: dict[tuple[UpdateBase, frozenset[str]], Bulk] = {}
        self._new: dict[Table, Insert] = {}
        weakref.finalize(self, engine.dispose)  # a workspace that nobody closes leaves no connection open
        self._reader = engine.execution_options(penstock_read=True)
        if not self.is_sqlite:
            self._reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @classmethod
    def open(cls, url: str) -> "Database":
        """Connect, and create or migrate the tables where that is due. Safe for many processes at once.

        Raises:
            LedgerError: the database was written by a newer Penstock, or is no ledger.
            MissingDependencyError: the server cannot be reached, or its driver is not installed.
        """
        database = cls(_engine(url))
        try:
            database._prepare()
        except OperationalError as exc:
            database.close()
            raise MissingDependencyError(
                f"the ledger at `{_shown(url)}` cannot be reached: {_first_line(exc)}",
                hint="see that the home can be written to"
                if database.is_sqlite
                else "start the server, or unset the profile's `ledger.url` to use SQLite under the home",
            ) from exc
        except DatabaseError as exc:
            database.close()
            raise LedgerError(
                f"the ledger at `{_shown(url)}` cannot be read: {_first_line(exc)}",
                hint="penstock repair" if database.is_sqlite else "see what the server's own tools say",
            ) from exc
        except LedgerError:
            database.close()
            raise
        return database

    @contextmanager
    def begin(self, commit: str = COMMIT) -> Iterator[Connection]:
        """One write transaction: all of it or nothing, and no other one beside it."""
        with self.begin_beside(commit) as connection:
            self.exclusive(connection)
            yield connection

    @contextmanager
    def begin_beside(self, commit: str = BESIDE) -> Iterator[Connection]:
        """A write transaction for rows that only this process writes: on PostgreSQL it waits for no other."""
        with self.engine.begin() as connection:
            yield connection
            with effect(commit):
                connection.commit()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; sees one state of the database for as long as it is open."""
        with self._reader.connect() as connection:
            yield connection

    def exclusive(self, connection: Connection) -> None:
        """Hold all other writers off until the transaction ends; `begin` has done so already."""
        if not self.is_sqlite:
            connection.execute(_EXCLUSIVE)

    def insert_new(self, table: Table) -> Insert:
        """An insert that leaves rows alone that are there already; the same object each time."""
        return self._new.setdefault(table, _insert(table, self.is_sqlite).on_conflict_do_nothing())

    def upsert(
        self, table: Table, *keys: str, where: ColumnElement[bool] | None = None, change: dict[str, Any] | None = None
    ) -> Insert:
        """An insert that replaces the row with the same keys, or only such a row that `where` holds for.

        With `change` that row is not replaced, but these columns of it change.
        """
        statement = _insert(table, self.is_sqlite)
        changed = change or {c.name: statement.excluded[c.name] for c in table.columns if c.name not in keys}
        return statement.on_conflict_do_update(index_elements=keys, set_=changed, where=where)

    def execute_many(
        self, connection: Connection, statement: UpdateBase, rows: Sequence[Mapping[str, Any]]
    ) -> CursorResult[Any]:
        """Execute a statement for every row; all have the same keys. It is kept, compiled: pass the same object."""
        columns = {name: list(map(itemgetter(name), rows)) for name in rows[0]}
        return self.execute_columns(connection, statement, columns)

    def execute_columns(
        self, connection: Connection, statement: UpdateBase, columns: Mapping[str, Sequence[Any]]
    ) -> CursorResult[Any]:
        """The same for rows that are given column by column."""
        key = (statement, frozenset(columns))
        bulk = self._bulks.get(key) or Bulk(statement, self.engine.dialect, sorted(columns))
        return self._bulks.setdefault(key, bulk).execute(connection, columns)

    def close(self) -> None:
        self.engine.dispose()

    def _prepare(self) -> None:
        with self.read() as connection:
            if _revision(connection) == REVISION:
                return
        with self.begin() as connection:
            found = _revision(connection)
            if found is None:
                metadata.create_all(connection)
                for statement in _STAMP:
                    connection.exec_driver_sql(statement)
            elif found != REVISION:
                from penstock.ledger.migrate import upgrade  # alembic is slow to import and seldom needed

                upgrade(connection, found)


def sqlite_url(path: Path) -> str:
    """The address of a SQLite ledger."""
    return f"sqlite+pysqlite:///{path}"


def readable_url(path: Path) -> str:
    """The address of a SQLite ledger in a folder that cannot be written."""
    return f"sqlite+pysqlite:///{sqlite_uri(path)}&uri=true"


def slices(values: Sequence[str], size: int = 500) -> Iterator[Sequence[str]]:
    """The values in parts that fit into one statement."""
    return (values[i : i + size] for i in range(0, len(values), size))


def _insert(table: Table, is_sqlite: bool) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if is_sqlite else postgresql.insert(table)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("select version_num from alembic_version")).scalar()


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() == "sqlite":
            engine = create_engine(parsed, connect_args=_SQLITE_ARGS, hide_parameters=True)
            event.listen(engine, "connect", _set_pragmas)
            event.listen(engine, "begin", _begin)
            return engine
        if parsed.get_backend_name() == "postgresql":
            return create_engine(parsed, pool_pre_ping=True, pool_size=4, hide_parameters=True)
    except (ArgumentError, NoSuchModuleError) as exc:
        raise LedgerError(_no_address(url)) from exc
    except ImportError as exc:
        raise MissingDependencyError(
            f"the ledger's database needs the package `{exc.name}`", hint="pip install 'penstock[postgres]'"
        ) from exc
    raise LedgerError(_no_address(url))


def _no_address(url: str) -> str:
    return f"`{_shown(url)}` is no address of a ledger; write `postgresql://user@host/name`"


def _set_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    if cursor.execute("pragma journal_mode").fetchone() != ("wal",):
        cursor.execute(f"pragma page_size={_PAGE_BYTES}")  # of a database that is new; the others keep theirs
        _switch_to_wal(cursor)
    cursor.execute("pragma synchronous=full")
    (page,) = cursor.execute("pragma page_size").fetchone()
    cursor.execute(f"pragma wal_autocheckpoint={_LOG_BYTES // page}")
    cursor.execute("pragma foreign_keys=on")
    cursor.execute("pragma cache_size=-65536")
    cursor.close()


def _switch_to_wal(cursor: Any) -> None:
    # at the first use by several processes this one statement is refused at once, whatever the timeout
    deadline = time.monotonic() + _SQLITE_ARGS["timeout"]
    while True:
        try:
            cursor.execute("pragma journal_mode=wal")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("penstock_read"):
        connection.exec_driver_sql("begin")
    elif not _begin_soon(connection.connection.dbapi_connection):
        connection.exec_driver_sql("begin immediate")


def _begin_soon(connection: Any) -> bool:
    """Begin to write as soon as nobody else does; False where that takes long, or cannot be done.

    SQLite itself looks again after waits that grow to a tenth of a second, longer than most writers take.
    """
    connection.execute("pragma busy_timeout=0")
    try:
        for _ in range(_LOOKS):
            try:
                connection.execute("begin immediate")
            except sqlite3.Error as exc:
                if getattr(exc, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:  # the code without its extension
                    return False  # SQLAlchemy tells of it as of any other error
                time.sleep(_LOOK_SECONDS)
            else:
                return True
        return False
    finally:
        connection.execute(f"pragma busy_timeout={1000 * _SQLITE_ARGS['timeout']}")


def _shown(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "…"


def _first_line(exc: Exception) -> str:
    return str(getattr(exc, "orig", exc)).strip().splitlines()[0]
