"""What every lexical index must do."""

from collections.abc import Callable
from typing import Any

import pytest

from penstock.ports import LexicalIndex
from penstock.records import Chunk, short_hash
from penstock.testing.factories import make_chunks

HEART = make_chunks(2, text="Aspirin lowers the risk of a heart attack, part {}.", document_id="heart")
LUNG = make_chunks(
    1, text="Proteins bind in the lung.", document_id="lung", title="Pulmonary fibrosis", headings=("Sjögren",)
)


def found(index: LexicalIndex, query: str, **filters: str) -> list[tuple[str, str]]:
    """(chunk id, build) of every hit, sorted."""
    return sorted(hit[:2] for hit in index.search("acme", query, 10, filters))


def rows(chunks: list[Chunk], build: str) -> list[tuple[str, str, str]]:
    """What a scan gives for these chunks, sorted."""
    return sorted((build, chunk.chunk_id, short_hash(chunk.text)) for chunk in chunks)


class LexicalIndexContract:
    """Subclass it and override `reopen`."""

    @pytest.fixture
    def reopen(self) -> Callable[[], LexicalIndex]:
        """A function that opens the index anew over the same state."""
        raise NotImplementedError("override the fixture `reopen`")

    @pytest.fixture
    def index(self, reopen: Callable[[], LexicalIndex]) -> LexicalIndex:
        index = reopen()
        index.write("acme", {"b1": HEART, "b2": LUNG})
        return index

    def test_what_was_written_is_there_when_the_index_is_opened_again(
        self, index: LexicalIndex, reopen: Callable[[], LexicalIndex]
    ) -> None:
        again = reopen()
        assert again.build_chunks("acme", "b1") == HEART
        assert sorted(again.scan("acme")) == rows(HEART, "b1") + rows(LUNG, "b2")
        assert again.chunks("acme", [("heart#1", "b1"), ("lung#0", "b1"), ("lung#0", "b2")]) == {
            ("heart#1", "b1"): HEART[1],
            ("lung#0", "b2"): LUNG[0],
        }

    def test_an_index_that_was_never_written_holds_nothing(self, reopen: Callable[[], LexicalIndex]) -> None:
        index = reopen()
        index.remove("acme", ["b1"])
        assert index.search("acme", "aspirin", 10, {}) == []
        assert index.chunks("acme", [("heart#1", "b1")]) == {}
        assert index.build_chunks("acme", "b1") == []
        assert list(index.scan("acme")) == []

    @pytest.mark.parametrize(
        "query", ["protein", "PROTEINS binding", "pulmonary", "Sjogren", "zebra lungs"], ids=lambda query: query
    )
    def test_words_are_found_in_text_title_and_headings_whatever_their_form(
        self, index: LexicalIndex, query: str
    ) -> None:
        assert found(index, query) == [("lung#0", "b2")]

    def test_a_chunk_with_more_of_the_words_comes_first(self, index: LexicalIndex) -> None:
        hits = index.search("acme", "aspirin proteins in the lung", 10, {})
        assert hits[0][:2] == ("lung#0", "b2")
        assert [hit[2] for hit in hits] == sorted((hit[2] for hit in hits), reverse=True)

    def test_no_more_hits_than_the_limit_come_back(self, index: LexicalIndex) -> None:
        assert [len(index.search("acme", "aspirin", limit, {})) for limit in (0, 1, 2, 3)] == [0, 1, 2, 2]

    @pytest.mark.parametrize(
        "query",
        [
            "",
            " ",
            "the",
            '"',
            'text:"a',
            "((",
            "a AND OR NOT",
            "*",
            "[a TO",
            "\\",
            "\x00",
            "\ud800",
            "~^9",
            "x " * 5000,
        ],
        ids=repr,
    )
    def test_any_text_may_be_asked(self, index: LexicalIndex, query: str) -> None:
        assert isinstance(index.search("acme", query, 10, {}), list)

    def test_marks_of_a_query_language_are_plain_text(self, index: LexicalIndex) -> None:
        assert found(index, "-protein AND NOT (lung)") == [("lung#0", "b2")]

    def test_filters_compare_whole_values_and_all_must_hold(self, index: LexicalIndex) -> None:
        metadata: dict[str, Any] = {"year": 2020, "open": True, "kind": ["trial", "review"], "nested": {"a": 1}}
        index.write("acme", {"b3": make_chunks(1, document_id="kept", metadata=metadata, source="trials")})
        for filters in (
            {"year": "2020"},
            {"open": "true"},
            {"kind": "review", "year": "2020"},
            {"source": "trials"},
            {"document": "kept"},
        ):
            assert found(index, "aspirin", **filters) == [("kept#0", "b3")]
        for filters in ({"year": "202"}, {"kind": "tri"}, {"year": "2020", "kind": "other"}, {"nested": "1"}):
            assert found(index, "aspirin", **filters) == []

    def test_a_build_that_is_written_again_is_replaced(self, index: LexicalIndex) -> None:
        newer = make_chunks(1, text="Ibuprofen {} instead.", document_id="heart", title="Pain")
        index.write("acme", {"b1": newer})
        assert index.build_chunks("acme", "b1") == newer
        assert found(index, "aspirin") == []
        assert sorted(index.scan("acme")) == rows(newer, "b1") + rows(LUNG, "b2")

    def test_a_build_that_is_written_empty_is_removed(self, index: LexicalIndex) -> None:
        index.write("acme", {"b1": []})
        assert list(index.scan("acme")) == rows(LUNG, "b2")

    def test_two_builds_of_one_document_stand_side_by_side(self, index: LexicalIndex) -> None:
        index.write("acme", {"b3": HEART})
        assert found(index, "aspirin") == sorted((chunk.chunk_id, b) for chunk in HEART for b in ("b1", "b3"))

    def test_a_removed_build_is_gone_until_it_is_written_again(self, index: LexicalIndex) -> None:
        index.remove("acme", ["b1", "absent"])
        assert found(index, "aspirin") == []
        assert index.build_chunks("acme", "b1") == []
        index.write("acme", {"b1": HEART})
        assert index.build_chunks("acme", "b1") == HEART

    def test_a_reader_sees_what_another_wrote(self, index: LexicalIndex, reopen: Callable[[], LexicalIndex]) -> None:
        assert found(index, "ibuprofen") == []
        reopen().write("acme", {"b3": make_chunks(1, text="Ibuprofen {}.", document_id="pain")})
        assert found(index, "ibuprofen") == [("pain#0", "b3")]

    def test_a_tenant_does_not_see_the_rows_of_another(self, index: LexicalIndex) -> None:
        index.write("other", {"b9": make_chunks(1, text="Quinine {}.", document_id="other")})
        index.remove("other", ["b1"])
        assert found(index, "quinine") == []
        assert index.search("other", "heart", 10, {"document": "heart"}) == []
        assert index.chunks("other", [("heart#0", "b1")]) == {}
        assert sorted(index.scan("acme")) == rows(HEART, "b1") + rows(LUNG, "b2")

    @pytest.mark.parametrize("tenant", ["", "..", "a/b", "Acme"])
    def test_an_unsafe_tenant_is_refused(self, index: LexicalIndex, tenant: str) -> None:
        with pytest.raises(ValueError, match="tenant"):
            index.write(tenant, {"b1": HEART})
        with pytest.raises(ValueError, match="tenant"):
            index.search(tenant, "aspirin", 10, {})
