import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from penstock.errors import UsageError
from penstock.records import content_name
from penstock.retrieval import retriever as retriever_module
from penstock.retrieval.hits import DocumentHit
from penstock.retrieval.retriever import Retriever

MODES = ("fused", "bm25", "dense", "rrf")


def documents(home: Any, query: str, **options: Any) -> list[str]:
    return [hit.chunk.document_id for hit in Retriever(home.workspace).search(query, **options)]


def texts(home: Any, query: str, **options: Any) -> str:
    return "\n".join(hit.chunk.text for hit in Retriever(home.workspace).search(query, **options))


def test_a_hit_says_all_of_where_it_came_from(papers: Any) -> None:
    [hit, *_] = Retriever(papers.workspace).search("aspirin after a heart attack in adults with hypertension")
    raw = content_name((papers.documents / "aspirin.md").read_bytes())
    found = hit.to_json()
    chunk = found.pop("chunk")
    places = found.pop("retrievers")
    assert found == {
        "rank": 1,
        "score": pytest.approx(1.0),
        "document": "file:aspirin.md",
        "text": "Aspirin lowers the risk of a second heart attack in adults with hypertension.",
        "title": "Aspirin after a heart attack",
        "section": "Background",
        "page": None,
        "box": None,
        "source": "file",
        "raw": raw,
        "version": raw,
    }
    assert chunk.startswith("file:aspirin.md#0-")
    assert list(places) == ["bm25", "dense"]
    assert places["bm25"]["rank"] == places["dense"]["rank"] == 1
    assert places["dense"]["model"] == "hashing-1024-v1"


@pytest.mark.parametrize("mode", MODES)
def test_ranks_count_from_one_and_scores_fall(papers: Any, mode: Any) -> None:
    hits = Retriever(papers.workspace).search("treat diabetes mellitus", mode=mode)
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert {hit.chunk.document_id for hit in hits[:2]} == {"file:metformin.md", "file:tea.md"}
    wanted = {"fused": {"bm25", "dense"}, "rrf": {"bm25", "dense"}, "bm25": {"bm25"}, "dense": {"dense"}}[mode]
    assert set(hits[0].places) == wanted


@pytest.mark.parametrize("mode", MODES)
def test_top_k_bounds_the_hits(papers: Any, mode: Any) -> None:
    assert len(Retriever(papers.workspace).search("diabetes", mode=mode, top_k=1)) == 1


