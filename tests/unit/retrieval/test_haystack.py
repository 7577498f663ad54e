from typing import Any

import pytest

pytest.importorskip("haystack", reason="haystack-ai is not installed (pip install 'penstock[local]')")

from haystack import Pipeline
from haystack.components.builders import PromptBuilder

from penstock.retrieval.haystack import PenstockRetriever
from penstock.retrieval.retriever import Retriever


def make_retriever(home: Any, **options: Any) -> PenstockRetriever:
    return PenstockRetriever(str(home.path), str(home.config), "tiny", **options)


def test_in_a_pipeline_it_gives_documents_with_their_provenance(papers: Any) -> None:
    pipeline = Pipeline()
    pipeline.add_component("retriever", make_retriever(papers, top_k=1))
    template = "{% for each in documents %}{{ each.meta.document }}: {{ each.content }}{% endfor %}"
    pipeline.add_component("prompt", PromptBuilder(template, required_variables=["documents"]))
    pipeline.connect("retriever.documents", "prompt.documents")
    result = pipeline.run({"retriever": {"query": "aspirin"}}, include_outputs_from={"retriever"})
    [document] = result["retriever"]["documents"]
    [hit] = Retriever(papers.workspace).search("aspirin", top_k=1)
    known = hit.to_json()
    assert (document.id, document.content, document.score) == (known["chunk"], known.pop("text"), known.pop("score"))
    assert document.meta == {**hit.chunk.metadata, **known}
    assert result["prompt"]["prompt"] == f"file:aspirin.md: {document.content}"


def test_a_run_may_narrow_but_never_leave_its_tenant(papers: Any) -> None:
    retriever = make_retriever(papers)
    found = retriever.run("diabetes", filters={"document": "file:tea.md"}, top_k=3)["documents"]
    assert [each.meta["document"] for each in found] == ["file:tea.md"]
    assert make_retriever(papers, tenant="other").run("diabetes", filters={"tenant": "default"}) == {"documents": []}


def test_a_pipeline_with_it_survives_being_written_down(papers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    retriever = make_retriever(papers, tenant="north", mode="bm25", top_k=3)
    pipeline = Pipeline()
    pipeline.add_component("retriever", retriever)
    monkeypatch.setenv("HAYSTACK_DESERIALIZATION_ALLOWLIST", "penstock.*")
    again = PenstockRetriever.from_dict(retriever.to_dict())
    assert again.to_dict() == retriever.to_dict()
    assert retriever.to_dict()["init_parameters"] == {
        "home": str(papers.path),
        "config": str(papers.config),
        "profile": "tiny",
        "tenant": "north",
        "mode": "bm25",
        "top_k": 3,
    }
    assert Pipeline.loads(pipeline.dumps()).to_dict() == pipeline.to_dict()
