"""The contract of `KGStage`."""

from typing import Any

import pytest

from penstock.records import Facts, GraphWriteReceipt
from penstock.testing.checks import check_batch_form, check_encodes
from penstock.testing.factories import make_context, make_facts


class KGStageContract:
    """Subclass it, override `adapter` (over a graph that is empty at first) and, if you like, `facts`."""

    @pytest.fixture
    def adapter(self) -> Any:
        raise NotImplementedError("override the fixture `adapter`")

    @pytest.fixture
    def facts(self) -> Facts:
        return make_facts()

    def test_the_receipt_counts_what_was_written(self, adapter: Any, facts: Facts) -> None:
        receipt = adapter.execute(make_context(build="build-7"), facts)
        assert (receipt.build, receipt.entities, receipt.relations) == (
            "build-7",
            len(facts.entities),
            len(facts.claims),
        )

    def test_the_digest_is_of_the_facts_alone(self, adapter: Any, facts: Facts) -> None:
        one = adapter.execute(make_context(build="one"), facts)
        two = adapter.execute(make_context(build="two", attempt=2, job_id="job-2"), facts)
        other = adapter.execute(make_context(build="three"), make_facts(claims=()))
        assert one.digest == two.digest
        assert one.digest != other.digest

    def test_writing_again_changes_nothing(self, adapter: Any, facts: Facts) -> None:
        assert adapter.execute(make_context(), facts) == adapter.execute(make_context(attempt=2), facts)

    def test_the_output_comes_back_from_its_encoding(self, adapter: Any, facts: Facts) -> None:
        check_encodes(adapter.execute(make_context(), facts), GraphWriteReceipt)

    def test_the_batch_form_gives_the_same(self, adapter: Any, facts: Facts) -> None:
        contexts = [make_context(build=f"build-{number}") for number in range(3)]
        check_batch_form(adapter, [(ctx, facts) for ctx in contexts])
