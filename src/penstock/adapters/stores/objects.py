"""Files by key, through obstore: in a folder of this machine (`objects/<key>`)."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel

from penstock.adapters.stores.durable import PARTIAL, remove_partials, write_atomically
from penstock.adapters.stores.settings import NoSettings
from penstock.effects import effect
from penstock.object_keys import check_folder, check_key
from penstock.ports import Resources

_BLOCK = 2**20
_STORE = "object"


class ObstoreObjects:
    """What folders and buckets have in common: everything but the writing."""

    @property
    def _store(self) -> Any:
        raise NotImplementedError

    def get(self, key: str) -> bytes:
        """All of the bytes. Raises `KeyError` when absent."""
        return b"".join(self.stream(key))

    def stream(self, key: str) -> Iterator[bytes]:
        """The bytes in blocks of about a megabyte. Raises `KeyError` when absent."""
        import obstore

        with _absent_is_key_error(key):
            found = obstore.get(self._store, check_key(key))
        for block in found.stream(min_chunk_size=_BLOCK):
            yield bytes(block)

    def size(self, key: str) -> int | None:
        """The size in bytes, or None when absent."""
        import obstore

        try:
            return obstore.head(self._store, check_key(key))["size"]
        except FileNotFoundError:
            return None

    def remove(self, keys: Iterable[str]) -> None:
        """Remove objects; absent ones are passed over."""
        import obstore

        for key in keys:
            check_key(key)
            try:
                with effect(f"{_STORE}.unlink"):
                    obstore.delete(self._store, key)
            except FileNotFoundError:
                continue

    def names(self, folder: str) -> Iterator[str]:
        """The keys below a folder, sorted."""
        import obstore

        found = (each["path"] for part in obstore.list(self._store, check_folder(folder)) for each in part)
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
        write_atomically(self._root / check_key(key), _blocks(content), _STORE)

    @property
    def _store(self) -> Any:
        from obstore.store import LocalStore, MemoryStore

        # an empty store in place of a folder that nobody has made yet
        return LocalStore(self._root) if self._root.is_dir() else MemoryStore()

    def tidy(self) -> None:
        """Remove what writers that died have left unfinished."""
        for folder in self._root.glob("tenants/*/*"):
            remove_partials(folder, _STORE)


def _blocks(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


@contextmanager
def _absent_is_key_error(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as exc:
        raise KeyError(key) from exc
