"""Writes chunks to the lexical and the vector index as one build."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from penstock.errors import PermanentError, RejectedError, StageError
from penstock.machine import os_error
from penstock.ports import Resources
from penstock.records import ChunkMark, EmbeddingBatch, IndexReceipt, StageContext, short_hash


class HybridIndexSettings(BaseModel):
    """Nothing can be set: the profile names the two indexes."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class HybridIndexWriter:
    """Writes each build to both indexes; it counts only once its receipt is recorded, so half a write shows nowhere."""

    settings_type: ClassVar[type[BaseModel]] = HybridIndexSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: HybridIndexSettings, resources: Resources) -> None:
        self._resources = resources

    def execute(self, ctx: StageContext, batch: EmbeddingBatch) -> IndexReceipt:
        """Write one build.

        Raises `RejectedError` for vectors that are not finite, `PermanentError` for a batch that is not sound, and what
        the indexes raise; `UnavailableError` where the disk refuses.
        """
        [result] = self.execute_batch([(ctx, batch)])
        if isinstance(result, StageError):
            raise result
        return result

    def execute_batch(self, items: Sequence[tuple[StageContext, EmbeddingBatch]]) -> list[IndexReceipt | StageError]:
        """Write many builds, with one call of each index for each tenant; a receipt or an error for each, in order."""
        results: list[IndexReceipt | StageError] = []
        tenants: dict[str, dict[str, EmbeddingBatch]] = {}
        for ctx, batch in items:
            builds = tenants.setdefault(ctx.tenant_id, {})
            try:
                _check(ctx, batch, builds.get(ctx.build))
            except StageError as exc:
                results.append(exc)
            else:
                builds[ctx.build] = batch
                results.append(_receipt(ctx.build, batch))
        failed = {tenant: error for tenant, builds in tenants.items() if (error := self._write(tenant, builds))}
        return [
            result if isinstance(result, StageError) else failed.get(ctx.tenant_id, result)
            for (ctx, _), result in zip(items, results, strict=True)
        ]

    def _write(self, tenant: str, builds: Mapping[str, EmbeddingBatch]) -> StageError | None:
        try:
            self._resources.lexical.write(tenant, {build: batch.chunks for build, batch in builds.items()})
            self._resources.vectors.write(tenant, builds)
        except StageError as exc:
            return exc
        except OSError as exc:
            return os_error(exc, f"indexes of tenant `{tenant}`")
        return None


def _check(ctx: StageContext, batch: EmbeddingBatch, other: EmbeddingBatch | None) -> None:
    import numpy as np

    where = f"index of `{ctx.doc_id}`"
    count, size = len(batch.chunks), len(batch.vectors)
    if not ctx.build:
        raise PermanentError(f"{where}: the context names no build")
    if other is not None and other != batch:
        raise PermanentError(f"{where}: build `{ctx.build}` stands for other chunks in the same batch")
    needed = 4 * count * batch.dimension
    if batch.dimension < 1 or size != needed:
        raise PermanentError(
            f"{where}: {size} bytes of vectors; {count} chunks of dimension {batch.dimension} need {needed}"
        )
    if len({chunk.chunk_id for chunk in batch.chunks}) != count:
        raise PermanentError(f"{where}: two chunks bear the same id")
    is_finite = np.isfinite(np.frombuffer(batch.vectors, dtype="<f4").reshape(count, batch.dimension)).all(axis=1)
    if not is_finite.all():
        raise RejectedError(f"{where}: the vector of chunk {int(is_finite.argmin())} has a number that is not finite")


def _receipt(build: str, batch: EmbeddingBatch) -> IndexReceipt:
    width = 4 * batch.dimension
    marks = tuple(
        ChunkMark(chunk.chunk_id, short_hash(chunk.text), short_hash(batch.vectors[row * width : (row + 1) * width]))
        for row, chunk in enumerate(batch.chunks)
    )
    return IndexReceipt(build=build, model=batch.model, dimension=batch.dimension, marks=marks)
