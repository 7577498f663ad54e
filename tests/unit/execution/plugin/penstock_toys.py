"""Stages that do next to nothing, and what a test wants besides: `on["parse"] = function(ctx, value)`.

A function that returns something other than None answers in the stage's place; one that raises fails for it. `calls`
lists (stage, document, attempt) in order.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from penstock.errors import UnavailableError
from penstock.records import (
    AdapterRequest,
    Chunk,
    Claim,
    Document,
    EmbeddingBatch,
    Entity,
    Facts,
    IndexReceipt,
    PDFFile,
    Provenance,
    RawPayload,
    SourceItem,
    StageContext,
    content_name,
)

on: dict[str, Callable[[StageContext, Any], Any]] = {}
calls: list[tuple[str, str, int]] = []
letters: dict[str, Callable[[], bytes]] = {}
"""What the source `toy` finds: document id → how its bytes are read."""


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    note: str = ""


class Toy:
    settings_type: ClassVar[type[BaseModel]] = Settings
    version: ClassVar[str] = "1"

    def __init__(self, settings: Settings, resources: Any) -> None:
        self.settings = settings

    def asked(self, ctx: StageContext, value: Any) -> Any:
        calls.append((ctx.stage, ctx.doc_id, ctx.attempt))
        return on[ctx.stage](ctx, value) if ctx.stage in on else None


class Ingest(Toy):
    def execute(self, ctx: StageContext, request: AdapterRequest) -> list[RawPayload]:
        payload = RawPayload(
            document_id=request.document_id,
            source=request.source,
            kind="text",
            locator=request.locator,
            raw=request.raw,
            size=request.size,
            content=request.content,
        )
        return self.asked(ctx, request) or [payload]


class Unbuildable(Ingest):
    def __init__(self, settings: Settings, resources: Any) -> None:
        raise UnavailableError("there is no GPU", status="gpu_unavailable")


class Uninstalled(Ingest):
    def __init__(self, settings: Settings, resources: Any) -> None:
        import penstock_no_such_package  # noqa: F401 - what a stage needs and nobody has installed


class Parse(Toy):
    def execute(self, ctx: StageContext, payloads: list[RawPayload]) -> Document:
        answer = self.asked(ctx, payloads)
        return answer if answer is not None else document_of(payloads[0], self.settings.note)


class ParseTogether(Parse):
    batch_documents = 2

    def execute_batch(self, items: Sequence[tuple[StageContext, list[RawPayload]]]) -> Sequence[Any]:
        return [self.execute(ctx, payloads) for ctx, payloads in items]


class Validate(Toy):
    def execute(self, ctx: StageContext, document: Document) -> Document:
        return self.asked(ctx, document) or document


class Download(Toy):
    def execute(self, ctx: StageContext, document: Document | list[RawPayload]) -> PDFFile:
        self.asked(ctx, document)
        return PDFFile(document_id=ctx.doc_id, path=f"pdfs/{ctx.doc_id}.pdf", sha256="0" * 64, size=1)


class Chunks(Toy):
    def execute(self, ctx: StageContext, document: Document) -> list[Chunk]:
        answer = self.asked(ctx, document)
        return answer if answer is not None else [chunk_of(ctx, document)]


class Embed(Toy):
    def execute(self, ctx: StageContext, chunks: list[Chunk]) -> EmbeddingBatch:
        vectors = bytes(16 * len(chunks))
        return self.asked(ctx, chunks) or EmbeddingBatch(
            model="toy", dimension=4, chunks=tuple(chunks), vectors=vectors
        )

    def embed_query(self, text: str) -> Sequence[float]:
        return [0.0] * 4


class Index(Toy):
    """Writes the words only, so that no test needs a vector store."""

    def __init__(self, settings: Settings, resources: Any) -> None:
        super().__init__(settings, resources)
        self.resources = resources

    def execute(self, ctx: StageContext, batch: EmbeddingBatch) -> IndexReceipt:
        answer = self.asked(ctx, batch)
        self.resources.lexical.write(ctx.tenant_id, {ctx.build: batch.chunks})
        return answer or IndexReceipt(build=ctx.build, model="toy", dimension=4, marks=())


class Extract(Toy):
    def execute(self, ctx: StageContext, document: Document) -> Facts:
        names = sorted(set(document.text.split()))
        entities = tuple(Entity(entity_id=f"word:{name}", name=name, type="word") for name in names)
        claims = tuple(
            Claim(subject=names[0], predicate="precedes", object=name, extractor="toy", version="1")
            for name in names[1:]
        )
        return self.asked(ctx, document) or Facts(entities=entities, claims=claims)


class Letters(Toy):
    def discover(self, target: str) -> Iterator[SourceItem]:
        for name, read in letters.items():
            yield SourceItem(document_id=name, source="toy", locator=name, read=read)


def document_of(payload: RawPayload, note: str = "") -> Document:
    text = payload.content.decode()
    assert content_name(payload.content) == payload.raw, "what is parsed is what was stored"
    provenance = Provenance(source=payload.source, raw=payload.raw, adapter="toy", adapter_version="1")
    return Document(document_id=payload.document_id, title=note, text=text, provenance=provenance)


def chunk_of(ctx: StageContext, document: Document) -> Chunk:
    return Chunk(
        chunk_id=f"{document.document_id}#0",
        document_id=document.document_id,
        tenant_id=ctx.tenant_id,
        text=document.text,
        start=0,
        end=len(document.text),
        index=0,
    )
