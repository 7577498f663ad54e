"""A source that makes documents up, and adapters that do nothing, registered as any other distribution's are."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from penstock import (
    AdapterRequest,
    Chunk,
    Document,
    EmbeddingBatch,
    Facts,
    GraphWriteReceipt,
    IndexReceipt,
    Provenance,
    RawPayload,
    SourceItem,
    StageContext,
)

_WORDS = ("pump", "valve", "water", "pressure", "trial", "patient", "dose", "weekly", "placebo", "outcome", "ledger")


class Settings(BaseModel):
    """There is nothing to set."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Null:
    """What all of these adapters share."""

    settings_type: ClassVar[type[BaseModel]] = Settings
    version: ClassVar[str] = "1"

    def __init__(self, settings: Settings, resources: Any) -> None:
        """Keeps nothing."""


class NullSource(Null):
    """`null:COUNT` or `null:COUNT:WORDS`: so many documents, each of so many words, always the same."""

    def discover(self, target: str) -> Iterator[SourceItem]:
        _, count, *words = target.split(":")
        for number in range(int(count)):
            yield SourceItem(
                document_id=f"null:{number}",
                source="null",
                locator=f"{number}.txt",
                read=partial(_content, number, int(words[0]) if words else 8),
            )


class NullIngest(Null):
    def execute(self, ctx: StageContext, request: AdapterRequest) -> list[RawPayload]:
        return [
            RawPayload(
                document_id=request.document_id,
                source=request.source,
                kind="text",
                locator=request.locator,
                raw=request.raw,
                size=request.size,
                content=request.content,
            )
        ]


class NullParse(Null):
    def execute(self, ctx: StageContext, payloads: list[RawPayload]) -> Document:
        origin = Provenance(source="null", raw=payloads[0].raw, adapter="null", adapter_version="1")
        text = payloads[0].content.decode()
        return Document(document_id=ctx.doc_id, title="", text=text, provenance=origin)


class NullValidate(Null):
    def execute(self, ctx: StageContext, document: Document) -> Document:
        return document


class NullChunk(Null):
    def execute(self, ctx: StageContext, document: Document) -> list[Chunk]:
        return [
            Chunk(
                chunk_id=f"{ctx.doc_id}#0",
                document_id=ctx.doc_id,
                tenant_id=ctx.tenant_id,
                text=document.text,
                start=0,
                end=len(document.text),
                index=0,
            )
        ]


class NullEmbed(Null):
    def execute(self, ctx: StageContext, chunks: list[Chunk]) -> EmbeddingBatch:
        return EmbeddingBatch(model="null", dimension=1, chunks=tuple(chunks), vectors=b"\0\0\x80?" * len(chunks))

    def embed_query(self, text: str) -> list[float]:
        return [1.0]


class NullIndex(Null):
    def execute(self, ctx: StageContext, batch: EmbeddingBatch) -> IndexReceipt:
        return IndexReceipt(build=ctx.build, model=batch.model, dimension=batch.dimension, marks=())


class NullExtract(Null):
    def execute(self, ctx: StageContext, document: Document) -> Facts:
        return Facts()


class NullGraph(Null):
    def execute(self, ctx: StageContext, facts: Facts) -> GraphWriteReceipt:
        return GraphWriteReceipt(build=ctx.build, entities=0, relations=0, digest="")


STAGES: dict[str, type[Null]] = {
    "IngestStage": NullIngest,
    "ParseStage": NullParse,
    "ValidateStage": NullValidate,
    "ChunkStage": NullChunk,
    "EmbedStage": NullEmbed,
    "IndexStage": NullIndex,
    "ExtractStage": NullExtract,
    "KGStage": NullGraph,
}


def install(folder: Path) -> None:
    """Let the registry find these adapters: a distribution's metadata in `folder`, which becomes importable."""
    metadata = folder / "penstock_null-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: penstock-null\nVersion: 1\n")
    ports = STAGES | {"Source": NullSource}
    points = [f"[penstock.{port}]\nnull = {__name__}:{kind.__name__}\n" for port, kind in ports.items()]
    (metadata / "entry_points.txt").write_text("\n".join(points))
    sys.path.append(str(folder))


def _content(number: int, words: int) -> bytes:
    chosen = (_WORDS[(number + place * place) % len(_WORDS)] for place in range(words))
    return f"Document {number}. {' '.join(chosen)}.\n".encode()
