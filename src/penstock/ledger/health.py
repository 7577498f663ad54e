"""Whether a ledger of SQLite is sound, told without changing it. A server's own tools look after PostgreSQL."""

import sqlite3
from contextlib import closing
from pathlib import Path

from penstock.errors import LedgerError
from penstock.ledger.database import REVISION
from penstock.ledger.tables import metadata
from penstock.machine import sqlite_uri

LEDGER = "ledger.db"
BESIDE = ("-wal", "-shm")
"""What SQLite keeps beside the file; it must never meet another file of the same name."""

_SHOWN = 3
_MAGIC = b"SQLite format 3\x00"
_HOLDS = ("raw", "artifacts")


def ledger_faults(home: Path) -> list[str]:
    """What is wrong with the ledger in a home; nothing where it is sound, or where there is none.

    Every page is read (`PRAGMA integrity_check`). Raises `LedgerError` for a file that is no database.
    """
    path = home / LEDGER
    if not path.exists():
        return []
    check_is_ledger(home)
    try:
        with closing(sqlite3.connect(_read_only(path), uri=True, timeout=60)) as connection:
            tables = {name for (name,) in connection.execute("select name from sqlite_schema where type = 'table'")}
            found = [line for (line,) in connection.execute(f"pragma integrity_check({_SHOWN})")]
            is_current = "alembic_version" in tables and revision_of(connection) == REVISION
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as exc:
        if exc.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise no_database(path) from exc
        return [str(exc)]
    if found != ["ok"]:
        return [line.splitlines()[-1] for line in found]
    lost = sorted(set(metadata.tables) - tables) if is_current else []
    return [f"the table `{name}` is gone" for name in lost]


def _read_only(path: Path) -> str:
    return sqlite_uri(path).replace("mode=rw", "mode=ro")


def revision_of(connection: sqlite3.Connection) -> str | None:
    """The revision that the ledger says it has, or None where it says nothing that can be read."""
    try:
        row = connection.execute("select version_num from alembic_version").fetchone()
    except sqlite3.DatabaseError:
        return None
    return row[0] if row else None


def check_is_ledger(home: Path) -> None:
    """Refuse what SQLite would take for a new database, and write one over it, in a home that holds documents."""
    path = home / LEDGER
    try:
        with path.open("rb") as file:
            start = file.read(len(_MAGIC))
    except FileNotFoundError:
        return
    if start and start != _MAGIC:
        raise no_database(path)
    log = path.with_name(path.name + BESIDE[0])
    is_in_use = start or (log.exists() and log.stat().st_size)
    if not is_in_use and any((home / name).is_dir() for name in _HOLDS):
        raise no_database(path, "it is empty, though the home holds documents")


def no_database(path: Path, why: str = "it is no SQLite database") -> LedgerError:
    """The refusal of a file of which nothing can be read."""
    return LedgerError(
        f"the ledger `{path}` cannot be used: {why}; nothing can be read from it",
        hint=f"restore it from a backup; or move it and `{path.name}-wal` away, run your inputs again, and"
        " `penstock repair` removes what nothing refers to",
    )
