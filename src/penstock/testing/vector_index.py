"""What every vector index must do."""

import struct
from collections.abc import Callable, Sequence

import pytest

from penstock.ports import VectorIndex
from penstock.records import EmbeddingBatch, short_hash
from penstock.testing.factories import make_chunks

NORTH, EAST, NORTH_EAST = (1.0, 0.0), (0.0, 1.0), (0.6, 0.8)


def make_batch(document_id: str, *vectors: Sequence[float], model: str = "m") -> EmbeddingBatch:
    """A batch with one chunk, `<document id>#<row>`, for each vector."""
    return EmbeddingBatch(
        model=model,
        dimension=len(vectors[0]) if vectors else 2,
        chunks=tuple(make_chunks(len(vectors), document_id=document_id)),
        vectors=b"".join(struct.pack(f"<{len(vector)}f", *vector) for vector in vectors),
    )


def rows(batch: EmbeddingBatch, build: str) -> list[tuple[str, str, str]]:
    """What a scan gives for this batch, in order."""
    width = 4 * batch.dimension
    return [
        (build, chunk.chunk_id, short_hash(batch.vectors[row * width : (row + 1) * width]))
        for row, chunk in enumerate(batch.chunks)
    ]


def ids(index: VectorIndex, vector: Sequence[float] = NORTH, *, model: str = "m", limit: int = 10) -> list[str]:
    """`build/chunk id` of every hit, best first."""
    return [f"{build}/{chunk_id}" for chunk_id, build, _ in index.search("acme", model, vector, limit)]


class VectorIndexContract:
    """Subclass it and override `reopen`."""

    @pytest.fixture
    def reopen(self) -> Callable[[], VectorIndex]:
        """A function that opens the index anew over the same state."""
        raise NotImplementedError("override the fixture `reopen`")

    @pytest.fixture
    def index(self, reopen: Callable[[], VectorIndex]) -> VectorIndex:
        index = reopen()
        index.write("acme", {"b1": make_batch("a", NORTH, EAST), "b2": make_batch("b", NORTH_EAST)})
        return index

    def test_hits_come_best_first_with_their_inner_product(
        self, index: VectorIndex, reopen: Callable[[], VectorIndex]
    ) -> None:
        hits = reopen().search("acme", "m", NORTH, 10)
        assert [hit[:2] for hit in hits] == [("a#0", "b1"), ("b#0", "b2"), ("a#1", "b1")]
        assert [hit[2] for hit in hits] == pytest.approx([1.0, 0.6, 0.0])

    def test_no_more_hits_than_the_limit_come_back(self, index: VectorIndex) -> None:
        assert [ids(index, limit=limit) for limit in (0, 1, 2)] == [[], ["b1/a#0"], ["b1/a#0", "b2/b#0"]]

    def test_an_index_that_was_never_written_holds_nothing(self, reopen: Callable[[], VectorIndex]) -> None:
        index = reopen()
        index.remove("acme", ["b1"])
        assert ids(index) == []
        assert list(index.scan("acme")) == []

    def test_a_scan_tells_the_hash_of_every_row(self, index: VectorIndex, reopen: Callable[[], VectorIndex]) -> None:
        expected = rows(make_batch("a", NORTH, EAST), "b1") + rows(make_batch("b", NORTH_EAST), "b2")
        assert sorted(reopen().scan("acme")) == expected

    def test_models_are_kept_apart_even_in_one_write(self, index: VectorIndex) -> None:
        index.write("acme", {"b3": make_batch("c", (0.0, 0.0, 1.0), model="n"), "b4": make_batch("d", EAST)})
        assert ids(index, (0.0, 0.0, 1.0), model="n") == ["b3/c#0"]
        assert ids(index, EAST, limit=3) == ["b1/a#1", "b4/d#0", "b2/b#0"]

    def test_a_query_of_another_dimension_is_refused(self, index: VectorIndex) -> None:
        with pytest.raises(ValueError, match="the query has 3 numbers, not 2"):
            index.search("acme", "m", (1.0, 0.0, 0.0), 10)

    def test_a_batch_whose_rows_do_not_fit_its_chunks_is_refused_whole(self, index: VectorIndex) -> None:
        broken = EmbeddingBatch(model="m", dimension=2, chunks=tuple(make_chunks(2)), vectors=b"\0" * 8)
        with pytest.raises(ValueError, match="8 bytes of vectors; 2 rows need 16"):
            index.write("acme", {"b3": make_batch("c", NORTH), "b4": broken})
        assert ids(index) == ["b1/a#0", "b2/b#0", "b1/a#1"]

    def test_a_build_that_is_written_again_is_replaced(self, index: VectorIndex) -> None:
        index.write("acme", {"b1": make_batch("a", EAST)})
        assert ids(index) == ["b2/b#0", "b1/a#0"]

    def test_a_build_that_is_written_empty_is_removed(self, index: VectorIndex) -> None:
        index.write("acme", {"b1": make_batch("a")})
        assert ids(index) == ["b2/b#0"]

    def test_a_removed_build_is_gone_until_it_is_written_again(self, index: VectorIndex) -> None:
        index.remove("acme", ["b1", "absent"])
        assert ids(index) == ["b2/b#0"]
        assert list(index.scan("acme")) == rows(make_batch("b", NORTH_EAST), "b2")
        index.write("acme", {"b1": make_batch("a", NORTH)})
        assert ids(index) == ["b1/a#0", "b2/b#0"]

    def test_a_reader_sees_what_another_wrote(self, index: VectorIndex, reopen: Callable[[], VectorIndex]) -> None:
        assert ids(index, limit=1) == ["b1/a#0"]
        other = reopen()
        other.write("acme", {"b3": make_batch("c", (1.0, 0.1))})
        other.remove("acme", ["b1"])
        assert ids(index) == ["b3/c#0", "b2/b#0"]

    def test_a_tenant_does_not_see_the_rows_of_another(self, index: VectorIndex) -> None:
        index.write("other", {"b1": make_batch("z", NORTH)})
        index.remove("other", ["b2"])
        assert ids(index) == ["b1/a#0", "b2/b#0", "b1/a#1"]
        assert [hit[0] for hit in index.search("other", "m", NORTH, 10)] == ["z#0"]

    @pytest.mark.parametrize("tenant", ["", "..", "a/b", "Acme"])
    def test_an_unsafe_tenant_is_refused(self, index: VectorIndex, tenant: str) -> None:
        with pytest.raises(ValueError, match="tenant"):
            index.write(tenant, {"b1": make_batch("a", NORTH)})
        with pytest.raises(ValueError, match="tenant"):
            index.search(tenant, "m", NORTH, 10)
