"""What an error of the machine (file system, memory, sockets, SQLite's files) means for a stage.

What may pass by itself is transient; what somebody must mend, a full disk above all, is unavailable: it is no fault of
the document, and the next run tries again.
"""

import errno
import os
import sqlite3
from pathlib import Path

from penstock.errors import PermanentError, StageError, TransientError, UnavailableError

_SPACE = "free space there; the next run goes on"
_RIGHTS = "check who owns it and whether it may be written"
_DISK = "check the disk"
_THERE = "check what is there"

PASSING = frozenset(
    name
    for name in (
        *("EAGAIN", "EBUSY", "EINTR", "EDEADLK", "ENOLCK", "ESTALE", "ETXTBSY", "ENOMEM", "ENOBUFS"),
        *("ECONNRESET", "ECONNABORTED", "ECONNREFUSED", "EPIPE", "ESHUTDOWN", "ENOTCONN", "ETIMEDOUT"),
        *("EHOSTUNREACH", "EHOSTDOWN", "ENETUNREACH", "ENETDOWN", "ENETRESET"),
    )
    if hasattr(errno, name)
)
"""Error numbers that may be gone at the next attempt, by name."""

MENDED: dict[str, str] = {
    "ENOSPC": _SPACE,
    "EDQUOT": "raise the quota or free space; the next run goes on",
    "EFBIG": "raise the limit on the size of a file (`ulimit -f`)",
    "EROFS": "mount it writable",
    "EACCES": _RIGHTS,
    "EPERM": _RIGHTS,
    "ENOENT": _THERE,
    "ENOTDIR": _THERE,
    "EISDIR": _THERE,
    "EEXIST": _THERE,
    "ELOOP": _THERE,
    "EIO": _DISK,
    "ENXIO": _DISK,
    "ENODEV": _DISK,
    "EMFILE": "raise the limit on open files (`ulimit -n`)",
    "ENFILE": "raise the machine's limit on open files (`fs.file-max`)",
}
"""Error numbers that somebody must do something about, and what."""

SQLITE: dict[str, tuple[type[StageError], str, str | None]] = {
    "SQLITE_BUSY": (TransientError, "another writer holds the file", None),
    "SQLITE_LOCKED": (TransientError, "another writer holds the file", None),
    "SQLITE_PROTOCOL": (TransientError, "another writer holds the file", None),
    "SQLITE_SCHEMA": (TransientError, "the file's tables changed", None),
    "SQLITE_NOMEM": (TransientError, "there is no memory left", None),
    "SQLITE_INTERRUPT": (TransientError, "the query was interrupted", None),
    "SQLITE_FULL": (UnavailableError, "the disk is full", _SPACE),
    "SQLITE_READONLY": (UnavailableError, "the file cannot be written", _RIGHTS),
    "SQLITE_PERM": (UnavailableError, "the file cannot be written", _RIGHTS),
    "SQLITE_CANTOPEN": (UnavailableError, "the file cannot be opened", _RIGHTS),
    "SQLITE_IOERR": (UnavailableError, "the file cannot be read or written", _DISK),
    "SQLITE_NOLFS": (UnavailableError, "the file is too large for its disk", _DISK),
    "SQLITE_CORRUPT": (UnavailableError, "the file is broken", "penstock repair"),
    "SQLITE_NOTADB": (UnavailableError, "the file is broken", "penstock repair"),
}
"""SQLite's result codes, the primary ones, <https://www.sqlite.org/rescode.html>; all others are permanent."""

_PASSING = frozenset(getattr(errno, name) for name in PASSING)
_MENDED = {getattr(errno, name): hint for name, hint in MENDED.items() if hasattr(errno, name)}
_CODES = {getattr(sqlite3, name): name for name in SQLITE}


def sqlite_uri(path: Path) -> str:
    """The URI of a SQLite file that is there already: for reading alone where nothing can be written beside it.

    Without a log there is nothing that could change such a file, and SQLite need not lock it (`immutable`); it could
    not, since a file in WAL mode is locked by way of files beside it (https://www.sqlite.org/wal.html#readonly).
    """
    if os.access(path.parent, os.W_OK):
        return f"{path.absolute().as_uri()}?mode=rw"
    log = path.with_name(path.name + "-wal")
    is_still = not (log.exists() and log.stat().st_size)
    return f"{path.absolute().as_uri()}?mode=ro" + ("&immutable=1" if is_still else "")


def os_error(exc: OSError, where: str = "") -> StageError:
    """The error for what the operating system refused: by its number, or by its class where it has none."""
    what = (exc.strerror or str(exc) or type(exc).__name__).strip()
    file = f" (`{exc.filename}`)" if exc.filename and not where else ""
    message = f"{where}{': ' if where else ''}{what[:1].lower()}{what[1:]}{file}"
    if exc.errno in _MENDED:
        return UnavailableError(message, hint=_MENDED[exc.errno])
    if exc.errno in _PASSING or isinstance(exc, TimeoutError | ConnectionError | BlockingIOError | InterruptedError):
        return TransientError(message)
    return PermanentError(f"{where}{': ' if where else ''}{type(exc).__name__}: {what}{file}")


def sqlite_error(exc: sqlite3.Error, where: str = "") -> StageError:
    """The error for what SQLite refused, by its primary result code."""
    code: int | None = getattr(exc, "sqlite_errorcode", None)
    before = f"{where}: " if where else ""
    name = _CODES.get(code & 0xFF, "") if code is not None else ""
    if not name:
        return PermanentError(f"{before}{type(exc).__name__}: {exc}")
    kind, what, hint = SQLITE[name]
    return kind(f"{before}{what} (`{getattr(exc, 'sqlite_errorname', name)}`)", hint=hint)
