"""What every embedder does with its vectors: check them, normalise them, pack them."""

from collections.abc import Sequence
from typing import Any

from penstock.errors import PermanentError, RejectedError
from penstock.records import Chunk, EmbeddingBatch


def pack(chunks: Sequence[Chunk], vectors: Any, model: str, dimension: int) -> EmbeddingBatch:
    """A batch of `chunks` with their vectors (rows of an array, or lists of numbers), L2-normalised, as float32.

    Raises:
        RejectedError: there are no chunks.
        PermanentError: a vector is missing, of another dimension, not finite or zero; the message names the chunk.
    """
    if not chunks:
        raise RejectedError("no chunks to embed; the chunk stage must give at least one")
    if len(vectors) != len(chunks):
        raise PermanentError(
            f"model `{model}`: {len(vectors)} vectors for {len(chunks)} chunks; there must be one each"
        )
    rows = unit_rows(vectors, model, dimension, [chunk.chunk_id for chunk in chunks])
    return EmbeddingBatch(model=model, dimension=dimension, chunks=tuple(chunks), vectors=rows.astype("<f4").tobytes())


def unit_vector(vector: Any, model: str, dimension: int) -> list[float]:
    """A query's vector, checked and normalised as `pack` does it."""
    row: list[float] = unit_rows([vector], model, dimension, ["query"]).astype("<f4")[0].tolist()
    return row


def unit_rows(vectors: Any, model: str, dimension: int, names: Sequence[str]) -> Any:
    """The vectors as rows of length 1 (float64). Raises `PermanentError`, naming the row at fault."""
    import numpy as np

    for name, vector in zip(names, vectors, strict=True):
        if len(vector) != dimension:
            raise PermanentError(
                f"chunk `{name}`: model `{model}` gave a vector of {len(vector)} numbers; the settings say {dimension}"
            )
    rows = np.asarray(vectors, dtype=np.float64)
    # A running sum adds in one order everywhere, so that vectors are the same bytes on every machine.
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.sqrt(np.cumsum(rows * rows, axis=1)[:, -1])
    for fault, what in ((~np.isfinite(lengths), "not finite"), (lengths == 0, "zero")):
        if fault.any():
            name = names[int(np.flatnonzero(fault)[0])]
            raise PermanentError(f"chunk `{name}`: the vector of model `{model}` is {what}; it must have a direction")
    return rows / lengths[:, None]
