"""Raw bytes as files: `raw/<tenant>/<2 hex>/<sha256>`."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from penstock.adapters.stores.aside import set_aside
from penstock.adapters.stores.durable import make_folder, remove_partials, write_atomically, write_together
from penstock.adapters.stores.settings import NoSettings
from penstock.adapters.stores.tenants import check_tenant, tenant_folder
from penstock.effects import effect
from penstock.ports import Resources
from penstock.records import content_name

_NAME = re.compile(r"[0-9a-f]{64}")
_STORE = "raw"
_NAME_LENGTH = 64


class FolderRawStore:
    """Raw objects in the state folder, one file each, named by the SHA-256 of their bytes."""

    settings_type: ClassVar[type[BaseModel]] = NoSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: NoSettings, resources: Resources) -> None:
        self._home = resources.home
        self._root = resources.home / "raw"
        self._made: set[str] = set()

    def put(self, tenant: str, content: bytes) -> str:
        """Store durably; returns the name. Bytes that are stored already are not written again, damaged ones are."""
        name = content_name(content)
        place = self._place(tenant, name)
        if not _holds(place, content):
            write_atomically(Path(place), (content,), _STORE)
        return name

    def put_many(self, tenant: str, contents: Sequence[bytes]) -> list[str]:
        """Store many objects durably, with two flushes of the file systems in place of some for each file."""
        names = [content_name(content) for content in contents]
        wanted = {self._place(tenant, name): content for name, content in zip(names, contents, strict=True)}
        absent = [(place, content) for place, content in wanted.items() if not _holds(place, content)]
        for place, _ in absent:
            self._make_folder(place[:-_NAME_LENGTH])
        if absent:
            write_together(absent, tenant_folder(self._root, tenant), _STORE)
        return names

    def get(self, tenant: str, name: str) -> bytes:
        """The bytes, checked against the name. Raises `KeyError` when absent, `ValueError` when they do not match."""
        path = self._place(tenant, name)
        try:
            content = _read(path)
        except FileNotFoundError as exc:
            raise KeyError(name) from exc
        if content_name(content) != name:
            raise ValueError(f"{path}: the bytes do not match the name; `penstock repair` asks their source")
        return content

    def lacking(self, tenant: str, sizes: Mapping[str, int]) -> set[str]:
        """Which of these objects (name → size in bytes) are absent or of another size; their bytes are not read."""
        return {name for name, size in sizes.items() if _size(self._place(tenant, name)) != size}

    def mend(self, tenant: str) -> bool:
        """Set objects whose bytes do not match their name aside (`penstock.ports.Mendable`)."""
        damaged = [path for name in self.names(tenant) if not _is_whole(path := Path(self._place(tenant, name)))]
        if damaged:
            set_aside(self._home, damaged, _STORE)
        return bool(damaged)

    def remove(self, tenant: str, names: Iterable[str]) -> None:
        """Remove objects; absent ones are passed over."""
        for name in names:
            with effect(f"{_STORE}.unlink"):
                Path(self._place(tenant, name)).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what writers that died have left unfinished."""
        for pattern in ("*", "*/*"):
            for folder in self._root.glob(pattern):
                remove_partials(folder, _STORE)

    def tenants(self) -> Iterator[str]:
        """The tenants that have objects, sorted."""
        yield from sorted(path.name for path in self._root.iterdir()) if self._root.is_dir() else []

    def names(self, tenant: str, since: float = 0.0) -> Iterator[str]:
        """The names of a tenant's objects, sorted; of those written since a time (seconds since 1970)."""
        root = tenant_folder(self._root, tenant)
        for folder in sorted(root.glob("[!.]*")):
            paths = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
            yield from (path.name for path in paths if not since or path.stat().st_mtime >= since)

    def _place(self, tenant: str, name: str) -> str:
        """Where an object lies; a string, since a path costs as much as opening the file."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"raw object `{name}`: a name is a SHA-256 in 64 hex digits")
        return f"{self._root}/{check_tenant(tenant)}/{name[:2]}/{name}"

    def _make_folder(self, folder: str) -> None:
        if folder not in self._made:
            make_folder(Path(folder), _STORE)
            self._made.add(folder)


def _read(place: str) -> bytes:
    descriptor = os.open(place, os.O_RDONLY)  # a path or a file object costs as much again
    try:
        size = os.fstat(descriptor).st_size
        content = os.read(descriptor, size)
        while len(content) < size and (more := os.read(descriptor, size - len(content))):
            content += more
        return content
    finally:
        os.close(descriptor)


def _size(place: str) -> int | None:
    try:
        return os.stat(place).st_size  # noqa: PTH116 - a path costs as much again
    except FileNotFoundError:
        return None


def _holds(place: str, content: bytes) -> bool:
    return _size(place) == len(content) and _read(place) == content


def _is_whole(path: Path) -> bool:
    return content_name(path.read_bytes()) == path.name
