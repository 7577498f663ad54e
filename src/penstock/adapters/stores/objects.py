"""Files by key, through obstore (https://developmentseed.org/obstore): in a folder of this machine, `objects/<key>`."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel

from penstock.adapters.stores.durable import PARTIAL, remove_partials, write_atomically
from penstock.adapters.stores.settings import NoSettings
from penstock.effects import effect
from penstock.endpoints import http_error
from penstock.errors import TransientError, UnavailableError
from penstock.object_keys import check_folder, check_key
from penstock.ports import Resources

STORE = "object"
"""What the seam calls these effects (`penstock.effects`)."""

_BLOCK = 2**20
_STATUS = re.compile(r"status code: (\d{3})")


class ObstoreObjects:
    """What folders and buckets have in common: everything but the writing."""

    @property
    def _store(self) -> Any:
        raise NotImplementedError  # a folder and a bucket are opened in their own ways

    def get(self, key: str) -> bytes:
        """All of the bytes. Raises `KeyError` when absent."""
        return b"".join(self.stream(key))

    def stream(self, key: str) -> Iterator[bytes]:
        """The bytes in blocks of about a megabyte. Raises `KeyError` when absent."""
        import obstore

        check_key(key)
        try:
            with told():
                for block in obstore.get(self._store, key).stream(min_chunk_size=_BLOCK):
                    yield bytes(block)
        except FileNotFoundError as exc:
            raise KeyError(key) from exc

    def size(self, key: str) -> int | None:
        """The size in bytes, or None when absent."""
        import obstore

        check_key(key)
        try:
            with told():
                return obstore.head(self._store, key)["size"]
        except FileNotFoundError:
            return None

    def remove(self, keys: Iterable[str]) -> None:
        """Remove objects; absent ones are passed over."""
        import obstore

        for key in keys:
            check_key(key)
            try:
                with effect(f"{STORE}.unlink"), told():
                    obstore.delete(self._store, key)
            except FileNotFoundError:
                continue

    def names(self, folder: str) -> Iterator[str]:
        """The keys below a folder, sorted."""
        import obstore

        check_folder(folder)
        with told():
            found = [each["path"] for part in obstore.list(self._store, folder) for each in part]
        yield from sorted(key for key in found if not key.endswith(PARTIAL))


class FolderObjectStore(ObstoreObjects):
    """Objects as files in the state folder.

    They are written by Penstock itself: obstore does not flush files to the disk, nor the names of folders.
    """

    settings_type: ClassVar[type[BaseModel]] = NoSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: NoSettings, resources: Resources) -> None:
        self._root = resources.home / "objects"

    def put(self, key: str, content: bytes | Path) -> None:
        """Store durably, replacing what is there."""
        write_atomically(self._root / check_key(key), _blocks(content), STORE)

    @property
    def _store(self) -> Any:
        from obstore.store import LocalStore, MemoryStore

        # an empty store in place of a folder that nobody has made yet
        return LocalStore(self._root) if self._root.is_dir() else MemoryStore()

    def tidy(self) -> None:
        """Remove what writers that died have left unfinished."""
        for folder in self._root.glob("tenants/*/*"):
            remove_partials(folder, STORE)


@contextmanager
def told() -> Iterator[None]:
    """Errors of obstore by what they mean for a stage; what it says itself is long, and may name accounts."""
    from obstore.exceptions import BaseError, PermissionDeniedError

    try:
        yield
    except BaseError as exc:
        if isinstance(exc, FileNotFoundError):
            raise
        if status := _STATUS.search(str(exc)):
            raise http_error("the object store", int(status[1])) from exc
        if isinstance(exc, PermissionDeniedError):
            raise UnavailableError("the object store may not be used", hint="check who owns its files") from exc
        raise TransientError("the object store cannot be reached", hint="check that it runs, and its address") from exc


def _blocks(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
