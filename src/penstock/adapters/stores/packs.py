"""Packs of stage outputs as files: `artifacts/<2 hex>/<name>.pack`."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from penstock.adapters.stores.durable import remove_partials, write_atomically
from penstock.adapters.stores.settings import NoSettings
from penstock.effects import effect
from penstock.ports import Resources
from penstock.records import short_hash

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_SUFFIX = ".pack"
_STORE = "pack"


class FolderPackStore:
    """Immutable packs in the state folder, spread over 256 folders by a hash of the name."""

    settings_type: ClassVar[type[BaseModel]] = NoSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: NoSettings, resources: Resources) -> None:
        self._root = resources.home / "artifacts"

    def write(self, name: str, content: bytes) -> None:
        """Store durably under a new name; the same bytes again change nothing.

        Raises `FileExistsError` where the name holds other bytes.
        """
        path = self._path(name)
        if not path.exists():
            write_atomically(path, (content,), _STORE)
        elif path.read_bytes() != content:
            raise FileExistsError(f"pack `{name}` holds other bytes already; use a new name")

    def read(self, name: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes at each (offset, length), in order.

        Raises `KeyError` when the pack is absent, `ValueError` when it ends before a span does.
        """
        try:
            descriptor = os.open(self._path(name), os.O_RDONLY)
        except FileNotFoundError as exc:
            raise KeyError(name) from exc
        try:
            size = os.fstat(descriptor).st_size
            for offset, length in spans:
                if offset < 0 or length < 0 or offset + length > size:
                    raise ValueError(f"pack `{name}`: has {size} bytes, none at {offset} to {offset + length}")
            return [_read_span(descriptor, offset, length) for offset, length in spans]
        finally:
            os.close(descriptor)

    def remove(self, names: Iterable[str]) -> None:
        """Remove packs; absent ones are passed over."""
        for name in names:
            with effect(f"{_STORE}.unlink"):
                self._path(name).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what writers that died have left unfinished."""
        for folder in self._root.glob("*"):
            remove_partials(folder, _STORE)

    def names(self) -> Iterator[str]:
        """The names of all packs, in the order of their folders."""
        for folder in sorted(self._root.iterdir()) if self._root.is_dir() else []:
            yield from sorted(path.stem for path in folder.glob(f"[!.]*{_SUFFIX}"))

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"pack `{name}`: use letters, digits, `.`, `_` and `-` in a name")
        return self._root / short_hash(name)[:2] / f"{name}{_SUFFIX}"


def _read_span(descriptor: int, offset: int, length: int) -> bytes:
    blocks = []
    while length and (block := os.pread(descriptor, length, offset)):  # one call reads 2 GiB at most
        blocks.append(block)
        offset, length = offset + len(block), length - len(block)
    return b"".join(blocks)
