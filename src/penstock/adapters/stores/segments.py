"""Immutable files of vectors, numbered in the order they were written.

    magic 8 │ header length 8 │ header digest 16 │ header (msgpack) │ float32 rows, little-endian │ rows digest 16

A segment speaks for the builds that it names: what earlier segments hold of them is dead. A build that is named without
a part is removed. `….base` replaces everything with a lower number; the numbers from the base on have no gap, so a
listing of the folder that caught a compaction half-way is told from a whole one.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path
from uuid import uuid4

import msgspec

from penstock.adapters.stores.aside import set_aside
from penstock.adapters.stores.durable import PARTIAL, write_atomically
from penstock.adapters.stores.filelock import locked
from penstock.effects import effect
from penstock.errors import UnavailableError
from penstock.records import EmbeddingBatch, Record, short_hash

Buffer = bytes | memoryview

_MAGIC = b"PENSEG1\n"
_DIGEST = 16
_FIXED = len(_MAGIC) + 8 + _DIGEST
_SEGMENT, _BASE = ".seg", ".base"
_SUFFIXES = (_SEGMENT, _BASE)
_NAME = re.compile(r"\d{12}-")
_STORE = "vectors"
_FILES = 64
_DEAD_ROWS = 1024


class Part(Record, frozen=True, array_like=True):
    """The rows of one build: `len(chunk_ids)` × `dimension`; `hashes` holds 16 bytes for each row."""

    build: str
    model: str
    dimension: int
    chunk_ids: tuple[str, ...]
    hashes: bytes

    @property
    def size(self) -> int:
        """Bytes of its rows."""
        return 4 * self.dimension * len(self.chunk_ids)


class Header(Record, frozen=True):
    """What a segment holds: the builds that it speaks for, and the parts in the order of their rows."""

    builds: tuple[str, ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True, eq=False)
class Segment:
    """A file of vectors whose header has been read; the rows are read and checked when they are asked for."""

    path: Path
    header: Header
    start: int

    @cached_property
    def row_count(self) -> int:
        return sum(len(part.chunk_ids) for part in self.header.parts)

    def rows(self) -> list[memoryview]:
        """The float32 rows of each part.

        Raises `FileNotFoundError` when a compaction has taken the file away, `UnavailableError` when it is broken.
        """
        with self.path.open("rb") as file:
            file.seek(self.start)
            rest = memoryview(file.read())
        ends = list(accumulate((part.size for part in self.header.parts), initial=0))
        if rest[ends[-1] :] != _digest([rest[: ends[-1]]]):
            raise _broken(self.path)
        return [rest[first:last] for first, last in pairwise(ends)]


def part_of(build: str, batch: EmbeddingBatch) -> Part:
    """What a segment says of a build. Raises `ValueError` when the batch's rows do not fit its chunks."""
    width, count = 4 * batch.dimension, len(batch.chunks)
    if width <= 0 or len(batch.vectors) != width * count:
        raise ValueError(f"build `{build}`: {len(batch.vectors)} bytes of vectors; {count} rows need {width * count}")
    rows = (batch.vectors[start : start + width] for start in range(0, width * count, width))
    hashes = b"".join(bytes.fromhex(short_hash(row)) for row in rows)
    return Part(build, batch.model, batch.dimension, tuple(chunk.chunk_id for chunk in batch.chunks), hashes)


