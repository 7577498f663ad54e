"""The contract of `DownloadStage`."""

from typing import Any

import pytest

from penstock.errors import RejectedError
from penstock.records import PDFFile, RawPayload, content_name
from penstock.testing.checks import check_encodes
from penstock.testing.factories import make_context, make_payload

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


class DownloadStageContract:
    """Subclass it, override `adapter` and, where a stored PDF is not what it takes, `payloads` and `content`."""

    @pytest.fixture
    def adapter(self) -> Any:
        raise NotImplementedError("override the fixture `adapter`")

    @pytest.fixture
    def content(self) -> bytes:
        return PDF

    @pytest.fixture
    def payloads(self, content: bytes) -> list[RawPayload]:
        return [make_payload(content, kind="pdf")]

    def test_the_file_is_told_by_its_hash_and_size(
        self, adapter: Any, payloads: list[RawPayload], content: bytes
    ) -> None:
        found = adapter.execute(make_context(doc_id=payloads[0].document_id), payloads)
        assert (found.sha256, found.size) == (content_name(content), len(content))
        assert found.document_id == payloads[0].document_id

    def test_it_is_stored_below_its_tenant(self, adapter: Any, payloads: list[RawPayload]) -> None:
        context = make_context(doc_id=payloads[0].document_id)
        assert adapter.execute(context, payloads).path.startswith(f"tenants/{context.tenant_id}/pdfs/")

    def test_the_same_file_twice_is_stored_once(self, adapter: Any, payloads: list[RawPayload]) -> None:
        assert adapter.execute(make_context(doc_id=payloads[0].document_id), payloads) == adapter.execute(
            make_context(doc_id=payloads[0].document_id, attempt=2), payloads
        )

    def test_the_output_comes_back_from_its_encoding(self, adapter: Any, payloads: list[RawPayload]) -> None:
        check_encodes(adapter.execute(make_context(doc_id=payloads[0].document_id), payloads), PDFFile)

    def test_what_names_no_pdf_is_rejected(self, adapter: Any) -> None:
        with pytest.raises(RejectedError):
            adapter.execute(make_context(), [make_payload(b"words", kind="text")])
