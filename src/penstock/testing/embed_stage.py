"""The contract of `EmbedStage`."""

import math
import struct
from collections.abc import Sequence
from typing import Any

import pytest

from penstock.errors import StageError
from penstock.records import Chunk, EmbeddingBatch
from penstock.testing.checks import check_batch_form, check_encodes
from penstock.testing.factories import make_chunks, make_context


def rows(batch: EmbeddingBatch) -> list[tuple[float, ...]]:
    """The vectors of a batch."""
    assert len(batch.vectors) == len(batch.chunks) * batch.dimension * 4
    return list(struct.iter_unpack(f"<{batch.dimension}f", batch.vectors))


class EmbedStageContract:
    """Subclass it, override `adapter` and, if you like, `chunks`."""

    @pytest.fixture
    def adapter(self) -> Any:
        raise NotImplementedError("override the fixture `adapter`")

    @pytest.fixture
    def chunks(self) -> list[Chunk]:
        return make_chunks(3)

    def test_there_is_one_vector_for_each_chunk(self, adapter: Any, chunks: list[Chunk]) -> None:
        batch = adapter.execute(make_context(), chunks)
        assert batch.chunks == tuple(chunks)
        assert len(rows(batch)) == len(chunks)

    def test_the_model_is_named(self, adapter: Any, chunks: list[Chunk]) -> None:
        batch = adapter.execute(make_context(), chunks)
        assert batch.model
        assert batch.dimension > 0

    def test_vectors_are_finite_and_of_length_one(self, adapter: Any, chunks: list[Chunk]) -> None:
        for row in rows(adapter.execute(make_context(), chunks)):
            assert math.hypot(*row) == pytest.approx(1.0, abs=1e-5)

    def test_a_vector_does_not_depend_on_its_neighbours(self, adapter: Any, chunks: list[Chunk]) -> None:
        together = rows(adapter.execute(make_context(), chunks))
        alone = [rows(adapter.execute(make_context(), [chunk]))[0] for chunk in chunks]
        assert together == alone

    def test_the_same_chunks_give_the_same_bytes(self, adapter: Any, chunks: list[Chunk]) -> None:
        assert adapter.execute(make_context(), chunks) == adapter.execute(make_context(attempt=2), chunks)

    def test_a_query_is_compared_with_the_chunks(self, adapter: Any, chunks: list[Chunk]) -> None:
        batch = adapter.execute(make_context(), chunks)
        query = adapter.embed_query(chunks[-1].text)
        assert len(query) == batch.dimension
        assert math.hypot(*query) == pytest.approx(1.0, abs=1e-5)
        scores = [_dot(query, row) for row in rows(batch)]
        assert max(scores) == pytest.approx(scores[-1])

    def test_no_chunks_are_no_silent_success(self, adapter: Any) -> None:
        with pytest.raises(StageError):
            adapter.execute(make_context(), [])

    def test_the_output_comes_back_from_its_encoding(self, adapter: Any, chunks: list[Chunk]) -> None:
        check_encodes(adapter.execute(make_context(), chunks), EmbeddingBatch)

    def test_the_batch_form_gives_the_same(self, adapter: Any, chunks: list[Chunk]) -> None:
        empty: list[Chunk] = []
        check_batch_form(adapter, [(make_context(), each) for each in (chunks, empty, chunks[:1])])


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
