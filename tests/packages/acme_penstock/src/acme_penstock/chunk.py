"""Chunking by paragraph."""

import re
from collections.abc import Iterator
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from penstock.errors import RejectedError
from penstock.ports import Resources
from penstock.records import Chunk, Document, StageContext, short_hash

_BLANK_LINE = re.compile(r"\n\s*\n")


class ParagraphSettings(BaseModel):
    """A paragraph shorter than `min_characters` is joined to the one after it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    min_characters: int = Field(default=40, ge=1)


class ParagraphChunker:
    """`ChunkStage` that cuts where the text has a blank line."""

    settings_type: ClassVar[type[BaseModel]] = ParagraphSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: ParagraphSettings, resources: Resources) -> None:
        self._settings = settings

    def execute(self, ctx: StageContext, document: Document) -> list[Chunk]:
        """Cut `document` into chunks, in the order of its text; raises `RejectedError` when it is blank."""
        spans = list(_paragraphs(document.text, self._settings.min_characters))
        if not spans:
            raise RejectedError("text: nothing but white space; at least one word would be right")
        return [self._chunk(ctx, document, index, *span) for index, span in enumerate(spans)]

    def _chunk(self, ctx: StageContext, document: Document, index: int, start: int, end: int) -> Chunk:
        source = document.provenance
        return Chunk(
            chunk_id=f"{document.document_id}#{short_hash(document.document_id, str(start), str(end))[:12]}",
            document_id=document.document_id,
            tenant_id=ctx.tenant_id,
            text=document.text[start:end],
            start=start,
            end=end,
            index=index,
            title=document.title,
            source=source.source,
            raw=source.raw,
            parser=f"{source.adapter}/{source.adapter_version}",
            chunker=f"paragraphs/{self.version}",
            metadata=document.metadata,
        )


def _paragraphs(text: str, least: int) -> Iterator[tuple[int, int]]:
    start = 0
    for end in [*(found.start() for found in _BLANK_LINE.finditer(text)), len(text)]:
        words = text[start:end].strip()
        if len(words) >= least or (words and end == len(text)):
            first = text.index(words, start)
            yield first, first + len(words)
            start = end
