from collections.abc import Callable
from typing import Any

import pytest

from penstock.errors import UsageError
from penstock.retrieval.graph import around
from penstock.testing.factories import make_facts


def evidence(home: Any, name: str) -> list[tuple[str, str, str, str]]:
    """(subject, predicate, object, the text that the chunk holds at the evidence's place) of each relation."""
    chunks = {}
    with home.workspace.ledger.read() as cx:
        for row in home.workspace.ledger.documents.active(cx):
            for chunk in home.workspace.resources.lexical.build_chunks("default", row.index_build):
                chunks[chunk.chunk_id] = chunk
    found = []
    for each in around(home.workspace, name, tenant="default")["relations"]:
        chunk = chunks[each["chunk"]]
        text = chunk.text[each["start"] - chunk.start : each["end"] - chunk.start]
        found.append((each["subject"], each["predicate"], each["object"], text))
    return found


@pytest.mark.parametrize("name", ["Aspirin", "ASPIRIN", "intervention:aspirin"])
def test_an_entity_is_found_by_name_and_id_with_its_evidence(papers: Any, name: str) -> None:
    found = around(papers.workspace, name, tenant="default")
    assert found["entity"] == {"id": "intervention:aspirin", "name": "Aspirin", "type": "intervention"}
    assert found["others"] == []
    [relation] = found["relations"]
    assert relation == {
        "subject": "document:file:aspirin.md",
        "predicate": "mentions",
        "object": "intervention:aspirin",
        "document": "file:aspirin.md",
        "chunk": relation["chunk"],
        "start": relation["start"],
        "end": relation["start"] + 7,
        "extractor": "rules",
        "version": "2:default@2",
    }
    assert evidence(papers, name) == [("document:file:aspirin.md", "mentions", "intervention:aspirin", "Aspirin")]


def test_only_active_documents_speak(new_home: Callable[..., Any], papers: Any) -> None:
    home = new_home(papers)
    home.write({"aspirin.md": "# Nothing\n\nNothing is said here of any drug.\n"})
    home.ingest(stop_before="kg")
    assert len(around(home.workspace, "aspirin", tenant="default")["relations"]) == 1
    home.workspace.ledger.recover()
    home.ingest()
    with pytest.raises(UsageError):
        around(home.workspace, "aspirin", tenant="default")
    home.delete("file:metformin.md")
    with pytest.raises(UsageError):
        around(home.workspace, "metformin", tenant="default")


def test_an_entity_without_relations_is_known(new_home: Callable[..., Any]) -> None:
    home = new_home()
    home.write({"a.md": "# A plain note\n\nOf nothing in particular.\n"})
    home.ingest()
    found = around(home.workspace, "a plain note", tenant="default")
    assert found["entity"] == {"id": "document:file:a.md", "name": "A plain note", "type": "document"}
    assert found["relations"] == []


def test_of_several_entities_of_one_name_the_one_with_most_relations_is_shown(papers: Any, new_home: Any) -> None:
    home = new_home(papers)
    with home.workspace.ledger.read() as cx:
        row = home.workspace.ledger.documents.get(cx, "default", ["file:tea.md"])["file:tea.md"]
    facts = make_facts()
    twin = facts.entities[0].__class__(entity_id="word:aspirin", name="Aspirin", type="word")
    lonely = type(facts)(entities=(*facts.entities, twin), claims=facts.claims)
    home.workspace.resources.graph.write("default", {row.graph_build: ("file:tea.md", lonely)})
    found = around(home.workspace, "aspirin", tenant="default")
    assert (found["entity"]["id"], found["others"]) == ("drug:aspirin", ["intervention:aspirin", "word:aspirin"])
    assert around(home.workspace, "word:aspirin", tenant="default")["entity"]["id"] == "word:aspirin"


def test_evidence_that_no_chunk_holds_names_no_chunk(papers: Any, new_home: Any) -> None:
    home = new_home(papers)
    with home.workspace.ledger.read() as cx:
        row = home.workspace.ledger.documents.get(cx, "default", ["file:tea.md"])["file:tea.md"]
    home.workspace.resources.graph.write("default", {row.graph_build: ("file:tea.md", make_facts())})
    [relation] = around(home.workspace, "drug:aspirin", tenant="default")["relations"]
    assert (relation["document"], relation["start"], relation["chunk"]) == ("file:tea.md", 12, None)


def test_an_unknown_name_is_told_with_the_nearest(papers: Any) -> None:
    with pytest.raises(UsageError) as caught:
        around(papers.workspace, "metforman", tenant="default")
    assert caught.value.message == (
        "no entity of tenant `default` is named `metforman`; the nearest are `Metformin`, `Metformin and diabetes`"
    )
    with pytest.raises(UsageError) as caught:
        around(papers.workspace, "metformin", tenant="other")
    assert caught.value.message == "no entity of tenant `other` is named `metformin`"