class SegmentFolder:
    """The segments of one tenant. Writers take turns by a lock file; readers never wait for one that writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Segment] = {}

    def append(self, header: Header, blocks: Sequence[bytes]) -> None:
        """Write a segment, and compact the folder when that pays. To remove what is not there, nothing is written."""
        if not header.parts and not self._list():
            return
        with locked(self._path / ".writer", _STORE):
            self._sweep()
            known = {build for segment in self._current() for build in segment.header.builds}
            builds = {part.build for part in header.parts} | (known & set(header.builds))
            if builds:
                self._write(".seg", Header(builds=tuple(sorted(builds)), parts=header.parts), blocks)
            segments = self._current()
            if _is_worth_compacting(segments):
                self._compact(segments)

    def segments(self) -> list[Segment]:
        """All segments that count, in order. Raises `UnavailableError` when a file is broken or missing."""
        for _ in range(8):
            names = self._list()
            # A listing may miss files that a compaction renames meanwhile; a second one, begun later, cannot agree.
            if _is_whole(names) and names == self._list():
                try:
                    return self._load(names)
                except FileNotFoundError:
                    continue
        with locked(self._path / ".writer", _STORE):
            return self._current()

    def checked_segments(self) -> list[Segment]:
        """As `segments`, after headers and rows have been read anew and compared with their digests."""
        self._known = {}
        while True:
            segments = self.segments()
            try:
                for segment in segments:
                    segment.rows()
                return segments
            except FileNotFoundError:  # compacted in the meantime
                continue

    def mend(self, home: Path) -> bool:
        """Go on without what is broken: a new base of what the sound segments hold; the broken ones are set aside.

        What a lost segment held is missing afterwards, and what it had removed may be back. Returns whether anything
        was amiss.
        """
        with locked(self._path / ".writer", _STORE):
            self._known = {}
            strange = [path for path in self._path.iterdir() if path.suffix in _SUFFIXES and not _NAME.match(path.name)]
            names = [name for name in self._list() if _NAME.match(name)]
            sound = [segment for name in names if (segment := _sound(self._path / name))]
            broken = sorted({self._path / name for name in names} - {segment.path for segment in sound})
            if not strange and not broken and _is_whole(names):
                return False
            set_aside(home, strange, _STORE)
            self._write_base(sound)  # from here on readers see a whole folder again
            set_aside(home, broken, _STORE)
            self._sweep()
            return True

    def _current(self) -> list[Segment]:
        """As `segments`; only under the lock."""
        names = self._list()
        if not _is_whole(names):
            raise UnavailableError(f"{self._path}: a segment is missing; `penstock repair` builds it anew")
        return self._load(names)

    def _list(self) -> list[str]:
        try:
            names = sorted(path.name for path in self._path.iterdir() if path.suffix in _SUFFIXES)
        except FileNotFoundError:
            return []
        bases = [position for position, name in enumerate(names) if name.endswith(_BASE)]
        return names[bases[-1] :] if bases else names

    def _load(self, names: Sequence[str]) -> list[Segment]:
        known = self._known
        loaded = {name: known.get(name) or _read_header(self._path / name) for name in names}
        self._known = loaded
        return list(loaded.values())

    def _write(self, suffix: str, header: Header, blocks: Iterable[Buffer]) -> None:
        names = self._list()
        number = _number(names[-1]) + 1 if names else 1
        # The random part tells the file from one of the same number in a folder that was removed and written anew.
        name = f"{number:012d}-{uuid4().hex[:12]}{suffix}"
        write_atomically(self._path / name, _encode(header, blocks), _STORE)

    def _compact(self, segments: Sequence[Segment]) -> None:
        """Merge what counts into a base. Its new name is the switch: a crash before or after it changes no answer."""
        self._write_base(segments)
        self._sweep()

    def _write_base(self, segments: Sequence[Segment]) -> None:
        kept = _live_parts(segments)
        header = Header(builds=tuple(part.build for part in kept), parts=tuple(kept))
        self._write(_BASE, header, _live_rows(segments))

    def _sweep(self) -> None:
        """Remove what a base has replaced and what crashed writers left; only under the lock."""
        current = set(self._list())
        for path in self._path.iterdir():
            if path.name not in current and path.suffix in (PARTIAL, _SEGMENT, _BASE):
                with effect(f"{_STORE}.unlink"):
                    path.unlink()


def live_builds(segments: Sequence[Segment]) -> list[set[str]]:
    """For each segment, the builds whose rows in it count; `segments` are in the order of their numbers."""
    speaker = {build: number for number, segment in enumerate(segments) for build in segment.header.builds}
    return [{build for build in each.header.builds if speaker[build] == n} for n, each in enumerate(segments)]


def _live_parts(segments: Sequence[Segment]) -> list[Part]:
    pairs = zip(segments, live_builds(segments), strict=True)
    return [part for segment, live in pairs for part in segment.header.parts if part.build in live]


def _live_rows(segments: Sequence[Segment]) -> Iterator[Buffer]:
    for segment, live in zip(segments, live_builds(segments), strict=True):
        if any(part.build in live for part in segment.header.parts):
            rows = zip(segment.header.parts, segment.rows(), strict=True)
            yield from (block for part, block in rows if part.build in live)


def _number(name: str) -> int:
    return int(name.partition("-")[0])


def _is_whole(names: Sequence[str]) -> bool:
    if not names:
        return True
    first = _number(names[0]) if names[0].endswith(_BASE) else 1
    return [_number(name) for name in names] == list(range(first, first + len(names)))


def _is_worth_compacting(segments: Sequence[Segment]) -> bool:
    """More than half of the rows are dead, or there are many small files beside a base not too large to be copied."""
    rows = sum(segment.row_count for segment in segments)
    live = sum(len(part.chunk_ids) for part in _live_parts(segments))
    newer = rows - segments[0].row_count if segments else 0
    has_many_files = len(segments) > _FILES and (10 * newer > rows or len(segments) > 8 * _FILES)
    return has_many_files or rows - live > max(live, _DEAD_ROWS)


def _encode(header: Header, blocks: Iterable[Buffer]) -> Iterator[Buffer]:
    encoded = msgspec.msgpack.encode(header)
    yield _MAGIC + len(encoded).to_bytes(8, "little") + _digest([encoded]) + encoded
    digest = hashlib.blake2b(digest_size=_DIGEST)
    for block in blocks:
        digest.update(block)
        yield block
    yield digest.digest()


def _read_header(path: Path) -> Segment:
    with path.open("rb") as file:
        fixed = file.read(_FIXED)
        length = int.from_bytes(fixed[len(_MAGIC) : len(_MAGIC) + 8], "little")
        is_ours = len(fixed) == _FIXED and fixed.startswith(_MAGIC) and length <= path.stat().st_size
        encoded = file.read(length) if is_ours else b""
    if not is_ours or _digest([encoded]) != fixed[-_DIGEST:]:
        raise _broken(path)
    return Segment(path, msgspec.msgpack.decode(encoded, type=Header), _FIXED + length)


def _sound(path: Path) -> Segment | None:
    try:
        segment = _read_header(path)
        segment.rows()
    except UnavailableError:
        return None
    return segment


def _digest(blocks: Iterable[Buffer]) -> bytes:
    digest = hashlib.blake2b(digest_size=_DIGEST)
    for block in blocks:
        digest.update(block)
    return digest.digest()


def _broken(path: Path) -> UnavailableError:
    return UnavailableError(f"{path}: the segment is broken; `penstock repair` builds it anew")
