"""What an adapter of a stage must offer, one Protocol for each stage type; and that of a reader of PDFs.

A stage's `execute` does one document's work. It returns the output, or raises a `penstock.errors.StageError` that says
by its type what follows. Anything else that it raises counts as permanent. An adapter may also offer the batch form
(`BatchForm`): many documents in one call, results per document.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from penstock.records import (
    AdapterRequest,
    Chunk,
    Document,
    EmbeddingBatch,
    Facts,
    GraphWriteReceipt,
    IndexReceipt,
    PDFFile,
    RawPayload,
    StageContext,
)


class BatchForm(Protocol):
    """The batch form of a stage: one result, or one `StageError`, for each item, in order.

    A class attribute `batch_documents` says how many documents one call takes; without it, a call takes all.
    """

    def execute_batch(self, items: Sequence[tuple[StageContext, Any]]) -> Sequence[Any]: ...


class IngestStage(Protocol):
    """Tells what the stored bytes of a document are."""

    def execute(self, ctx: StageContext, request: AdapterRequest) -> list[RawPayload]: ...


class ParseStage(Protocol):
    """Reads raw payloads into the intermediate representation."""

    def execute(self, ctx: StageContext, payloads: list[RawPayload]) -> Document: ...


class ValidateStage(Protocol):
    """Passes a document on, mended where that is safe, or rejects it."""

    def execute(self, ctx: StageContext, document: Document) -> Document: ...


class DownloadStage(Protocol):
    """Fetches the PDF that a document, or its record, names and stores it."""

    def execute(self, ctx: StageContext, document: Document | list[RawPayload]) -> PDFFile: ...


class ChunkStage(Protocol):
    """Cuts a document into spans small enough to embed. Ids are deterministic."""

    def execute(self, ctx: StageContext, document: Document) -> list[Chunk]: ...


class EmbedStage(Protocol):
    """Gives each chunk a vector."""

    def execute(self, ctx: StageContext, chunks: list[Chunk]) -> EmbeddingBatch: ...

    def embed_query(self, text: str) -> Sequence[float]:
        """The vector of a query, comparable with those of the chunks."""
        ...


class IndexStage(Protocol):
    """Writes one build of a document to the lexical and the vector index: both or neither count."""

    def execute(self, ctx: StageContext, batch: EmbeddingBatch) -> IndexReceipt: ...


class ExtractStage(Protocol):
    """Finds entities and claims in a document."""

    def execute(self, ctx: StageContext, document: Document) -> Facts: ...


class KGStage(Protocol):
    """Writes one build of a document's facts to the graph."""

    def execute(self, ctx: StageContext, facts: Facts) -> GraphWriteReceipt: ...


class PDFReader(Protocol):
    """Reads a PDF into the intermediate representation: what the worker behind a gate does with each one.

    A profile binds it as `workers.pdf`. Its name, version, fingerprint and settings are part of the gate's work key, so
    that another reader reads anew. It is called in a process of its own, which is killed when a call outlasts its
    deadline (`ctx.deadline`, of `time.monotonic()`) or takes more memory than the worker allows.
    """

    def read(self, ctx: StageContext, payload: RawPayload) -> Document:
        """The document in the PDF `payload.content`, with layout boxes, in reading order.

        Raises:
            RejectedError: the file is at fault; the status `needs_ocr` where its pages are pictures.
            UnavailableError: what reads it is not there; the status `gpu_unavailable` where that is a GPU.
            TransientError: it may be read if tried again.
        """
        ...
