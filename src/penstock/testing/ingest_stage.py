"""The contract of `IngestStage`."""

from typing import Any

import pytest

from penstock.errors import RejectedError
from penstock.records import AdapterRequest, RawPayload
from penstock.testing.checks import check_encodes
from penstock.testing.factories import make_context, make_request


class IngestStageContract:
    """Subclass it, override `adapter` and, where plain text is not what it takes, `request_`."""

    @pytest.fixture
    def adapter(self) -> Any:
        raise NotImplementedError("override the fixture `adapter`")

    @pytest.fixture
    def request_(self) -> AdapterRequest:
        return make_request()

    def test_a_payload_is_the_document_that_was_asked_for(self, adapter: Any, request_: AdapterRequest) -> None:
        payloads = adapter.execute(make_context(), request_)
        assert payloads
        assert {(each.document_id, each.source) for each in payloads} == {(request_.document_id, request_.source)}

    def test_every_payload_says_what_its_bytes_are(self, adapter: Any, request_: AdapterRequest) -> None:
        assert all(each.kind for each in adapter.execute(make_context(), request_))

    def test_the_bytes_are_those_of_the_raw_store(self, adapter: Any, request_: AdapterRequest) -> None:
        first = adapter.execute(make_context(), request_)[0]
        assert (first.raw, first.size, first.content) == (request_.raw, request_.size, request_.content)

    def test_the_same_request_gives_the_same_payloads(self, adapter: Any, request_: AdapterRequest) -> None:
        assert adapter.execute(make_context(), request_) == adapter.execute(make_context(attempt=2), request_)

    def test_the_output_comes_back_from_its_encoding(self, adapter: Any, request_: AdapterRequest) -> None:
        check_encodes(adapter.execute(make_context(), request_), list[RawPayload])

    def test_empty_bytes_are_rejected(self, adapter: Any) -> None:
        with pytest.raises(RejectedError):
            adapter.execute(make_context(), make_request(b""))
