"""The contract of `PDFReader`."""

from typing import Any

import pytest

from penstock.errors import StageError
from penstock.records import Document, RawPayload
from penstock.testing.checks import check_encodes
from penstock.testing.factories import make_context, make_payload, make_pdf


class PDFReaderContract:
    """Subclass it, override `adapter` and, where a reader cannot take a PDF of two lines, `payload`."""

    @pytest.fixture
    def adapter(self) -> Any:
        raise NotImplementedError("override the fixture `adapter`")

    @pytest.fixture
    def payload(self) -> RawPayload:
        """A PDF that says `Pumps move water.` on its first page and `Valves stop it.` on its second."""
        return make_payload(make_pdf("Pumps move water.", "Valves stop it."), kind="pdf", document_id="file:pumps.pdf")

    @pytest.fixture
    def broken(self) -> RawPayload:
        """What cannot be read."""
        return make_payload(b"%PDF-1.7\nwater", kind="pdf")

    def test_the_document_is_the_one_that_was_given(self, adapter: Any, payload: RawPayload) -> None:
        document = adapter.read(make_context(), payload)
        assert isinstance(document, Document)
        assert document.document_id == payload.document_id
        assert (document.provenance.source, document.provenance.raw) == (payload.source, payload.raw)

    def test_what_read_it_is_told(self, adapter: Any, payload: RawPayload) -> None:
        provenance = adapter.read(make_context(), payload).provenance
        assert provenance.adapter
        assert provenance.adapter_version

    def test_the_text_is_there_in_the_order_of_the_pages(self, adapter: Any, payload: RawPayload) -> None:
        text = adapter.read(make_context(), payload).text
        assert 0 <= text.find("Pumps move water.") < text.find("Valves stop it.")

    def test_every_box_stands_on_a_page_and_spans_a_part_of_the_text(self, adapter: Any, payload: RawPayload) -> None:
        document = adapter.read(make_context(), payload)
        assert {box.page for box in document.boxes} == {1, 2}
        assert [box for box in document.boxes if not 0 <= box.start <= box.end <= len(document.text)] == []
        assert [box.order for box in document.boxes] == sorted(box.order for box in document.boxes)

    def test_a_box_of_text_has_its_words(self, adapter: Any, payload: RawPayload) -> None:
        document = adapter.read(make_context(), payload)
        pages = {box.page for box in document.boxes if "Valves" in document.text[box.start : box.end]}
        assert pages == {2}

    def test_the_same_bytes_give_the_same_document(self, adapter: Any, payload: RawPayload) -> None:
        first = adapter.read(make_context(), payload)
        assert adapter.read(make_context(attempt=2), payload) == first

    def test_the_output_comes_back_from_its_encoding(self, adapter: Any, payload: RawPayload) -> None:
        check_encodes(adapter.read(make_context(), payload), Document)

    def test_what_cannot_be_read_fails_with_a_reason(self, adapter: Any, broken: RawPayload) -> None:
        with pytest.raises(StageError) as caught:
            adapter.read(make_context(), broken)
        assert caught.value.message
