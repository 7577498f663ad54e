"""The contract of `IndexStage`."""

from typing import Any

import pytest
from msgspec.structs import replace

from penstock.errors import StageError
from penstock.records import EmbeddingBatch, IndexReceipt, short_hash
from penstock.testing.checks import check_encodes
from penstock.testing.factories import make_batch, make_chunks, make_context


class IndexStageContract:
    """Subclass it, override `adapter` (over stores that are empty at first) and, if you like, `batch`."""

    @pytest.fixture
    def adapter(self) -> Any:
        raise NotImplementedError("override the fixture `adapter`")

    @pytest.fixture
    def batch(self) -> EmbeddingBatch:
        return make_batch()

    def test_the_receipt_names_the_build_and_the_model(self, adapter: Any, batch: EmbeddingBatch) -> None:
        receipt = adapter.execute(make_context(build="build-7"), batch)
        assert (receipt.build, receipt.model, receipt.dimension) == ("build-7", batch.model, batch.dimension)

    def test_every_chunk_is_marked(self, adapter: Any, batch: EmbeddingBatch) -> None:
        receipt = adapter.execute(make_context(), batch)
        width = batch.dimension * 4
        vectors = [batch.vectors[at : at + width] for at in range(0, len(batch.vectors), width)]
        assert [(mark.chunk_id, mark.text_hash, mark.vector_hash) for mark in receipt.marks] == [
            (chunk.chunk_id, short_hash(chunk.text), short_hash(vector))
            for chunk, vector in zip(batch.chunks, vectors, strict=True)
        ]

    def test_writing_again_changes_nothing(self, adapter: Any, batch: EmbeddingBatch) -> None:
        assert adapter.execute(make_context(), batch) == adapter.execute(make_context(attempt=2), batch)

    def test_a_batch_whose_vectors_are_cut_short_is_refused(self, adapter: Any, batch: EmbeddingBatch) -> None:
        with pytest.raises(StageError):
            adapter.execute(make_context(), replace(batch, vectors=batch.vectors[:-4]))

    def test_the_output_comes_back_from_its_encoding(self, adapter: Any, batch: EmbeddingBatch) -> None:
        check_encodes(adapter.execute(make_context(), batch), IndexReceipt)

    def test_an_error_fails_its_item_alone(self, adapter: Any, batch: EmbeddingBatch) -> None:
        if not hasattr(adapter, "execute_batch"):
            pytest.skip("the adapter has no batch form")
        other = make_batch(make_chunks(2, document_id="file:other.md"))
        items = [
            (make_context(build="one"), batch),
            (make_context(build="two"), replace(batch, vectors=b"")),
            (make_context(build="three", doc_id="file:other.md"), other),
        ]
        results = adapter.execute_batch(items)
        assert [getattr(each, "build", "refused") for each in results] == ["one", "refused", "three"]
        assert isinstance(results[1], StageError)
