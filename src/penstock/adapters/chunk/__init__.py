"""Chunking with Haystack's splitters, section by section, offsets kept."""

from collections.abc import Iterator
from importlib.metadata import version as installed_version
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from penstock.adapters.chunk.segments import Layout, Segment, segments, table_spans
from penstock.adapters.chunk.sentences import SentenceRule
from penstock.adapters.haystack_setup import prepare_haystack
from penstock.errors import PermanentError, RejectedError
from penstock.ports import Resources
from penstock.records import Chunk, Document, StageContext, Table, short_hash

_TO_SPACES = str.maketrans("\n\t\r\v\u00a0", "     ")


class ChunkSettings(BaseModel):
    """How long chunks are. `split_length` and `split_overlap` count units of `split_by`.

    A table of up to `table_length` words is one chunk, and so is a caption; a longer table is cut between rows, and the
    pieces after the first have its caption and its first row among their headings.

    `recursive` counts words and prefers to cut between paragraphs, then lines, sentences and words. What has fewer than
    `split_threshold` units is joined to the chunk before it. With `respect_sentence_boundary` (`word` only) a chunk
    ends where a sentence ends. `max_characters` bounds text that has no such units (a line without spaces); a row of a
    table is never cut.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    split_by: Literal["word", "sentence", "passage", "period", "line", "page", "recursive"] = "word"
    split_length: int = Field(default=150, ge=1, le=10_000)
    split_overlap: int = Field(default=20, ge=0)
    split_threshold: int = Field(default=0, ge=0)
    table_length: int = Field(default=300, ge=1)
    respect_sentence_boundary: bool = False
    max_characters: int = Field(default=8_000, ge=100)

    @model_validator(mode="after")
    def _fits(self) -> "ChunkSettings":
        if self.split_overlap >= self.split_length:
            raise ValueError("`split_overlap` must be less than `split_length`")
        if self.respect_sentence_boundary and self.split_by != "word":
            raise ValueError("`respect_sentence_boundary` needs `split_by: word`")
        return self


class HaystackChunker:
    """`ChunkStage` with Haystack's `DocumentSplitter` and `RecursiveDocumentSplitter`.

    No chunk reaches across two sections, tables and captions are whole, and `page` and `box` say where a chunk begins.
    Source:
    <https://docs.haystack.deepset.ai/docs/documentsplitter>.
    """

    settings_type = ChunkSettings
    version: ClassVar[str] = "3"

    def __init__(self, settings: ChunkSettings, resources: Resources) -> None:
        prepare_haystack()
        from haystack import Document as HaystackDocument

        self._settings = settings
        self._document_type = HaystackDocument
        self._splitter = _splitter(settings)
        self._name = f"haystack/{self.version} (haystack-ai {installed_version('haystack-ai')})"

    def execute(self, ctx: StageContext, document: Document) -> list[Chunk]:
        """Cut `document` into chunks, in the order of its text.

        Raises:
            RejectedError: there is nothing but white space in it.
            PermanentError: the splitter gave text that is not in the document.
        """
        layout = Layout(document)
        chunks: list[Chunk] = []
        for segment, start, end in self._spans(document):
            chunks.append(self._chunk(ctx, document, layout, segment, start, end, len(chunks)))
        if not chunks:
            raise RejectedError(
                f"document `{document.document_id}`: no text to cut; a document needs at least one word"
            )
        return chunks

    def _spans(self, document: Document) -> Iterator[tuple[Segment, int, int]]:
        parts = [each for each in segments(document) if not document.text[each.start : each.end].isspace()]
        split = self._split(document, [each for each in parts if each.alone is None])
        for segment in parts:
            if isinstance(segment.alone, Table):
                spans = list(table_spans(document.text, segment.start, segment.end, self._settings.table_length))
            elif segment.alone is not None:
                spans = [(segment.start, segment.end)]
            else:
                spans = split[segment.start]
            limit = None if isinstance(segment.alone, Table) else self._settings.max_characters
            for start, end in spans:
                for piece in _bounded(document.text, start, end, limit):
                    yield segment, *piece

    def _split(self, document: Document, parts: list[Segment]) -> dict[int, list[tuple[int, int]]]:
        """The spans that Haystack makes of each part, by the part's start; one call for the whole document."""
        spans: dict[int, list[tuple[int, int]]] = {each.start: [] for each in parts}
        if not parts:
            return spans
        text = document.text
        if self._settings.split_by == "word":
            text = text.translate(_TO_SPACES)  # Haystack's words end at U+0020 alone
        sources = [
            self._document_type(id=str(each.start), content=text[each.start : each.end], meta={}) for each in parts
        ]
        for found in self._splitter.run(documents=sources)["documents"]:
            base = int(found.meta["source_id"])
            start = base + int(found.meta["split_idx_start"])
            end = start + len(found.content)
            if text[start:end] != found.content:
                raise PermanentError(
                    f"document `{document.document_id}`: the splitter's text at {start} is not the document's;"
                    " choose another `split_by`"
                )
            spans[base].append((start, end))
        return spans

    def _chunk(
        self, ctx: StageContext, document: Document, layout: Layout, segment: Segment, start: int, end: int, index: int
    ) -> Chunk:
        text = document.text[start:end]
        box = layout.at(start, end)
        digest = short_hash(document.document_id, str(start), str(end), text)[:12]
        return Chunk(
            chunk_id=f"{document.document_id}#{index}-{digest}",
            document_id=document.document_id,
            tenant_id=ctx.tenant_id,
            text=text,
            start=start,
            end=end,
            index=index,
            title=document.title,
            headings=segment.headings(start),
            page=box.page if box is not None else segment.page,
            box=box,
            source=document.provenance.source,
            raw=document.provenance.raw,
            parser=f"{document.provenance.adapter}/{document.provenance.adapter_version}",
            chunker=self._name,
            metadata=document.metadata,
        )


def _bounded(text: str, start: int, end: int, limit: int | None) -> Iterator[tuple[int, int]]:
    """The span without its outer white space, in pieces of at most `limit` characters; nothing when it is blank."""
    while start < end:
        stop = end
        if limit is not None and end - start > limit:
            stop = start + limit
            space = text.rfind(" ", start + limit // 2, stop)
            stop = space if space > 0 else stop
        piece = text[start:stop]
        left = start + len(piece) - len(piece.lstrip())
        right = start + len(piece.rstrip())
        if left < right:
            yield left, right
        start = stop


def _splitter(settings: ChunkSettings) -> Any:
    from haystack.components.preprocessors import DocumentSplitter, RecursiveDocumentSplitter

    if settings.split_by == "recursive":
        return RecursiveDocumentSplitter(
            split_length=settings.split_length,
            split_overlap=settings.split_overlap,
            split_unit="word",
            separators=["\n\n", "\n", r"[.!?]\s", " "],
        )
    by_sentence = settings.split_by == "sentence"
    splitter: Any = DocumentSplitter(
        split_by="period" if by_sentence else settings.split_by,
        split_length=settings.split_length,
        split_overlap=settings.split_overlap,
        split_threshold=settings.split_threshold,
    )
    if by_sentence or settings.respect_sentence_boundary:
        # Asked for by name, the constructor would want NLTK and its data.
        splitter.split_by = settings.split_by
        splitter.respect_sentence_boundary = settings.respect_sentence_boundary
        splitter.sentence_splitter = SentenceRule()
        splitter._use_sentence_splitter = True
    return splitter
