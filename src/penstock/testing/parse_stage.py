"""The contract of `ParseStage`."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from penstock.errors import RejectedError
from penstock.records import Document, RawPayload
from penstock.testing.checks import check_batch_form, check_encodes
from penstock.testing.factories import make_context, make_payload


class ParseStageContract:
    """Subclass it, override `adapter` and, where plain text is not what it takes, `payloads` and `broken`."""

    @pytest.fixture
    def adapter(self) -> Any:
        raise NotImplementedError("override the fixture `adapter`")

    @pytest.fixture
    def payloads(self) -> list[RawPayload]:
        return [make_payload()]

    @pytest.fixture
    def broken(self) -> list[RawPayload]:
        """What the adapter cannot read."""
        return [make_payload(b"{", kind="json")]

    def test_the_document_is_the_one_that_was_given(self, adapter: Any, payloads: list[RawPayload]) -> None:
        document = adapter.execute(make_context(), payloads)
        assert document.document_id == payloads[0].document_id
        assert (document.provenance.source, document.provenance.raw) == (payloads[0].source, payloads[0].raw)

    def test_there_is_text_and_a_title(self, adapter: Any, payloads: list[RawPayload]) -> None:
        document = adapter.execute(make_context(), payloads)
        assert document.text.strip()
        assert document.title.strip()

    def test_every_span_is_inside_the_text(self, adapter: Any, payloads: list[RawPayload]) -> None:
        document = adapter.execute(make_context(), payloads)
        spans = [*document.sections, *document.tables, *document.figures, *document.boxes]
        assert [each for each in spans if not 0 <= each.start <= each.end <= len(document.text)] == []

    def test_sections_stand_one_after_the_other(self, adapter: Any, payloads: list[RawPayload]) -> None:
        sections = adapter.execute(make_context(), payloads).sections
        assert all(one.end <= next_.start for one, next_ in pairwise(sections))

    def test_the_same_bytes_give_the_same_document(self, adapter: Any, payloads: list[RawPayload]) -> None:
        first = adapter.execute(make_context(), payloads)
        second = adapter.execute(make_context(attempt=2), payloads)
        assert msgspec.msgpack.encode(first) == msgspec.msgpack.encode(second)

    def test_what_read_it_is_told(self, adapter: Any, payloads: list[RawPayload]) -> None:
        provenance = adapter.execute(make_context(), payloads).provenance
        assert provenance.adapter
        assert provenance.adapter_version

    def test_the_output_comes_back_from_its_encoding(self, adapter: Any, payloads: list[RawPayload]) -> None:
        check_encodes(adapter.execute(make_context(), payloads), Document)

    def test_what_cannot_be_read_is_rejected(self, adapter: Any, broken: list[RawPayload]) -> None:
        with pytest.raises(RejectedError):
            adapter.execute(make_context(), broken)

    def test_the_batch_form_gives_the_same(
        self, adapter: Any, payloads: list[RawPayload], broken: list[RawPayload]
    ) -> None:
        check_batch_form(adapter, [(make_context(), payloads), (make_context(), broken), (make_context(), payloads)])