@pytest.fixture(scope="module")
def topics(papers: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("topics")
    rows = (
        {"_id": n, "title": "Tea", "text": "Green tea.", "topic": "even" if n % 2 == 0 else "odd"} for n in range(9)
    )
    (folder / "tea.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    home = type(papers)(folder / "home", papers.config, folder)
    home.ingest(folder / "tea.jsonl")
    yield home
    home.workspace.close()


@pytest.mark.parametrize("mode", MODES)
def test_filters_hold_for_every_retriever(topics: Any, monkeypatch: pytest.MonkeyPatch, mode: Any) -> None:
    monkeypatch.setattr(retriever_module, "_DEPTH", 1)
    even = ["file:tea.jsonl#0", "file:tea.jsonl#2", "file:tea.jsonl#4", "file:tea.jsonl#6", "file:tea.jsonl#8"]
    found = {
        str(filters): sorted(documents(topics, "green tea", mode=mode, top_k=5, filters=filters))
        for filters in (
            {"topic": "even"},
            {"document": "file:tea.jsonl#8"},
            {"topic": "even", "document": "file:tea.jsonl#7"},
            {"source": "elsewhere"},
        )
    }
    assert list(found.values()) == [even, ["file:tea.jsonl#8"], [], []]


@pytest.mark.parametrize("mode", MODES)
def test_a_tenant_sees_its_own_documents_only(new_home: Callable[..., Any], mode: Any) -> None:
    home = new_home()
    home.write({"a.md": "# A\n\nOf brindlevir in adults.\n"})
    home.ingest(tenant="north")
    assert documents(home, "brindlevir", tenant="north", mode=mode) == ["file:a.md"]
    assert documents(home, "brindlevir", tenant="south", mode=mode) == []
    assert documents(home, "brindlevir", mode=mode) == []


@pytest.mark.parametrize("mode", MODES)
def test_neither_the_old_version_nor_one_that_is_not_switched_to_is_seen(
    new_home: Callable[..., Any], papers: Any, mode: Any
) -> None:
    home = new_home(papers)
    home.write({"tea.md": "# Tea\n\nA drink called plovermide.\n"})
    home.ingest(stop_before="extract")
    assert "plovermide" not in texts(home, "green tea plovermide", mode=mode)
    assert "Green tea" in texts(home, "green tea plovermide", mode=mode)
    home.workspace.ledger.recover()
    home.ingest()
    assert "plovermide" in texts(home, "green tea plovermide", mode=mode)
    assert "Green tea" not in texts(home, "green tea plovermide", mode=mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_deleted_document_is_not_seen_before_it_is_swept(
    new_home: Callable[..., Any], papers: Any, mode: Any
) -> None:
    home = new_home(papers)
    home.delete("file:tea.md")
    assert set(documents(home, "tea diabetes", mode=mode)) == {"file:metformin.md", "file:aspirin.md"} - (
        {"file:aspirin.md"} if mode == "bm25" else set()
    )


@pytest.mark.parametrize("mode", MODES)
def test_what_is_stale_does_not_crowd_out_what_is_active(
    new_home: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, mode: Any
) -> None:
    monkeypatch.setattr(retriever_module, "_DEPTH", 2)
    home = new_home()
    home.write({f"{n}.md": f"# Tea\n\nGreen tea, leaf {n}.\n" for n in range(9)})
    home.ingest()
    home.write({f"{n}.md": "# Coal\n\nBlack coal.\n" for n in range(8)})
    home.ingest()
    assert documents(home, "green tea leaf", mode=mode, top_k=1) == ["file:8.md"]
    assert len(documents(home, "coal green tea leaf", mode=mode, top_k=9)) == 9


def test_a_document_that_is_deleted_while_the_search_is_under_way_is_not_in_the_answer(
    new_home: Callable[..., Any], papers: Any
) -> None:
    home = new_home(papers)
    lexical = home.workspace.resources.lexical

    class DeletingIndex:
        """The lexical index, before whose first look-up of chunks a document is deleted."""

        def __getattr__(self, name: str) -> Any:
            return getattr(lexical, name)

        def chunks(self, tenant: str, keys: Any) -> Any:
            home.delete("file:tea.md")
            return lexical.chunks(tenant, keys)

    home.workspace.resources.lexical = DeletingIndex()
    assert documents(home, "diabetes mellitus", mode="bm25") == ["file:metformin.md"]


def test_documents_are_ranked_by_their_best_chunk(papers: Any) -> None:
    found = Retriever(papers.workspace).search_documents("heart attack people two years", mode="bm25", top_k=5)
    chunks = Retriever(papers.workspace).search("heart attack people two years", mode="bm25", top_k=5)
    assert [hit.chunk.document_id for hit in chunks] == ["file:aspirin.md", "file:aspirin.md"]
    assert found == [DocumentHit(rank=1, score=chunks[0].score, document="file:aspirin.md")]


def test_documents_are_asked_for_until_there_are_enough(
    new_home: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retriever_module, "_DEPTH", 1)
    home = new_home()
    sections = "\n".join(f"## Part {n}\n\nGreen tea green tea.\n" for n in range(20))
    home.write({"long.md": f"# Tea\n\n{sections}", "short.md": "# A drink of some kind or other\n\nIt may be green.\n"})
    home.ingest()
    found = Retriever(home.workspace).search_documents("green tea", top_k=2)
    assert [hit.document for hit in found] == ["file:long.md", "file:short.md"]


def test_each_model_is_asked_with_a_query_of_its_own(new_home: Callable[..., Any], papers: Any) -> None:
    home = new_home(papers)
    pipeline = yaml.safe_load((home.config / "pipelines" / "auto.yaml").read_text())
    pipeline["name"] = "small"
    for stage in pipeline["stages"]:
        if stage["name"] == "embed":
            stage["with"] = {"dimension": 64}
    (home.config / "pipelines" / "small.yaml").write_text(yaml.safe_dump(pipeline))
    other = home.path.parent / "other"
    other.mkdir()
    (other / "coffee.md").write_text("# Coffee\n\nCoffee is a drink that treats nothing.\n")
    home.ingest(other, pipeline="small")
    hits = Retriever(home.workspace).search("coffee, tea, or another drink", mode="dense")
    first = {hit.chunk.document_id: hit.places["dense"] for hit in hits[:2]}
    assert {name: (place.rank, place.model) for name, place in first.items()} == {
        "file:coffee.md": (1, "hashing-64-v1"),
        "file:tea.md": (1, "hashing-1024-v1"),
    }


def test_equal_scores_are_in_the_order_of_document_and_chunk(new_home: Callable[..., Any]) -> None:
    home = new_home()
    home.write({f"{name}.md": "# Tea\n\nGreen tea.\n" for name in "cab"})
    home.ingest()
    for mode in MODES:
        assert documents(home, "green tea", mode=mode) == ["file:a.md", "file:b.md", "file:c.md"]


def test_an_empty_home_has_no_hits_and_is_left_empty(new_home: Callable[..., Any]) -> None:
    home = new_home()
    assert documents(home, "tea") == []
    assert not home.path.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query": " "}, "the query is blank; write a question or some words"),
        ({"mode": "fuse"}, "no mode is named `fuse`; did you mean `fused`? There are: `fused`, `bm25`, `dense`, `rrf`"),
        ({"top_k": 0}, "`top_k` is 0; at least 1 would be right"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(papers: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Retriever(papers.workspace).search(**{"query": "tea"} | options)
    assert caught.value.message == message
