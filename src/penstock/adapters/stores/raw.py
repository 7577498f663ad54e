"""Raw bytes as files: `raw/<tenant>/<2 hex>/<sha256>`."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from penstock.adapters.stores.aside import set_aside
from penstock.adapters.stores.durable import remove_partials, write_atomically, write_partial
from penstock.adapters.stores.settings import NoSettings
from penstock.adapters.stores.tenants import tenant_folder
from penstock.effects import effect
from penstock.ports import Resources
from penstock.records import content_name

_NAME = re.compile(r"[0-9a-f]{64}")
_STORE = "raw"
_TOGETHER = 256  # so many files are open at once


class FolderRawStore:
    """Raw objects in the state folder, one file each, named by the SHA-256 of their bytes."""

    settings_type: ClassVar[type[BaseModel]] = NoSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: NoSettings, resources: Resources) -> None:
        self._home = resources.home
        self._root = resources.home / "raw"

    def put(self, tenant: str, content: bytes) -> str:
        """Store durably; returns the name. Bytes that are stored already are not written again, damaged ones are."""
        name = content_name(content)
        path = self._path(tenant, name)
        if not _holds(path, content):
            write_atomically(path, (content,), _STORE)
        return name

    def put_many(self, tenant: str, contents: Sequence[bytes]) -> list[str]:
        """Store many objects durably, with two flushes of the file systems in place of some for each file."""
        names = [content_name(content) for content in contents]
        wanted = {self._path(tenant, name): content for name, content in zip(names, contents, strict=True)}
        absent = {path: content for path, content in wanted.items() if not _holds(path, content)}
        paths = list(absent)
        for first in range(0, len(paths), _TOGETHER):
            _write_together([(path, absent[path]) for path in paths[first : first + _TOGETHER]])
        return names

    def get(self, tenant: str, name: str) -> bytes:
        """The bytes, checked against the name. Raises `KeyError` when absent, `ValueError` when they do not match."""
        path = self._path(tenant, name)
        try:
            content = path.read_bytes()
        except FileNotFoundError as exc:
            raise KeyError(name) from exc
        if content_name(content) != name:
            raise ValueError(f"{path}: the bytes do not match the name; `penstock repair` asks their source")
        return content

    def lacking(self, tenant: str, sizes: Mapping[str, int]) -> set[str]:
        """Which of these objects (name → size in bytes) are absent or of another size; their bytes are not read."""
        return {name for name, size in sizes.items() if _size(self._path(tenant, name)) != size}

    def mend(self, tenant: str) -> bool:
        """Set objects whose bytes do not match their name aside (`penstock.ports.Mendable`)."""
        damaged = [path for name in self.names(tenant) if not _is_whole(path := self._path(tenant, name))]
        if damaged:
            set_aside(self._home, damaged, _STORE)
        return bool(damaged)

    def remove(self, tenant: str, names: Iterable[str]) -> None:
        """Remove objects; absent ones are passed over."""
        for name in names:
            with effect(f"{_STORE}.unlink"):
                self._path(tenant, name).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what writers that died have left unfinished."""
        for folder in self._root.glob("*/*"):
            remove_partials(folder, _STORE)

    def tenants(self) -> Iterator[str]:
        """The tenants that have objects, sorted."""
        yield from sorted(path.name for path in self._root.iterdir()) if self._root.is_dir() else []

    def names(self, tenant: str, since: float = 0.0) -> Iterator[str]:
        """The names of a tenant's objects, sorted; of those written since a time (seconds since 1970)."""
        root = tenant_folder(self._root, tenant)
        for folder in sorted(root.iterdir()) if root.is_dir() else []:
            paths = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
            yield from (path.name for path in paths if not since or path.stat().st_mtime >= since)

    def _path(self, tenant: str, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"raw object `{name}`: a name is a SHA-256 in 64 hex digits")
        return tenant_folder(self._root, tenant) / name[:2] / name


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _holds(path: Path, content: bytes) -> bool:
    return _size(path) == len(content) and path.read_bytes() == content


def _is_whole(path: Path) -> bool:
    return content_name(path.read_bytes()) == path.name


def _write_together(contents: Iterable[tuple[Path, bytes]]) -> None:
    with ExitStack() as open_files:
        partials = []
        try:
            for path, content in contents:
                partials.append(write_partial(path, (content,), _STORE, sync=False))
                open_files.enter_context(closing(partials[-1]))
            with effect(f"{_STORE}.fsync"):
                os.sync()  # measured: 0.06 ms an object, where fsync on each file and folder takes 0.5 ms
            for partial in partials:
                partial.publish(_STORE)
        except BaseException:
            for partial in partials:
                partial.discard()
            raise
        with effect(f"{_STORE}.sync_folder"):
            os.sync()  # the new names as well
