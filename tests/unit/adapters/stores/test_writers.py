import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from penstock.adapters.index import HybridIndexSettings, HybridIndexWriter
from penstock.adapters.kg import GraphWriter, GraphWriterSettings
from penstock.adapters.stores.faiss import FaissIndex
from penstock.adapters.stores.graph import SQLiteGraph
from penstock.adapters.stores.settings import NoSettings
from penstock.adapters.stores.tantivy import TantivyIndex, TantivySettings
from penstock.errors import RejectedError, StageError, UnavailableError
from penstock.graph_digest import facts_digest
from penstock.records import ChunkMark, Facts, GraphWriteReceipt, IndexReceipt, short_hash
from penstock.testing.factories import make_chunks, make_context, make_facts
from penstock.testing.vector_index import make_batch


@dataclass
class Stores:
    home: Path

    @cached_property
    def lexical(self) -> TantivyIndex:
        return TantivyIndex(TantivySettings(), self)

    @cached_property
    def vectors(self) -> FaissIndex:
        return FaissIndex(NoSettings(), self)

    @cached_property
    def graph(self) -> SQLiteGraph:
        return SQLiteGraph(NoSettings(), self)


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


def index_writer(stores: Stores) -> HybridIndexWriter:
    return HybridIndexWriter(HybridIndexSettings(), stores)


def told(results: list[object]) -> list[object]:
    return [f"{type(each).__name__}: {each}" if isinstance(each, StageError) else each for each in results]


def test_the_receipt_is_what_both_indexes_hold(stores: Stores) -> None:
    batch = make_batch("d", (1.0, 0.0), (0.0, 1.0))
    receipt = index_writer(stores).execute(make_context(build="b1"), batch)
    marks = tuple(
        ChunkMark(chunk.chunk_id, short_hash(chunk.text), short_hash(struct.pack("<2f", *vector)))
        for chunk, vector in zip(batch.chunks, [(1.0, 0.0), (0.0, 1.0)], strict=True)
    )
    assert receipt == IndexReceipt(build="b1", model="m", dimension=2, marks=marks)
    assert sorted(stores.lexical.scan("default")) == [("b1", mark.chunk_id, mark.text_hash) for mark in marks]
    assert sorted(stores.vectors.scan("default")) == [("b1", mark.chunk_id, mark.vector_hash) for mark in marks]


def test_a_bad_item_of_a_batch_is_told_and_the_others_are_written(stores: Stores) -> None:
    sound = make_batch("d", (1.0, 0.0))
    same_ids = make_batch("d", (1.0, 0.0), (0.0, 1.0))
    doubled = type(sound)(model="m", dimension=2, chunks=(same_ids.chunks[0],) * 2, vectors=same_ids.vectors)
    short = type(sound)(model="m", dimension=3, chunks=tuple(make_chunks(2)), vectors=b"\0" * 8)
    results = index_writer(stores).execute_batch(
        [
            (make_context(build="b1"), sound),
            (make_context(build="b2"), make_batch("d", (1.0, 0.0), (float("nan"), 0.0))),
            (make_context(build="b3"), short),
            (make_context(build="b4"), doubled),
            (make_context(build="b1"), same_ids),
            (make_context(build=""), sound),
            (make_context(build="b1", tenant_id="other"), same_ids),
        ]
    )
    where = "index of `file:paper.md`"
    assert told(results[1:6]) == [
        f"RejectedError: {where}: the vector of chunk 1 has a number that is not finite",
        f"PermanentError: {where}: 8 bytes of vectors; 2 chunks of dimension 3 need 24",
        f"PermanentError: {where}: two chunks bear the same id",
        f"PermanentError: {where}: build `b1` stands for other chunks in the same batch",
        f"PermanentError: {where}: the context names no build",
    ]
    assert [type(results[0]), type(results[6])] == [IndexReceipt, IndexReceipt]
    assert [row[:2] for row in stores.vectors.scan("default")] == [("b1", "d#0")]
    assert [row[:2] for row in stores.lexical.scan("other")] == [("b1", "d#0"), ("b1", "d#1")]


def test_writing_one_bad_document_raises(stores: Stores) -> None:
    with pytest.raises(RejectedError):
        index_writer(stores).execute(make_context(), make_batch("d", (float("inf"), 0.0)))


def test_a_disk_that_refuses_makes_the_index_unavailable(stores: Stores) -> None:
    (stores.home / "vectors").write_text("a file where a folder should be")
    [result] = index_writer(stores).execute_batch([(make_context(), make_batch("d", (1.0, 0.0)))])
    assert isinstance(result, UnavailableError)
    assert str(result) == "indexes of tenant `default`: file exists"


def test_the_graph_receipt_is_what_the_graph_holds(stores: Stores) -> None:
    facts = make_facts()
    receipt = GraphWriter(GraphWriterSettings(), stores).execute(make_context(build="b1"), facts)
    assert receipt == GraphWriteReceipt(build="b1", entities=2, relations=1, digest=facts_digest(facts))
    assert stores.graph.facts("default", "b1") == facts
    assert list(stores.graph.scan("default")) == [("b1", receipt.digest)]


def test_a_graph_batch_tells_of_each_document(stores: Stores) -> None:
    results = GraphWriter(GraphWriterSettings(), stores).execute_batch(
        [
            (make_context(build="b1"), make_facts()),
            (make_context(build="b1"), Facts()),
            (make_context(build=""), Facts()),
            (make_context(build="b1", tenant_id="other"), Facts()),
        ]
    )
    assert told(results[1:3]) == [
        "PermanentError: graph of `file:paper.md`: build `b1` stands for other facts in the same batch",
        "PermanentError: graph of `file:paper.md`: the context names no build",
    ]
    assert [build for build, _ in stores.graph.scan("default")] == ["b1"]
    assert [build for build, _ in stores.graph.scan("other")] == ["b1"]


def test_a_graph_file_that_is_none_makes_the_graph_unavailable(stores: Stores) -> None:
    path = stores.home / "graph.db"
    path.write_bytes(b"not a database, " * 100)
    [result] = GraphWriter(GraphWriterSettings(), stores).execute_batch([(make_context(), Facts())])
    assert isinstance(result, UnavailableError)
    assert (str(result), result.hint) == (
        f"{path}: the file is broken (`SQLITE_NOTADB`)",
        "penstock repair",
    )
