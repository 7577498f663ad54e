"""What a source and a store must offer, and what adapters may reach of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from penstock.ports.events import EventSink
from penstock.records import Chunk, Claim, EmbeddingBatch, Facts, Json, SourceItem


class Source(Protocol):
    """Finds documents. The order is stable; finding does not read what it need not."""

    def discover(self, target: str) -> Iterator[SourceItem]: ...


class Page(NamedTuple):
    """What a paged source gave at once. `after` is where to go on; of the `last` page, where the next run begins."""

    items: tuple[SourceItem, ...]
    after: dict[str, Json]
    last: bool


@runtime_checkable
class PagedSource(Protocol):
    """A source that asks a service for one page at a time, and can go on from where it was."""

    def page(self, target: str, position: Mapping[str, Json]) -> Page:
        """The page at a position: `{}` is the beginning, everything else is what the page before gave as `after`.

        Makes one request, without retries. A position that the service no longer knows begins again.
        """
        ...


@runtime_checkable
class Mendable(Protocol):
    """A store that can go on without what is broken in it. `penstock repair` then writes anew what is missing."""

    def mend(self, tenant: str) -> bool:
        """Set aside what is broken of a tenant's part, or what holds it; returns whether anything was.

        A store that is sound is left as it is. Nothing is thrown away.
        """
        ...


class RawStore(Protocol):
    """Raw bytes by tenant and content hash. A name that exists is never written again, unless its bytes are damaged."""

    def put(self, tenant: str, content: bytes) -> str:
        """Store durably; returns the name (`penstock.records.content_name`)."""
        ...

    def put_many(self, tenant: str, contents: Sequence[bytes]) -> list[str]:
        """Store many objects durably in one go; returns their names, in order."""
        ...

    def get(self, tenant: str, name: str) -> bytes:
        """The bytes, checked against the name. Raises `KeyError` when absent, `ValueError` when they do not match."""
        ...

    def lacking(self, tenant: str, sizes: Mapping[str, int]) -> set[str]:
        """Which of these objects (name → size in bytes) are absent or of another size; their bytes are not read."""
        ...

    def remove(self, tenant: str, names: Iterable[str]) -> None: ...

    def names(self, tenant: str, since: float = 0.0) -> Iterator[str]:
        """The names of a tenant's objects, sorted; of those written since a time (seconds since 1970)."""
        ...

    def tenants(self) -> Iterator[str]: ...

    def tidy(self) -> None:
        """Remove what writers that died have left unfinished."""
        ...


