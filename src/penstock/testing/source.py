"""The contract of `Source`."""

from typing import Any

import pytest


class SourceContract:
    """Subclass it, override `adapter` and `target`: an input that holds two documents or more."""

    @pytest.fixture
    def adapter(self) -> Any:
        raise NotImplementedError("override the fixture `adapter`")

    @pytest.fixture
    def target(self) -> str:
        raise NotImplementedError("override the fixture `target`")

    def test_an_input_holds_its_documents_in_a_stable_order(self, adapter: Any, target: str) -> None:
        first = [item.document_id for item in adapter.discover(target)]
        assert len(first) > 1
        assert first == [item.document_id for item in adapter.discover(target)]

    def test_every_document_has_an_id_of_its_own(self, adapter: Any, target: str) -> None:
        ids = [item.document_id for item in adapter.discover(target)]
        assert len(set(ids)) == len(ids)
        assert all(name.isprintable() and ":" in name and len(name) <= 512 for name in ids)

    def test_a_document_reads_the_same_twice(self, adapter: Any, target: str) -> None:
        for item in adapter.discover(target):
            content = item.read()
            assert isinstance(content, bytes)
            assert item.read() == content

    def test_what_is_said_of_a_document_does_not_change(self, adapter: Any, target: str) -> None:
        said = [[(i.document_id, i.source, i.kind_hint, i.metadata) for i in adapter.discover(target)] for _ in "ab"]
        assert said[0] == said[1]
