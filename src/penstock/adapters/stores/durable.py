"""Files that survive a crash: complete under their name, or not there at all.

`store` names whose files they are, for the seam (`penstock.effects`).
"""

import fcntl
import os
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, NamedTuple
from uuid import uuid4

from penstock.effects import effect

PARTIAL = ".partial"
"""How the names of files end that were never finished; readers pass them over."""


class PartialFile(NamedTuple):
    """A file beside its place, whole but not yet there. It stays locked until it is closed: its writer lives."""

    path: Path
    target: Path
    file: BinaryIO

    def publish(self, store: str) -> None:
        """Move it to its place, replacing what is there."""
        with effect(f"{store}.rename"):
            self.path.replace(self.target)

    def discard(self) -> None:
        """Remove it, where it has not been published."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        self.file.close()


def write_atomically(path: Path, blocks: Iterable[bytes | memoryview], store: str) -> None:
    """Write `blocks` to `path`, replacing what is there; returns when file and name are on disk."""
    with closing(write_partial(path, blocks, store, sync=True)) as partial:
        try:
            partial.publish(store)
        except BaseException:
            partial.discard()
            raise
    sync_folder(path.parent, store)


def write_partial(path: Path, blocks: Iterable[bytes | memoryview], store: str, *, sync: bool) -> PartialFile:
    """Write `blocks` to a new file beside `path`; the caller publishes and closes it. Leaves nothing when it fails."""
    make_folder(path.parent, store)
    partial = _open_partial(path)
    try:
        with effect(f"{store}.write"):
            for block in blocks:
                partial.file.write(block)
            partial.file.flush()
        if sync:
            with effect(f"{store}.fsync"):
                os.fsync(partial.file.fileno())
    except BaseException:
        partial.discard()
        partial.close()
        raise
    return partial


def remove_partials(folder: Path, store: str) -> None:
    """Remove the partial files in a folder whose writers have died."""
    for path in folder.glob(f".*{PARTIAL}"):
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with effect(f"{store}.unlink"):
                    path.unlink()
        except (FileNotFoundError, BlockingIOError):
            continue  # published or removed meanwhile; or its writer lives


def make_folder(path: Path, store: str) -> None:
    """Make a folder and those above it, so that they survive a crash too."""
    if path.is_dir():
        return
    make_folder(path.parent, store)
    with effect(f"{store}.mkdir"):
        path.mkdir(exist_ok=True)
        _sync(path.parent)


def sync_folder(path: Path, store: str) -> None:
    """Return when the names in a folder are on disk."""
    with effect(f"{store}.sync_folder"):
        _sync(path)


def _open_partial(path: Path) -> PartialFile:
    while True:
        partial = path.with_name(f".{path.name}.{uuid4().hex}{PARTIAL}")
        file = partial.open("xb")
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return PartialFile(partial, path, file)
        file.close()  # who tidies up came between the opening and the lock


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
