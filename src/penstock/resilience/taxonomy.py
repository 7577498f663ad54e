"""What an adapter raised, as a type that says what follows.

An adapter that knows better raises a `StageError` itself. For all else there is one table: HTTP clients
(`penstock.endpoints`), the machine and SQLite (`penstock.machine`), Python's own errors here. Libraries are known by
the names of their classes and never imported for it.
"""

import sqlite3
import ssl
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError
from socket import gaierror
from typing import Any

from penstock.endpoints import transport_error
from penstock.errors import (
    MissingDependencyError,
    PenstockError,
    PermanentError,
    StageCrashError,
    StageError,
    TransientError,
    UnavailableError,
)
from penstock.machine import os_error, sqlite_error

_ENDPOINT = "the endpoint"
_LONGEST_MESSAGE = 300
_PANIC = "pyo3_runtime.PanicException"
"""What a panic in Rust (tokenizers, tantivy) is raised as: beside `Exception`, so that it is not caught by chance."""

OWN: tuple[tuple[type[BaseException], Callable[[Any], StageError]], ...] = (
    (MissingDependencyError, lambda exc: UnavailableError(exc.message, hint=exc.hint)),
    (PenstockError, lambda exc: PermanentError(exc.message, hint=exc.hint)),
    (ssl.SSLError, lambda exc: transport_error(_ENDPOINT, exc) or PermanentError(_told(exc))),
    (gaierror, lambda exc: transport_error(_ENDPOINT, exc) or PermanentError(_told(exc))),
    (sqlite3.Error, sqlite_error),
    (MemoryError, lambda exc: TransientError("there is no memory left")),
    (TimeoutError, lambda exc: TransientError("no answer in time")),
    (OSError, os_error),
    (BrokenExecutor, lambda exc: StageCrashError("a worker process of the adapter died")),
    (RecursionError, lambda exc: PermanentError("RecursionError: nested too deep")),
)
"""Python's own errors and ours: the first class that fits. Those that are not here are permanent."""


def as_stage_error(exc: BaseException) -> StageError:
    """What an adapter raised, as a `StageError` whose cause it is; what the table does not know is permanent.

    Cancellation and interruption are no errors: they are raised again. A library's `sys.exit` is one.
    """
    if isinstance(exc, StageError):
        return exc
    if is_cancellation(exc):
        raise exc
    error = transport_error(_ENDPOINT, exc) if isinstance(exc, Exception) else None
    if error is None:
        known = (make for kind, make in OWN if isinstance(exc, kind))
        error = next(known, lambda it: PermanentError(_told(it)))(exc)
    error.__cause__ = exc
    return error


def is_cancellation(exc: BaseException) -> bool:
    """Whether it ends the work from outside (Ctrl-C, a cancelled task) and must never be taken for a failure."""
    if isinstance(exc, CancelledError):
        return True
    kind = type(exc)
    return not isinstance(exc, Exception | SystemExit) and f"{kind.__module__}.{kind.__qualname__}" != _PANIC


def _told(exc: BaseException) -> str:
    lines = str(exc).strip().splitlines()
    return f"{type(exc).__name__}: {lines[0][:_LONGEST_MESSAGE]}" if lines else type(exc).__name__
