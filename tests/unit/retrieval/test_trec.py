from pathlib import Path

import pytest

from penstock.errors import UsageError
from penstock.retrieval.hits import DocumentHit
from penstock.retrieval.trec import Query, external_id, read_queries, run_lines


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("clinicaltrials:NCT00002938", "NCT00002938"),
        ("file:guides/setup.md", "guides/setup.md"),
        ("file:corpus.jsonl#4983", "4983"),
        ("file:deep/corpus.NDJSON#a#b", "a#b"),
        ("file:notes #1.md", "notes #1.md"),
        ("package:dagster", "dagster"),
    ],
)
def test_a_document_is_called_by_its_external_id(document: str, expected: str) -> None:
    assert external_id(document) == expected


def test_a_run_has_a_line_for_each_document() -> None:
    hits = [
        DocumentHit(rank=1, score=0.5, document="file:c.jsonl#7"),
        DocumentHit(rank=2, score=0.25, document="file:a b.md"),
    ]
    assert list(run_lines("q 1", hits, "penstock-fused")) == [
        "q_1 Q0 7 1 0.5 penstock-fused",
        "q_1 Q0 a_b.md 2 0.25 penstock-fused",
    ]


def test_queries_are_named_by_either_id(tmp_path: Path) -> None:
    file = tmp_path / "queries.jsonl"
    file.write_text('{"_id": "q1", "text": "one", "other": 1}\n\n{"id": 2, "text": "two"}\n')
    assert read_queries(file) == [Query("q1", "one"), Query("2", "two")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "2: no query; a JSON object with `_id` and `text` would be right"),
        ('{"text": "x"}', "2: no query; `_id` (or `id`) and `text` must be there"),
        ('{"_id": "q", "text": " "}', "2: no query; `_id` (or `id`) and `text` must be there"),
    ],
)
def test_a_line_that_is_no_query_is_named(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "queries.jsonl"
    file.write_text(f'{{"_id": "q1", "text": "one"}}\n{line}\n')
    with pytest.raises(UsageError) as caught:
        read_queries(file)
    assert caught.value.message == f"{file}:{message}"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_queries(tmp_path / "none.jsonl")
    assert caught.value.message == (
        f"queries `{tmp_path / 'none.jsonl'}`: No such file or directory; a JSON-lines file would be right"
    )
