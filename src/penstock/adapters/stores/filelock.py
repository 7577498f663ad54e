"""One at a time, across processes and threads: an advisory lock that the kernel frees when its holder dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.adapters.stores.durable import make_folder
from penstock.effects import effect


@contextmanager
def locked(path: Path, store: str) -> Iterator[None]:
    """Hold the lock file `path` (made when absent) alone while the block runs; waits for whoever holds it.

    See flock(2). The lock is not reentrant: taking it twice in one thread waits for ever. `store` is for the seam.
    """
    make_folder(path.parent, store)
    with effect(f"{store}.lock"):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # a forked child may still hold a copy of the descriptor
        os.close(descriptor)
