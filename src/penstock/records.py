"""What flows through a pipeline: frozen records, encoded as msgpack, never pickled.

Offsets count characters of `Document.text`; pages count from 1; boxes are in PDF points, origin at the top left.
"""

import hashlib
import os
import time
from collections.abc import Callable
from typing import Any

import msgspec

Json = Any
"""A value that JSON can hold. (msgspec does not resolve recursive aliases.)"""

GATE_FLAGS = ("pdf_downloaded", "pdf_ir_ready", "post_pdf_started")
"""What of a ledger job a gate may ask that changes while the job waits."""

_TEXTS = ("tenant", "document", "source", "kind_hint", "content_hash")
GATE_FIELDS: dict[str, type] = dict.fromkeys(GATE_FLAGS, bool) | dict.fromkeys(_TEXTS, str)
GATE_FIELDS |= {"size": int, "generation": int}
"""What of a ledger job a gate may ask, and the type of its values."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base of every record: immutable, compared by value; `msgspec.structs.replace` makes a changed copy."""


class AdapterRequest(Record, frozen=True, kw_only=True):
    """What an ingest stage is asked for: one document whose bytes are in the raw store already.

    `kind_hint` is the `--source` that the user named, or empty: tell it from name and content.
    """

    document_id: str
    source: str
    locator: str
    raw: str
    size: int
    kind_hint: str = ""
    metadata: dict[str, Json] = {}
    content: bytes = b""


class RawPayload(Record, frozen=True, kw_only=True):
    """The bytes of a document as they came. `raw` is the name of the stored object: the SHA-256 of `content`, in hex.

    `kind` says what the bytes are: `clinicaltrials`, `jats`, `markdown`, `html`, `pdf`, …
    `content` is not kept a second time in the artifact store; it is filled from the raw store when the record is read.
    """

    document_id: str
    source: str
    kind: str
    locator: str
    raw: str
    size: int
    metadata: dict[str, Json] = {}
    content: bytes = b""


class LayoutBox(Record, frozen=True, kw_only=True):
    """Where on a page a span of text stands. `order` counts through the document, in reading order.

    `kind` says what stands there: `text`, `heading`, `list`, `table`, `figure`, `caption`, `footnote`, `title`,
    `equation`, `code`. What is no part of the text, such as a heading or a figure itself, has an empty span where it
    belongs.
    """

    page: int
    x0: float
    y0: float
    x1: float
    y1: float
    start: int = 0
    end: int = 0
    order: int = 0
    kind: str = ""


class Section(Record, frozen=True, kw_only=True):
    """A span of the text under one heading. `path` holds the headings from the outermost to its own."""

    start: int
    end: int
    title: str = ""
    path: tuple[str, ...] = ()
    level: int = 1
    kind: str = "text"
    page: int | None = None


class Table(Record, frozen=True, kw_only=True):
    """A table as cells; `start` and `end` span its rendering in the text."""

    start: int
    end: int
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    page: int | None = None


class Figure(Record, frozen=True, kw_only=True):
    """A figure's caption, and where it stands."""

    start: int
    end: int
    caption: str = ""
    page: int | None = None


class Provenance(Record, frozen=True, kw_only=True):
    """Where a document came from and what read it."""

    source: str
    raw: str
    adapter: str
    adapter_version: str
    parsed_at: str = ""


