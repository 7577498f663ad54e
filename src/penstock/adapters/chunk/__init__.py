"""Chunking with Haystack's splitters, section by section, offsets kept."""

from importlib.metadata import version as installed_version
from typing import ClassVar

from penstock.adapters.chunk.cutter import Cutter
from penstock.adapters.chunk.segments import Layout, Segment
from penstock.adapters.chunk.settings import ChunkSettings as ChunkSettings
from penstock.adapters.haystack_setup import prepare_haystack
from penstock.errors import RejectedError
from penstock.ports import Resources
from penstock.records import Chunk, Document, StageContext, short_hash


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
        self._cutter = Cutter(settings)
        self._profiles = {name: Cutter(settings.of(name)) for name in settings.profiles}
        self._name = f"haystack/{self.version} (haystack-ai {installed_version('haystack-ai')})"

    def execute(self, ctx: StageContext, document: Document) -> list[Chunk]:
        """Cut `document` into chunks, in the order of its text.

        Raises:
            RejectedError: there is nothing but white space in it.
            PermanentError: the splitter gave text that is not in the document.
        """
        layout = Layout(document)
        chunks: list[Chunk] = []
        for segment, start, end in self._cutter_for(document).spans(document):
            chunks.append(self._chunk(ctx, document, layout, segment, start, end, len(chunks)))
        if not chunks:
            raise RejectedError(
                f"document `{document.document_id}`: no text to cut; a document needs at least one word"
            )
        return chunks

    def _cutter_for(self, document: Document) -> Cutter:
        """By the profile of the document's kind, else by that of its source, else by the settings for all."""
        names = (document.metadata.get("kind"), document.provenance.source)
        return next((self._profiles[name] for name in names if name in self._profiles), self._cutter)

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
