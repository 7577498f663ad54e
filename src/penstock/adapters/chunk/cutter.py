"""Which spans of a document become chunks: cut by one set of settings, section by section, tables between rows."""

from collections.abc import Iterator
from typing import Any

from penstock.adapters.chunk.segments import Segment, segments, table_spans
from penstock.adapters.chunk.sentences import SentenceRule
from penstock.adapters.chunk.settings import ChunkSettings
from penstock.errors import PermanentError
from penstock.records import Document, Table

_TO_SPACES = str.maketrans("\n\t\r\v\u00a0", "     ")


class Cutter:
    """Haystack's splitter for one set of settings."""

    def __init__(self, settings: ChunkSettings) -> None:
        from haystack import Document as HaystackDocument

        self._settings = settings
        self._document_type = HaystackDocument
        self._splitter = _splitter(settings)

    def spans(self, document: Document) -> Iterator[tuple[Segment, int, int]]:
        """The spans of the chunks, each with its segment, in order.

        Raises `PermanentError` where the splitter gives text that is not in the document.
        """
        parts = [each for each in segments(document) if not document.text[each.start : each.end].isspace()]
        kept = [each for each in parts if each.section is None or each.section.kind not in self._settings.leave_out]
        parts = kept or parts
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