class Document(Record, frozen=True, kw_only=True):
    """The intermediate representation (IR): one text with structure laid over it by offsets.

    `metadata` describes the document (for filters); `fields` holds the structured parts of its record, by name, for
    extraction (`conditions`, `interventions`, `requires`, …).
    """

    document_id: str
    title: str
    text: str
    provenance: Provenance
    sections: tuple[Section, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    boxes: tuple[LayoutBox, ...] = ()
    language: str = ""
    metadata: dict[str, Json] = {}
    fields: dict[str, Json] = {}


class PDFFile(Record, frozen=True, kw_only=True):
    """A stored PDF. `path` is its key in the object store; `tried` tells of each address that was asked."""

    document_id: str
    path: str
    sha256: str
    size: int
    origin: str = ""
    licence: str = ""
    version: str = ""
    tried: tuple[str, ...] = ()


class Chunk(Record, frozen=True, kw_only=True):
    """A span of a document, small enough to embed: `text` is always `document.text[start:end]`.

    `headings` are the titles that stand above it; they travel beside the text, never inside it.
    """

    chunk_id: str
    document_id: str
    tenant_id: str
    text: str
    start: int
    end: int
    index: int
    title: str = ""
    headings: tuple[str, ...] = ()
    page: int | None = None
    box: LayoutBox | None = None
    source: str = ""
    raw: str = ""
    parser: str = ""
    chunker: str = ""
    metadata: dict[str, Json] = {}


class EmbeddingBatch(Record, frozen=True, kw_only=True):
    """Chunks with one vector each. `vectors` is float32, little-endian, row-major, `len(chunks)` × `dimension`."""

    model: str
    dimension: int
    chunks: tuple[Chunk, ...]
    vectors: bytes


class ChunkMark(Record, frozen=True, array_like=True):
    """What an index is expected to hold of a chunk: hashes of the text and of the vector."""

    chunk_id: str
    text_hash: str
    vector_hash: str


class IndexReceipt(Record, frozen=True, kw_only=True):
    """What one build of a document put into the indexes. `build` is the name under which all of it can be removed."""

    build: str
    model: str
    dimension: int
    marks: tuple[ChunkMark, ...]


class Mention(Record, frozen=True, array_like=True):
    """Where in the document's text an entity is named."""

    start: int
    end: int
    text: str


class Entity(Record, frozen=True, kw_only=True):
    """A thing that documents speak of. `entity_id` is `type:normal-form`, the same in every document."""

    entity_id: str
    name: str
    type: str
    mentions: tuple[Mention, ...] = ()
    identifiers: dict[str, str] = {}


class Claim(Record, frozen=True, kw_only=True):
    """A statement of a document: subject, predicate, object; `start` and `end` span the evidence, if there is one."""

    subject: str
    predicate: str
    object: str
    extractor: str
    version: str
    start: int | None = None
    end: int | None = None
    evidence: str = ""


class Facts(Record, frozen=True, kw_only=True):
    """What extraction found: entities, claims between them, and what of a model's answer was `dropped`, by reason."""

    entities: tuple[Entity, ...] = ()
    claims: tuple[Claim, ...] = ()
    dropped: dict[str, int] = {}


class GraphWriteReceipt(Record, frozen=True, kw_only=True):
    """What one build of a document put into the graph; `digest` is a hash of its entities and relations."""

    build: str
    entities: int
    relations: int
    digest: str


class SourceItem(Record, frozen=True, kw_only=True):
    """One document found by a source, before it is read. `read` returns its bytes."""

    document_id: str
    source: str
    locator: str
    read: Callable[[], bytes]
    kind_hint: str = ""
    metadata: dict[str, Json] = {}


class StageContext(Record, frozen=True, kw_only=True):
    """Who asks for a stage's work, and for whom. `build` names what the stage writes to a store (its work key).

    `deadline` is a time of `time.monotonic()`, or None; `attempt` counts from 1.
    """

    tenant_id: str
    doc_id: str
    job_id: str
    correlation_id: str
    pipeline: str
    pipeline_version: str
    stage: str
    build: str = ""
    attempt: int = 1
    deadline: float | None = None
    metadata: dict[str, Json] = {}


def short_hash(*parts: str | bytes) -> str:
    """128 bits of BLAKE2b over the parts, in hex; parts are kept apart by their lengths."""
    framed = b""
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        framed += len(data).to_bytes(8, "little") + data
    return hashlib.blake2b(framed, digest_size=16).hexdigest()


def content_name(content: bytes) -> str:
    """The name of a raw object: the SHA-256 of its bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def new_id() -> str:
    """A new identifier: 128 bits, hex, rising with time so that rows written together lie together."""
    return f"{time.time_ns() >> 10:014x}{os.urandom(9).hex()}"
