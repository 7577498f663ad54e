"""Files on their way: what has been fetched so far, and of which answer, so that another attempt can go on with it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from penstock.adapters.stores.durable import make_folder, write_atomically
from penstock.effects import effect
from penstock.errors import TransientError
from penstock.object_keys import scratch_stem
from penstock.records import short_hash

_STORE = "download"
_MARK_BYTES = 4 * 2**20


class _Progress(msgspec.Struct):
    url: str
    validator: str
    length: int


class Scratch:
    """The bytes of one address so far. Only what a mark has counted is trusted: the rest may not be on the disk."""

    def __init__(self, path: Path, file: BinaryIO, url: str) -> None:
        self.path = path
        self._file = file
        self._url = url
        self._marks = path.with_suffix(".json")
        self._validator = ""
        self._marked = 0
        self.length = 0

    def resumable(self) -> str:
        """What the server calls the answer that `length` bytes are here of; empty where nothing can be gone on with."""
        with suppress(OSError, msgspec.MsgspecError):
            progress = msgspec.json.decode(self._marks.read_bytes(), type=_Progress)
            if progress.url == self._url and 0 < progress.length <= os.fstat(self._file.fileno()).st_size:
                self._validator, self.length = progress.validator, progress.length
                return self._validator
        return ""

    def begin(self, offset: int, validator: str) -> None:
        """Keep the first bytes and write behind them; `validator` is empty where the answer cannot be gone on with."""
        self._validator = validator
        self.length = self._marked = offset
        with effect(f"{_STORE}.write"):
            self._file.truncate(offset)
        self._file.seek(offset)

    def write(self, block: bytes) -> None:
        """Append bytes, and mark them now and then."""
        with effect(f"{_STORE}.write"):
            self._file.write(block)
        self.length += len(block)
        if self.length - self._marked >= _MARK_BYTES:
            self.mark()

    def mark(self) -> None:
        """Make what is here count for another attempt, where the server lets one go on."""
        self._file.flush()
        if not self._validator or self.length == self._marked:
            return
        with effect(f"{_STORE}.fsync"):
            os.fsync(self._file.fileno())
        progress = msgspec.json.encode(_Progress(self._url, self._validator, self.length))
        write_atomically(self._marks, (progress,), _STORE)
        self._marked = self.length

    def leave(self) -> None:
        """Mark what is here; without anything to go on with, nothing is left."""
        self.mark()
        if not self._marked:
            for path in (self.path, self._marks):
                with effect(f"{_STORE}.unlink"):
                    path.unlink(missing_ok=True)

    def head(self, size: int) -> bytes:
        """The first bytes."""
        self._file.flush()
        return os.pread(self._file.fileno(), size, 0)


@contextmanager
def scratch(home: Path, tenant: str, document: str, url: str) -> Iterator[Scratch]:
    """The scratch file of an address, for one process at a time; it stays until `clear`, or until the sweep.

    Raises `TransientError` where another process is at it.
    """
    stem = scratch_stem(home, tenant, document)
    path = stem.with_name(f"{stem.name}-{short_hash(url)[:12]}.part")
    make_folder(path.parent, _STORE)
    with effect(f"{_STORE}.open"):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise TransientError("another process is fetching this") from exc
        part = Scratch(path, file, url)
        try:
            yield part
        finally:
            part.leave()


def clear(home: Path, tenant: str, document: str) -> None:
    """Remove what was gathered for a document, whatever the address."""
    stem = scratch_stem(home, tenant, document)
    for path in stem.parent.glob(f"{stem.name}-*"):
        with effect(f"{_STORE}.unlink"):
            path.unlink(missing_ok=True)
