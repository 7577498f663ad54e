"""Events as lines of JSON in one file: `events/events.jsonl`."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from pydantic import BaseModel

from penstock.adapters.stores.aside import set_aside
from penstock.adapters.stores.durable import sync_folder, write_atomically
from penstock.adapters.stores.filelock import locked
from penstock.adapters.stores.settings import NoSettings
from penstock.effects import effect
from penstock.errors import PermanentError
from penstock.ports import CloudEvent, Resources

_BLOCK = 65_536
_ENCODER = msgspec.json.Encoder()


class JsonLinesSink:
    """Appends events to a file in the state folder, one JSON object a line."""

    settings_type: ClassVar[type[BaseModel]] = NoSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: NoSettings, resources: Resources) -> None:
        self._home = resources.home
        self._path: Path = resources.home / "events" / "events.jsonl"

    def send(self, events: Sequence[CloudEvent]) -> None:
        """Append the events; returns when they are on disk. What a crashed writer left unfinished is cut off first."""
        if not events:
            return
        lines = _ENCODER.encode_lines(events)
        with locked(self._path.with_suffix(".lock"), "events"):
            is_new = not self._path.exists()
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            end = _end_of_lines(descriptor)
            try:
                with effect("events.append"):
                    os.truncate(descriptor, end)
                    _write_at(descriptor, lines, end)
                with effect("events.fsync"):
                    os.fsync(descriptor)
            except OSError:
                os.truncate(descriptor, end)
                raise
            finally:
                os.close(descriptor)
            if is_new:
                sync_folder(self._path.parent, "events")

    def read(self) -> Iterator[dict[str, Any]]:
        """Every event, oldest first, line by line; a last line without its end is not an event.

        Raises `PermanentError` at a line that is no JSON object.
        """
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield msgspec.json.decode(line, type=dict[str, Any])
                except msgspec.DecodeError as exc:
                    where = f"{self._path}:{number}"
                    raise PermanentError(f"{where}: not a JSON object; `penstock repair` takes it out") from exc

    def mend(self, tenant: str) -> bool:
        """Take lines that are no events out; the file as it was is set aside (`penstock.ports.Mendable`)."""
        if not self._path.exists():
            return False
        with locked(self._path.with_suffix(".lock"), "events"):
            with self._path.open("rb") as file:
                lines = [(line, _is_event(line)) for line in file]
            if all(is_event for _, is_event in lines):
                return False
            set_aside(self._home, [self._path], "events")
            write_atomically(self._path, (line for line, is_event in lines if is_event), "events")
            return True


def _is_event(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return False
    return line.endswith(b"\n")


def _end_of_lines(descriptor: int) -> int:
    """Where the last complete line ends, searched from the end of the file."""
    position = os.fstat(descriptor).st_size
    while position:
        start = max(0, position - _BLOCK)
        newline = os.pread(descriptor, position - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        position = start
    return 0


def _write_at(descriptor: int, content: bytes, offset: int) -> None:
    rest = memoryview(content)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written
