"""The contract of `ValidateStage`."""

from typing import Any

import pytest

from penstock.errors import RejectedError
from penstock.records import Document
from penstock.testing.checks import check_batch_form, check_encodes
from penstock.testing.factories import make_context, make_document


class ValidateStageContract:
    """Subclass it, override `adapter` and, where the rules are special, `document` and `bad`."""

    @pytest.fixture
    def adapter(self) -> Any:
        raise NotImplementedError("override the fixture `adapter`")

    @pytest.fixture
    def document(self) -> Document:
        """What passes."""
        return make_document()

    @pytest.fixture
    def bad(self) -> Document:
        """What does not."""
        return make_document("")

    def test_a_sound_document_passes_as_it_is(self, adapter: Any, document: Document) -> None:
        assert adapter.execute(make_context(), document) == document

    def test_what_has_passed_passes_again(self, adapter: Any, document: Document) -> None:
        once = adapter.execute(make_context(), document)
        assert adapter.execute(make_context(), once) == once

    def test_a_bad_document_is_rejected(self, adapter: Any, bad: Document) -> None:
        with pytest.raises(RejectedError):
            adapter.execute(make_context(), bad)

    def test_the_output_comes_back_from_its_encoding(self, adapter: Any, document: Document) -> None:
        check_encodes(adapter.execute(make_context(), document), Document)

    def test_the_batch_form_gives_the_same(self, adapter: Any, document: Document, bad: Document) -> None:
        check_batch_form(adapter, [(make_context(), document), (make_context(), bad), (make_context(), document)])