class PackStore(Protocol):
    """Immutable packs of stage outputs: one file per batch and stage."""

    def write(self, name: str, content: bytes) -> None:
        """Store durably under a new name."""
        ...

    def read(self, name: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes at each (offset, length), in order. Raises `KeyError` when the pack is absent."""
        ...

    def remove(self, names: Iterable[str]) -> None: ...

    def names(self) -> Iterator[str]: ...

    def tidy(self) -> None:
        """Remove what writers that died have left unfinished."""
        ...


class ObjectStore(Protocol):
    """Files that stages and workers hand on, by key (`penstock.object_keys`): `tenants/<tenant>/pdfs/<name>.pdf`.

    A key names one file; a new one replaces it, and readers see the one or the other, whole. Keys are segments of
    letters, digits, `_`, `-` and `.`, parted by `/`; any other is a `ValueError`.
    """

    def put(self, key: str, content: bytes | Path) -> None:
        """Store bytes, or those of a local file, durably; a large file is never held in memory."""
        ...

    def get(self, key: str) -> bytes:
        """All of the bytes. Raises `KeyError` when absent."""
        ...

    def stream(self, key: str) -> Iterator[bytes]:
        """The bytes in blocks, for files too large to hold. Raises `KeyError` when absent."""
        ...

    def size(self, key: str) -> int | None:
        """The size in bytes, or None when absent."""
        ...

    def remove(self, keys: Iterable[str]) -> None:
        """Remove objects; absent ones are passed over."""
        ...

    def names(self, folder: str) -> Iterator[str]:
        """The keys below a folder (`tenants/<tenant>/pdfs`), sorted."""
        ...

    def tidy(self) -> None:
        """Remove what writers that died have left unfinished."""
        ...


class LexicalIndex(Protocol):
    """BM25 over chunks, by tenant. Rows belong to a build; queries say which builds count.

    Writers of several processes may call at once; each write is one commit.
    """

    def write(self, tenant: str, builds: Mapping[str, Sequence[Chunk]]) -> None:
        """Put each build's chunks in, replacing what stands under that build."""
        ...

    def remove(self, tenant: str, builds: Iterable[str]) -> None: ...

    def search(self, tenant: str, query: str, limit: int, filters: Mapping[str, str]) -> list[tuple[str, str, float]]:
        """(chunk id, build, score), best first, of any build."""
        ...

    def chunks(self, tenant: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Chunk]:
        """The stored chunks by (chunk id, build); absent ones are left out."""
        ...

    def build_chunks(self, tenant: str, build: str) -> list[Chunk]:
        """All chunks of a build, by their index in the document."""
        ...

    def scan(self, tenant: str) -> Iterator[tuple[str, str, str]]:
        """(build, chunk id, text hash) of every row, for the audit."""
        ...


class VectorIndex(Protocol):
    """Dense vectors of chunks, by tenant. Writers of several processes may call at once; each write shows whole."""

    def write(self, tenant: str, builds: Mapping[str, EmbeddingBatch]) -> None:
        """Put each build's vectors in, replacing what stands under that build."""
        ...

    def remove(self, tenant: str, builds: Iterable[str]) -> None: ...

    def search(self, tenant: str, model: str, vector: Sequence[float], limit: int) -> list[tuple[str, str, float]]:
        """(chunk id, build, score: inner product), best first, of any build of this model."""
        ...

    def scan(self, tenant: str) -> Iterator[tuple[str, str, str]]:
        """(build, chunk id, vector hash) of every row, for the audit."""
        ...


class Likeness(NamedTuple):
    """Something by which an entity of a build may be the same as another: `kind` is `identifier`, `name` or `alias`.

    `key` is `vocabulary:id`, or `type:normal form` of a name.
    """

    build: str
    entity_id: str
    kind: str
    key: str


class GraphStore(Protocol):
    """Entities and relations, by tenant; every row belongs to a build, so that a document takes its edges along."""

    def write(self, tenant: str, builds: Mapping[str, tuple[str, Facts]]) -> None:
        """Put each build's (document id, facts) in, replacing what stands under that build."""
        ...

    def remove(self, tenant: str, builds: Iterable[str]) -> None: ...

    def find(self, tenant: str, name_or_id: str) -> list[tuple[str, str, str]]:
        """(entity id, name, type) of the entities that bear this id or name, whatever its case."""
        ...

    def relations(self, tenant: str, entity_id: str) -> list[tuple[str, str, Claim]]:
        """(build, document id, claim) of every relation that the entity takes part in."""
        ...

    def facts(self, tenant: str, build: str) -> Facts: ...

    def likenesses(self, tenant: str, entity_ids: Iterable[str]) -> list[Likeness]:
        """By what these entities may be the same as others, in any build; sorted."""
        ...

    def bearers(self, tenant: str, keys: Iterable[str]) -> list[Likeness]:
        """Which entities have one of these keys, in any build and of any kind; sorted."""
        ...

    def scan(self, tenant: str) -> Iterator[tuple[str, str]]:
        """(build, hash of its entities and relations) of every build, for the audit."""
        ...


class Resources(Protocol):
    """What an adapter may reach: the state folder, the config folder and the stores of the profile.

    `allowed_hosts` are the hosts and networks to which addresses in documents may lead beside the public internet.
    """

    @property
    def home(self) -> Path: ...
    @property
    def config(self) -> Path: ...
    @property
    def allowed_hosts(self) -> Sequence[str]: ...
    @property
    def raw(self) -> RawStore: ...
    @property
    def packs(self) -> PackStore: ...
    @property
    def objects(self) -> ObjectStore: ...
    @property
    def lexical(self) -> LexicalIndex: ...
    @property
    def vectors(self) -> VectorIndex: ...
    @property
    def graph(self) -> GraphStore: ...
    @property
    def events(self) -> EventSink: ...
