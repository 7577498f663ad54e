"""Dense vectors with Faiss: immutable segments on disk, one flat index for each in memory, `vectors/<tenant>/`."""

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel

from penstock.adapters.stores.segments import Header, Part, Segment, SegmentFolder, live_builds, part_of
from penstock.adapters.stores.settings import NoSettings
from penstock.adapters.stores.tenants import tenant_folder
from penstock.ports import Resources
from penstock.records import EmbeddingBatch


@dataclass(frozen=True)
class _Block:
    """The rows that one segment holds for one model and dimension, in a flat index that nobody changes."""

    model: str
    dimension: int
    index: Any
    builds: tuple[str, ...]
    chunk_ids: tuple[str, ...]


@dataclass(frozen=True)
class _Rows:
    """The rows of a block that count. Faiss reads the selector's bits from `mask`, which must outlive it."""

    block: _Block
    mask: Any
    selector: Any
    count: int


@dataclass(frozen=True)
class _View:
    """The segments at one moment, and what counts in them."""

    segments: Sequence[Segment] = ()
    blocks: Mapping[Segment, tuple[_Block, ...]] = field(default_factory=dict)
    rows: tuple[_Rows, ...] = ()


class FaissIndex:
    """An exact vector index in the state folder, ranked by inner product: vectors are expected L2-normalised.

    Every process that searches holds the tenant's vectors in memory (4 bytes × dimension × chunks).
    """

    settings_type: ClassVar[type[BaseModel]] = NoSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: NoSettings, resources: Resources) -> None:
        import faiss
        import numpy as np

        self._faiss: Any = faiss
        self._np = np
        self._home = resources.home
        self._root = resources.home / "vectors"
        self._folders: dict[str, SegmentFolder] = {}
        self._views: dict[str, _View] = {}
        self._lock = threading.Lock()

    def write(self, tenant: str, builds: Mapping[str, EmbeddingBatch]) -> None:
        """Put each build's vectors in, replacing what stands under that build; one file.

        Raises `ValueError` when a batch's rows do not fit its chunks; then nothing is written.
        """
        parts = {build: part_of(build, batch) for build, batch in builds.items() if batch.chunks}
        header = Header(builds=tuple(builds), parts=tuple(parts.values()))
        self._folder(tenant).append(header, [builds[build].vectors for build in parts])

    def remove(self, tenant: str, builds: Iterable[str]) -> None:
        """Remove all vectors of the builds; absent builds are passed over."""
        self._folder(tenant).append(Header(builds=tuple(builds), parts=()), ())

    def search(self, tenant: str, model: str, vector: Sequence[float], limit: int) -> list[tuple[str, str, float]]:
        """(chunk id, build, inner product), best first, of any build of this model.

        Raises `ValueError` when the model's vectors have another dimension, `UnavailableError` when a file is broken.
        """
        query = self._np.asarray([vector], dtype=self._np.float32)
        dimension = query.shape[1]
        rows = [each for each in self._view(tenant).rows if each.block.model == model]
        fitting = [each for each in rows if each.block.dimension == dimension]
        if rows and not fitting:
            raise ValueError(f"model `{model}`: the query has {dimension} numbers, not {rows[0].block.dimension}")
        found = [hit for each in fitting for hit in self._hits(each, query, limit)]
        return sorted(found, key=lambda hit: (-hit[2], hit[0], hit[1]))[: max(0, limit)]

    def scan(self, tenant: str) -> Iterator[tuple[str, str, str]]:
        """(build, chunk id, vector hash) of every row. The bytes of the rows are checked on the way."""
        segments = self._folder(tenant).checked_segments()
        for segment, live in zip(segments, live_builds(segments), strict=True):
            for part in (part for part in segment.header.parts if part.build in live):
                for number, chunk_id in enumerate(part.chunk_ids):
                    yield part.build, chunk_id, part.hashes[16 * number : 16 * number + 16].hex()

    def mend(self, tenant: str) -> bool:
        """Go on without segments that are broken or missing (`penstock.ports.Mendable`)."""
        return tenant_folder(self._root, tenant).is_dir() and self._folder(tenant).mend(self._home)

    def _hits(self, rows: _Rows, query: Any, limit: int) -> Iterator[tuple[str, str, float]]:
        # A selector is passed even where all rows count: without one, Faiss starts OpenMP threads for a single
        # query, which takes four times as long on a machine that is busy.
        wanted = self._faiss.SearchParameters(sel=rows.selector)
        if (most := min(rows.count, limit)) > 0:
            scores, numbers = rows.block.index.search(query, most, params=wanted)
            for score, number in zip(scores[0].tolist(), numbers[0].tolist(), strict=True):
                yield rows.block.chunk_ids[number], rows.block.builds[number], score

    def _folder(self, tenant: str) -> SegmentFolder:
        return self._folders.setdefault(tenant, SegmentFolder(tenant_folder(self._root, tenant)))

    def _view(self, tenant: str) -> _View:
        """What the tenant's folder holds now; only segments that are new are read."""
        folder = self._folder(tenant)
        with self._lock:
            while True:
                segments = folder.segments()
                known = self._views.get(tenant, _View())
                if segments == known.segments:
                    return known
                try:
                    self._views[tenant] = self._load(segments, known)
                except FileNotFoundError:  # compacted in the meantime
                    continue
                return self._views[tenant]

    def _load(self, segments: Sequence[Segment], known: _View) -> _View:
        new = [segment for segment in segments if segment not in known.blocks]
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # reading, checking and copying megabytes release the GIL
            found = pool.map(lambda segment: tuple(self._blocks(segment)), new)
            loaded = {**known.blocks, **dict(zip(new, found, strict=True))}
        blocks = {segment: loaded[segment] for segment in segments}
        rows = [
            each
            for segment, live in zip(segments, live_builds(segments), strict=True)
            for block in blocks[segment]
            if (each := self._live_rows(block, live)).count
        ]
        return _View(segments=segments, blocks=blocks, rows=tuple(rows))

    def _blocks(self, segment: Segment) -> Iterator[_Block]:
        groups: dict[tuple[str, int], list[tuple[Part, memoryview]]] = {}
        for part, vectors in zip(segment.header.parts, segment.rows(), strict=True):
            groups.setdefault((part.model, part.dimension), []).append((part, vectors))
        for (model, dimension), pairs in groups.items():
            index = self._faiss.IndexFlatIP(dimension)
            for _, vectors in pairs:
                index.add(self._np.frombuffer(vectors, dtype="<f4").reshape(-1, dimension))
            builds = tuple(part.build for part, _ in pairs for _ in part.chunk_ids)
            chunk_ids = tuple(chunk_id for part, _ in pairs for chunk_id in part.chunk_ids)
            yield _Block(model, dimension, index, builds, chunk_ids)

    def _live_rows(self, block: _Block, live: set[str]) -> _Rows:
        is_live = self._np.fromiter((build in live for build in block.builds), dtype=bool, count=len(block.builds))
        mask = self._np.packbits(is_live, bitorder="little")
        return _Rows(block, mask, self._faiss.IDSelectorBitmap(mask), int(is_live.sum()))
