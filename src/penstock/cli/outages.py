"""A disk or a database that fails under a command, told as any other error: what it is, and what to do."""

import errno
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from penstock.errors import LedgerError, MissingDependencyError, PenstockError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, sqlite3.SQLITE_FULL << 16})
_FIXED = frozenset({errno.EROFS, errno.EACCES, sqlite3.SQLITE_READONLY << 16, sqlite3.SQLITE_CANTOPEN << 16})
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT << 16, sqlite3.SQLITE_NOTADB << 16})
_LITTLE = 1 << 20
_AGAIN = "then run the same command again: what was done is kept, and it finishes what is not"


def outage(exc: BaseException, home: Path) -> PenstockError | None:
    """What a failure of the machine is told as, however deep it lies; None for any other exception."""
    causes = list(_causes(exc))
    codes = {_code(each) for each in causes}
    if codes & _FULL:
        return MissingDependencyError(f"the disk is full: {_where_full(home)}", hint=f"free space, {_AGAIN}")
    if codes & _FIXED:
        return MissingDependencyError(
            f"`{home}` cannot be written: it is mounted read-only, or belongs to somebody else",
            hint=f"make it writable, {_AGAIN}",
        )
    if codes & _BROKEN:
        return LedgerError(f"a database below `{home}` is damaged", hint="penstock audit, then: penstock repair")
    if isinstance(exc, PenstockError | BrokenPipeError):  # a pipe that is closed is the shell's way
        return None
    return _other(exc)


def _where_full(home: Path) -> str:
    for place in (home, Path(tempfile.gettempdir())):
        if place.is_dir() and (free := shutil.disk_usage(place).free) < _LITTLE:
            return f"`{place}` has {free:,} bytes left"
    return f"no space is left below `{home}`"


def _other(exc: BaseException) -> PenstockError | None:
    if isinstance(exc, OSError):
        where = f"`{exc.filename}`: " if exc.filename else ""
        return PenstockError(f"{where}{exc.strerror or type(exc).__name__}", hint=f"mend that, {_AGAIN}")
    database = sys.modules.get("sqlalchemy.exc")  # not imported for commands that only look at YAML
    if database is not None and isinstance(exc, (database.OperationalError, database.InterfaceError)):
        lines = str(exc.orig).strip().splitlines()
        return LedgerError(f"the ledger: {lines[0] if lines else type(exc).__name__}", hint=f"mend that, {_AGAIN}")
    return None


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        yield exc
        exc = exc.__cause__ or exc.__context__


def _code(exc: BaseException) -> int | None:
    """An error number of the system, or a primary result code of SQLite, moved out of their way."""
    if isinstance(exc, sqlite3.Error):
        return (getattr(exc, "sqlite_errorcode", 0) & 0xFF) << 16
    return exc.errno if isinstance(exc, OSError) else None
