"""The contract of `ExtractStage`."""

from typing import Any

import pytest

from penstock.records import Document, Facts
from penstock.testing.checks import check_batch_form, check_encodes
from penstock.testing.factories import make_context, make_document


class ExtractStageContract:
    """Subclass it, override `adapter` and, so that there is something to find, `document`."""

    @pytest.fixture
    def adapter(self) -> Any:
        raise NotImplementedError("override the fixture `adapter`")

    @pytest.fixture
    def document(self) -> Document:
        return make_document()

    def test_an_entity_is_told_once(self, adapter: Any, document: Document) -> None:
        ids = [entity.entity_id for entity in adapter.execute(make_context(), document).entities]
        assert len(set(ids)) == len(ids)

    def test_an_id_begins_with_the_type(self, adapter: Any, document: Document) -> None:
        entities = adapter.execute(make_context(), document).entities
        assert [each for each in entities if not each.entity_id.startswith(f"{each.type}:")] == []

    def test_a_mention_is_a_span_of_the_text(self, adapter: Any, document: Document) -> None:
        for entity in adapter.execute(make_context(), document).entities:
            for mention in entity.mentions:
                assert mention.text == document.text[mention.start : mention.end]

    def test_a_claim_is_about_entities_that_are_told(self, adapter: Any, document: Document) -> None:
        facts = adapter.execute(make_context(), document)
        ids = {entity.entity_id for entity in facts.entities}
        assert {each for claim in facts.claims for each in (claim.subject, claim.object)} <= ids

    def test_evidence_is_a_span_of_the_text(self, adapter: Any, document: Document) -> None:
        for claim in adapter.execute(make_context(), document).claims:
            if claim.start is not None:
                assert claim.evidence == document.text[claim.start : claim.end]

    def test_a_claim_tells_what_made_it(self, adapter: Any, document: Document) -> None:
        assert all(claim.extractor and claim.version for claim in adapter.execute(make_context(), document).claims)

    def test_the_same_document_gives_the_same_facts(self, adapter: Any, document: Document) -> None:
        assert adapter.execute(make_context(), document) == adapter.execute(make_context(attempt=2), document)

    def test_the_output_comes_back_from_its_encoding(self, adapter: Any, document: Document) -> None:
        check_encodes(adapter.execute(make_context(), document), Facts)

    def test_the_batch_form_gives_the_same(self, adapter: Any, document: Document) -> None:
        check_batch_form(adapter, [(make_context(), document), (make_context(), make_document("Nothing of note."))])
