import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from penstock.cli.app import app


def invoke(home: Any, *words: str) -> Any:
    return CliRunner().invoke(
        app, ["--home", str(home.path), "--config", str(home.config), "--profile", "tiny", *words]
    )


def test_search_prints_one_json_value(papers: Any) -> None:
    result = invoke(papers, "search", "aspirin", "--top-k", "1", "--mode", "bm25", "--json")
    value = json.loads(result.stdout)
    assert (result.exit_code, value["query"], value["mode"], len(value["hits"])) == (0, "aspirin", "bm25", 1)
    assert set(value["hits"][0]) == {
        *("rank", "score", "document", "chunk", "text", "title", "section", "page", "source", "raw", "version"),
        *("box", "retrievers"),
    }


def test_a_hit_explains_itself(papers: Any) -> None:
    result = invoke(papers, "search", "aspirin", "--top-k", "1", "--explain")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[:3] == [
        "  1  Aspirin after a heart attack",
        "     file:aspirin.md · Background",
        "     Aspirin lowers the risk of a second heart attack in adults with hypertension.",
    ]
    assert lines[3].startswith("     score 1.0000 = bm25 rank 1, ")
    assert lines[3].endswith(" (hashing-1024-v1)")
    assert lines[4].startswith("     chunk file:aspirin.md#0-")


def test_a_run_is_printed_for_a_file_of_queries(papers: Any, tmp_path: Path) -> None:
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"_id": "q1", "text": "aspirin"}\n{"_id": "q2", "text": "diabetes mellitus"}\n')
    result = invoke(papers, "search", "--queries", str(queries), "--mode", "bm25", "--top-k", "100", "--trec")
    rows = [line.split() for line in result.stdout.splitlines()]
    assert (result.exit_code, result.stderr) == (0, "2 of 2 queries\n")
    assert [(row[0], row[1], row[3], row[5]) for row in rows] == [
        ("q1", "Q0", "1", "penstock-bm25"),
        ("q2", "Q0", "1", "penstock-bm25"),
        ("q2", "Q0", "2", "penstock-bm25"),
    ]
    assert [rows[0][2], {row[2] for row in rows[1:]}] == ["aspirin.md", {"metformin.md", "tea.md"}]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (
            ("search", "aspirin", "--tenant", "other"),
            "tenant `other` has no documents; there are documents of `default`\n",
        ),
        (("search", "zzz", "--mode", "bm25"), "nothing found\n"),
    ],
)
def test_no_hits_are_no_error_and_a_hint_says_why(papers: Any, words: tuple[str, ...], hint: str) -> None:
    result = invoke(papers, *words, "--json")
    assert (result.exit_code, json.loads(result.stdout)["hits"], result.stderr) == (0, [], hint)


def test_an_empty_home_is_told(new_home: Any) -> None:
    home = new_home()
    result = invoke(home, "search", "tea", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"query": "tea", "mode": "fused", "hits": []})
    assert result.stderr == f"`{home.path}` holds nothing yet; next: penstock run auto --input PATH\n"
    assert not home.path.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("search", "x", "--mode", "bm52"), "no mode is named `bm52`; did you mean `bm25`?"),
        (("search", "x", "--filter", "source"), "filter `source`: no condition; write `key=value`"),
        (("search", "x", "--tenant", "No Body"), "`No Body` is no tenant name"),
        (("search",), "give a query, or a file of queries"),
        (("search", "x", "--trec"), "give a query, or a file of queries"),
        (("graph", "asprin"), "no entity of tenant `default` is named `asprin`; the nearest are `Aspirin`"),
    ],
)
def test_a_command_used_wrongly_ends_with_2(papers: Any, words: tuple[str, ...], message: str) -> None:
    result = invoke(papers, *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"penstock: {message}")


def test_graph_prints_relations(papers: Any) -> None:
    result = invoke(papers, "graph", "aspirin", "--json")
    value = json.loads(result.stdout)
    assert (result.exit_code, value["entity"]["id"], len(value["relations"])) == (0, "intervention:aspirin", 1)
    shown = invoke(papers, "graph", "aspirin").stdout
    assert shown.splitlines()[0] == "Aspirin (intervention) intervention:aspirin"
    assert "document:file:aspirin.md" in shown
