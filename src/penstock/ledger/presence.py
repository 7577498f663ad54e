"""A process that writes files before the ledger knows of them, known by a lock file under the home while it lives.

The kernel lets go of the lock with the process, so its death is known at once. A process that is stopped keeps it; so a
worker notes each beat in the file, by the kernel's own clock, which nobody can set, and which stands still while the
machine sleeps (CLOCK_MONOTONIC, the same for all processes of a machine; see clock_gettime(2)).

The file goes when all has ended well: one that nobody holds tells that somebody may have left something behind
(`penstock.execution.leftovers`).
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from penstock.effects import effect


class Presence:
    """This process, or a part of its work; use as a context manager."""

    def __init__(self, home: Path, name: str) -> None:
        self._path = lock_file(home, name)
        self._lock: IO[str] | None = None
        self._unsettled = 0

    def __enter__(self) -> "Presence":
        with effect("worker.lock"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = self._acquire()
        return self

    def __exit__(self, error: object, *rest: object) -> None:
        assert self._lock is not None
        try:
            if error is None and not self._unsettled:
                with effect("worker.unlink"):
                    self._path.unlink(missing_ok=True)
        finally:
            self._lock.close()

    def beat(self, lease_seconds: float) -> None:
        """Note that this process is alive, and for how long that counts."""
        if self._lock is not None:
            os.pwrite(self._lock.fileno(), f"{time.monotonic():020.3f} {lease_seconds:012.3f}\n".encode(), 0)

    @contextmanager
    def settling(self) -> Iterator[None]:
        """Files are written, and then the ledger told of them: where the second fails, the file of the lock stays."""
        self._unsettled += 1
        yield
        self._unsettled -= 1

    def _acquire(self) -> IO[str]:
        while True:
            file = self._path.open("w")
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                return file
            file.close()  # somebody took it for a dead one's before it was locked


def lock_file(home: Path, name: str) -> Path:
    """Where a worker's lock lies."""
    return home / "workers" / f"{name}.lock"


def is_let_go(path: Path) -> bool:
    """Whether a lock file is there and nobody holds it."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (FileNotFoundError, BlockingIOError):
        return False
    return True


def is_beating(path: Path) -> bool | None:
    """Whether the last beat that is noted in a lock file still counts; None where there is none."""
    try:
        at, lease_seconds = map(float, path.read_text().split())
    except (FileNotFoundError, ValueError):
        return None
    return 0 <= time.monotonic() - at < lease_seconds


def left_behind(home: Path) -> list[Path]:
    """The lock files of those that did not end well."""
    folder = home / "workers"
    return [path for path in sorted(folder.glob("*.lock")) if is_let_go(path)] if folder.is_dir() else []
