"""What every graph store must do."""

from collections.abc import Callable

import pytest

from penstock.graph_digest import facts_digest
from penstock.ports import GraphStore
from penstock.records import Claim, Entity, Facts, Mention

ASPIRIN = Entity(
    entity_id="drug:aspirin",
    name="Aspirin",
    type="drug",
    mentions=(Mention(12, 19, "Aspirin"), Mention(40, 47, "aspirin")),
    identifiers={"mesh": "D001241", "atc": "N02BA01"},
)
STROKE = Entity(entity_id="disease:stroke", name="Straße's stroke", type="disease")
TREATS = Claim(
    subject="drug:aspirin",
    predicate="treats",
    object="disease:stroke",
    extractor="rules",
    version="2",
    start=12,
    end=60,
    evidence="Aspirin … stroke",
)
CAUSES = Claim(subject="disease:stroke", predicate="causes", object="disease:x", extractor="rules", version="2")
FACTS = Facts(entities=(STROKE, ASPIRIN), claims=(TREATS, CAUSES))
FEWER = Facts(entities=(ASPIRIN,))


class GraphStoreContract:
    """Subclass it and override `reopen`."""

    @pytest.fixture
    def reopen(self) -> Callable[[], GraphStore]:
        """A function that opens the graph anew over the same state."""
        raise NotImplementedError("override the fixture `reopen`")

    @pytest.fixture
    def graph(self, reopen: Callable[[], GraphStore]) -> GraphStore:
        graph = reopen()
        graph.write("acme", {"b1": ("doc-1", FACTS), "b2": ("doc-2", FEWER)})
        return graph

    def test_what_was_written_is_there_when_the_graph_is_opened_again(
        self, graph: GraphStore, reopen: Callable[[], GraphStore]
    ) -> None:
        again = reopen()
        assert facts_digest(again.facts("acme", "b1")) == facts_digest(FACTS)
        assert facts_digest(again.facts("acme", "b2")) == facts_digest(FEWER)
        assert sorted(again.scan("acme")) == [("b1", facts_digest(FACTS)), ("b2", facts_digest(FEWER))]

    def test_a_graph_that_was_never_written_holds_nothing(self, reopen: Callable[[], GraphStore]) -> None:
        graph = reopen()
        graph.remove("acme", ["b1"])
        assert graph.find("acme", "aspirin") == []
        assert graph.relations("acme", "drug:aspirin") == []
        assert graph.facts("acme", "b1") == Facts()
        assert list(graph.scan("acme")) == []

    @pytest.mark.parametrize("name", ["aspirin", "ASPIRIN", "drug:aspirin", "Drug:Aspirin"])
    def test_an_entity_is_found_by_name_and_id_whatever_the_case_and_once(self, graph: GraphStore, name: str) -> None:
        assert graph.find("acme", name) == [("drug:aspirin", "Aspirin", "drug")]

    def test_case_is_folded_as_unicode_does(self, graph: GraphStore) -> None:
        assert graph.find("acme", "STRASSE'S STROKE") == [("disease:stroke", "Straße's stroke", "disease")]

    def test_part_of_a_name_finds_nothing(self, graph: GraphStore) -> None:
        assert [graph.find("acme", name) for name in ("", "asp", "aspirin%", "_spirin")] == [[], [], [], []]

    def test_relations_come_from_both_ends(self, graph: GraphStore) -> None:
        relations = graph.relations("acme", "disease:stroke")
        assert sorted(relations, key=lambda each: each[2].predicate) == [
            ("b1", "doc-1", CAUSES),
            ("b1", "doc-1", TREATS),
        ]
        assert graph.relations("acme", "drug:aspirin") == [("b1", "doc-1", TREATS)]

    def test_a_build_that_is_written_again_is_replaced(self, graph: GraphStore) -> None:
        graph.write("acme", {"b1": ("doc-1", FEWER)})
        assert graph.facts("acme", "b1") == FEWER
        assert graph.relations("acme", "drug:aspirin") == []

    def test_a_build_without_facts_is_still_a_build(self, graph: GraphStore) -> None:
        graph.write("acme", {"b1": ("doc-1", Facts())})
        assert sorted(graph.scan("acme")) == [("b1", facts_digest(Facts())), ("b2", facts_digest(FEWER))]

    def test_a_removed_build_takes_its_rows_along_until_it_is_written_again(self, graph: GraphStore) -> None:
        graph.remove("acme", ["b1", "absent"])
        assert graph.facts("acme", "b1") == Facts()
        assert graph.find("acme", "disease:stroke") == []
        assert graph.find("acme", "aspirin") == [("drug:aspirin", "Aspirin", "drug")]
        assert list(graph.scan("acme")) == [("b2", facts_digest(FEWER))]
        graph.write("acme", {"b1": ("doc-1", FACTS)})
        assert facts_digest(graph.facts("acme", "b1")) == facts_digest(FACTS)

    def test_the_digest_knows_neither_the_build_nor_the_order(self, graph: GraphStore) -> None:
        turned = Facts(entities=(ASPIRIN, STROKE), claims=(CAUSES, TREATS))
        graph.write("acme", {"b3": ("doc-3", turned)})
        assert dict(graph.scan("acme"))["b3"] == facts_digest(FACTS)

    def test_a_tenant_does_not_see_the_rows_of_another(self, graph: GraphStore) -> None:
        graph.write("other", {"b1": ("doc-9", FEWER)})
        graph.remove("other", ["b2"])
        assert graph.find("other", "disease:stroke") == []
        assert graph.relations("other", "drug:aspirin") == []
        assert sorted(graph.scan("acme")) == [("b1", facts_digest(FACTS)), ("b2", facts_digest(FEWER))]

    @pytest.mark.parametrize("tenant", ["", "..", "a/b", "Acme"])
    def test_an_unsafe_tenant_is_refused(self, graph: GraphStore, tenant: str) -> None:
        with pytest.raises(ValueError, match="tenant"):
            graph.write(tenant, {"b1": ("doc-1", FACTS)})
        with pytest.raises(ValueError, match="tenant"):
            graph.find(tenant, "aspirin")

    def test_entities_tell_by_what_they_may_be_the_same_as_others(self, graph: GraphStore) -> None:
        own = graph.likenesses("acme", ["drug:aspirin", "drug:absent"])
        assert [tuple(each) for each in own] == [
            (build, "drug:aspirin", kind, key)
            for build in ("b1", "b2")
            for kind, key in (("identifier", "atc:n02ba01"), ("identifier", "mesh:d001241"), ("name", "drug:aspirin"))
        ]
        assert graph.bearers("acme", ["mesh:d001241"]) == [each for each in own if each.key == "mesh:d001241"]
        assert graph.bearers("other", ["mesh:d001241"]) == []
        graph.remove("acme", ["b1"])
        assert {each.build for each in graph.bearers("acme", ["mesh:d001241"])} == {"b2"}

    def test_what_else_an_entity_is_called_is_an_alias(self, graph: GraphStore) -> None:
        mentions = (Mention(0, 8, "Beta-X 5"), Mention(9, 12, "BX5"), Mention(13, 19, "Bexive"))
        entity = Entity(entity_id="drug:beta x 5", name="beta x 5", type="drug", mentions=mentions)
        document = Entity(entity_id="document:d", name="Bexive", type="document", identifiers={"document": "d"})
        graph.write("acme", {"b9": ("doc-9", Facts(entities=(entity, document)))})
        found = graph.likenesses("acme", ["drug:beta x 5", "document:d"])
        assert [(each.kind, each.key) for each in found] == [("alias", "drug:bexive"), ("name", "drug:beta x 5")]
