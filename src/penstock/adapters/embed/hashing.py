"""Embedding without a model: hashed words and character n-grams. Lexical, deterministic, always there."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, ClassVar

from pydantic import Field

from penstock.adapters.embed.passage import PassageSettings, passage
from penstock.adapters.embed.vectors import pack, unit_vector
from penstock.errors import StageError
from penstock.ports import Resources
from penstock.records import Chunk, EmbeddingBatch, StageContext

_WORD = re.compile(r"\w+")
_NGRAM_LENGTHS = (3, 4)
_STOP_SHARE = 0.1
_STOP_WORDS = frozenset(
    _WORD.findall(
        """
        a about after all also an and any are as at be been before between both but by can could did do does
        each for from had has have he her him his how i if in into is it its may more most no not of on one only
        or other our out over s same she should so some such t than that the their them then there these they
        this those to under up was we were what when where which while who will with would you your
        """
    )
)


class HashingSettings(PassageSettings):
    """`dimension` is the number of buckets: more of them, fewer words that share one."""

    dimension: int = Field(default=1024, ge=16, le=65_536)


class HashingEmbedder:
    """`EmbedStage` by feature hashing with signs (Weinberger et al. 2009, <https://arxiv.org/abs/0902.2206>).

    Each word gives one feature for itself and, together as heavy, features for its character n-grams, so that
    `tumour` and `tumours` are near. Counts enter as square roots, stop words at a tenth. The vectors are the same bytes
    in every process and on every machine.
    """

    settings_type = HashingSettings
    version: ClassVar[str] = "1"
    batch_documents: ClassVar[int] = 64

    def __init__(self, settings: HashingSettings, resources: Resources) -> None:
        import numpy as np

        self._np = np
        self._settings = settings
        self.dimension = settings.dimension
        self.model = f"hashing-{settings.dimension}-v{self.version}"
        self._features = lru_cache(maxsize=200_000)(self._features_of)

    def execute(self, ctx: StageContext, chunks: list[Chunk]) -> EmbeddingBatch:
        """One vector for each chunk.

        Raises:
            RejectedError: there are no chunks.
            PermanentError: a chunk holds nothing to hash.
        """
        return pack(
            chunks, [self._vector(passage(chunk, self._settings)) for chunk in chunks], self.model, self.dimension
        )

    def execute_batch(self, items: Sequence[tuple[StageContext, list[Chunk]]]) -> list[EmbeddingBatch | StageError]:
        """`execute` for each item; an error takes the place of the item's result."""
        results: list[EmbeddingBatch | StageError] = []
        for ctx, chunks in items:
            try:
                results.append(self.execute(ctx, chunks))
            except StageError as error:
                results.append(error)
        return results

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        return unit_vector(self._vector(text), self.model, self.dimension)

    def _vector(self, text: str) -> Any:
        np = self._np
        counts = Counter(_WORD.findall(text.casefold()) or [text])
        features = [self._features(word) for word in counts]
        buckets = np.concatenate([each[0] for each in features])
        weights = np.concatenate([each[1] for each in features])
        heights = np.repeat([math.sqrt(count) for count in counts.values()], [len(each[0]) for each in features])
        return np.bincount(buckets, weights * heights, self.dimension)

    def _features_of(self, word: str) -> tuple[Any, Any]:
        """The buckets and signed weights of a word and its n-grams."""
        framed = f"<{word}>"
        grams = [framed[at : at + size] for size in _NGRAM_LENGTHS for at in range(len(framed) - size + 1)]
        share = _STOP_SHARE if word in _STOP_WORDS else 1.0
        gram_share = share / math.sqrt(max(len(grams), 1))
        buckets, weights = [], []
        for feature, weight in [(f"w{word}", share), *((f"g{gram}", gram_share) for gram in grams)]:
            digest = int.from_bytes(blake2b(feature.encode(), digest_size=8).digest(), "little")
            buckets.append((digest >> 1) % self.dimension)
            weights.append(weight if digest & 1 else -weight)
        return self._np.array(buckets, dtype=self._np.int64), self._np.array(weights)
