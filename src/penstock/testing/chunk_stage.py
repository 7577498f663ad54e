"""The contract of `ChunkStage`."""

from typing import Any

import pytest
from msgspec.structs import replace

from penstock.errors import RejectedError
from penstock.records import Chunk, Document
from penstock.testing.checks import check_batch_form, check_encodes
from penstock.testing.factories import make_context, make_document


class ChunkStageContract:
    """Subclass it, override `adapter` and, if you like, `document`."""

    @pytest.fixture
    def adapter(self) -> Any:
        raise NotImplementedError("override the fixture `adapter`")

    @pytest.fixture
    def document(self) -> Document:
        return make_document()

    def test_a_chunk_is_a_span_of_the_text(self, adapter: Any, document: Document) -> None:
        for chunk in adapter.execute(make_context(), document):
            assert chunk.text == document.text[chunk.start : chunk.end]

    def test_no_chunk_is_blank(self, adapter: Any, document: Document) -> None:
        assert all(chunk.text.strip() for chunk in adapter.execute(make_context(), document))

    def test_no_word_is_lost(self, adapter: Any, document: Document) -> None:
        covered = [False] * len(document.text)
        for chunk in adapter.execute(make_context(), document):
            covered[chunk.start : chunk.end] = [True] * (chunk.end - chunk.start)
        left = [mark for mark, seen in zip(document.text, covered, strict=True) if not seen and not mark.isspace()]
        assert left == []

    def test_chunks_are_counted_in_the_order_of_the_text(self, adapter: Any, document: Document) -> None:
        chunks = adapter.execute(make_context(), document)
        assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
        assert [chunk.start for chunk in chunks] == sorted(chunk.start for chunk in chunks)

    def test_ids_are_unique(self, adapter: Any, document: Document) -> None:
        ids = [chunk.chunk_id for chunk in adapter.execute(make_context(), document)]
        assert len(set(ids)) == len(ids)

    def test_the_same_document_gives_the_same_chunks(self, adapter: Any, document: Document) -> None:
        again = make_context(attempt=2, job_id="job-2", build="build-2")
        assert adapter.execute(make_context(), document) == adapter.execute(again, document)

    def test_another_document_has_other_ids(self, adapter: Any, document: Document) -> None:
        other = replace(document, document_id=f"{document.document_id}-other")
        ids = {chunk.chunk_id for chunk in adapter.execute(make_context(), document)}
        assert ids.isdisjoint(chunk.chunk_id for chunk in adapter.execute(make_context(), other))

    def test_a_chunk_tells_where_it_comes_from(self, adapter: Any, document: Document) -> None:
        for chunk in adapter.execute(make_context(tenant_id="acme"), document):
            assert (chunk.tenant_id, chunk.document_id, chunk.title, chunk.source, chunk.raw) == (
                "acme",
                document.document_id,
                document.title,
                document.provenance.source,
                document.provenance.raw,
            )
            assert chunk.parser
            assert chunk.chunker

    def test_the_output_comes_back_from_its_encoding(self, adapter: Any, document: Document) -> None:
        check_encodes(adapter.execute(make_context(), document), list[Chunk])

    @pytest.mark.parametrize("text", ["", " \n\t "], ids=["empty", "blank"])
    def test_a_document_without_text_is_rejected(self, adapter: Any, text: str) -> None:
        with pytest.raises(RejectedError):
            adapter.execute(make_context(), make_document(text))

    def test_the_batch_form_gives_the_same(self, adapter: Any, document: Document) -> None:
        check_batch_form(adapter, [(make_context(), each) for each in (document, make_document(""), document)])
