"""Files that survive a crash: complete under their name, or not there at all.

`store` names whose files they are, for the seam (`penstock.effects`).
"""

import fcntl
import os
from collections.abc import Iterable
from contextlib import closing, suppress
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
    with closing(write_partial(path, blocks, store)) as partial:
        try:
            partial.publish(store)
        except BaseException:
            partial.discard()
            raise
    sync_folder(path.parent, store)


def write_partial(path: Path, blocks: Iterable[bytes | memoryview], store: str) -> PartialFile:
    """Write `blocks` to a new file beside `path`; the caller publishes and closes it. Leaves nothing when it fails."""
    make_folder(path.parent, store)
    partial = _open_partial(path)
    try:
        with effect(f"{store}.write"):
            for block in blocks:
                partial.file.write(block)
            partial.file.flush()
        with effect(f"{store}.fsync"):
            os.fsync(partial.file.fileno())
    except BaseException:
        partial.discard()
        partial.close()
        raise
    return partial


def write_together(contents: Iterable[tuple[str, bytes]], folder: Path, store: str) -> None:
    """Write many files, replacing what is there; returns when all of them and their names are on disk.

    Args:
        contents: paths and bytes; the paths' folders are there, and lie in the file system of `folder`.
        folder: what is not whole yet is kept in a folder of its own in here.
    """
    partial, lock = _open_partial_folder(folder, store)
    targets = []
    try:
        for number, (target, content) in enumerate(contents):
            targets.append((str(number), target))
            _write_new(str(number), content, store, lock)
        with effect(f"{store}.fsync"):
            os.sync()  # measured: 0.06 ms an object, where fsync on each file and folder takes 0.5 ms
        for name, target in targets:
            with effect(f"{store}.rename"):
                os.replace(name, target, src_dir_fd=lock)
        with effect(f"{store}.rmdir"):
            partial.rmdir()
        with effect(f"{store}.sync_folder"):
            os.sync()  # the new names as well
    except BaseException:
        with suppress(FileNotFoundError):
            _remove_folder(partial, store)
        raise
    finally:
        os.close(lock)


def remove_partials(folder: Path, store: str) -> None:
    """Remove the partial files in a folder, and folders of such, whose writers have died."""
    for path in folder.glob(f".*{PARTIAL}"):
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue  # published or removed meanwhile
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.is_dir():
                _remove_folder(path, store)
            else:
                with effect(f"{store}.unlink"):
                    path.unlink()
        except (FileNotFoundError, BlockingIOError):
            continue  # the same; or its writer lives
        finally:
            os.close(descriptor)


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


def _open_partial_folder(parent: Path, store: str) -> tuple[Path, int]:
    """A new folder and a descriptor that keeps it locked."""
    while True:
        path = parent / f".{uuid4().hex}{PARTIAL}"
        with effect(f"{store}.mkdir"):
            path.mkdir()
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue  # who tidies up came between the making and the opening, or the lock
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.exists():
            return path, descriptor
        os.close(descriptor)


def _remove_folder(path: Path, store: str) -> None:
    for each in path.iterdir():
        with effect(f"{store}.unlink"):
            each.unlink()
    with effect(f"{store}.unlink"):
        path.rmdir()


def _write_new(name: str, content: bytes, store: str, folder: int) -> None:
    with effect(f"{store}.write"):
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=folder)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        finally:
            os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
