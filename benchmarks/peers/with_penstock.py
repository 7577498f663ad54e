"""Penstock: ingest → parse → chunk → embed → index through Dagster, with raw store, ledger, events and both indexes."""

import shutil
from pathlib import Path
from typing import Any, ClassVar

import yaml

from benchmarks.orchestration.measure import CONFIG, run
from benchmarks.peers.job import WORDS, Embedding, count
from penstock import Chunk, EmbeddingBatch, StageContext, registry

PIPELINE = {
    "version": "1.0",
    "name": "peers",
    "description": "for measurement",
    "stages": [
        {"name": "ingest", "type": "IngestStage"},
        {"name": "parse", "type": "ParseStage", "depends_on": ["ingest"]},
        {
            "name": "chunk",
            "type": "ChunkStage",
            "depends_on": ["parse"],
            "with": {"split_by": "word", "split_length": WORDS, "split_overlap": 0},
        },
        {"name": "embed", "type": "EmbedStage", "uses": "counted", "depends_on": ["chunk"]},
        {"name": "index", "type": "IndexStage", "depends_on": ["embed"]},
    ],
}


def ingest(folder: Path, state: Path, embedding: Embedding) -> None:
    """What is new or changed, by the ledger. The stage host embeds, so `embedding` stays unused."""
    config = state / "config"
    if not config.exists():
        shutil.copytree(CONFIG, config)
        (config / "pipelines" / "peers.yaml").write_text(yaml.safe_dump(PIPELINE, sort_keys=False))
    run(state / "home", config, "peers", str(folder))


class CountedEmbedder:
    """The embedder that the others call, counted as theirs is; registered by `install`."""

    name: ClassVar[str]
    version: ClassVar[str] = "1"

    def __init__(self, settings: Any, resources: Any) -> None:
        self._embedder = registry.adapter("EmbedStage", self.name)(settings, resources)

    def execute_batch(self, items: list[tuple[StageContext, list[Chunk]]]) -> list[Any]:
        found: list[Any] = self._embedder.execute_batch(items)
        count(sum(len(chunks) for _, chunks in items))
        return found

    def execute(self, ctx: StageContext, chunks: list[Chunk]) -> EmbeddingBatch:
        return self.execute_batch([(ctx, chunks)])[0]  # type: ignore[no-any-return]

    def embed_query(self, text: str) -> list[float]:
        return list(self._embedder.embed_query(text))


class CountedMiniLM(CountedEmbedder):
    name = "minilm"
    settings_type = registry.adapter("EmbedStage", "minilm").settings_type
    batch_documents: ClassVar[int] = 8


class CountedHashing(CountedEmbedder):
    name = "hashing"
    settings_type = registry.adapter("EmbedStage", "hashing").settings_type
    batch_documents: ClassVar[int] = 64


def install(folder: str, embedder: str) -> None:
    """Let the registry find the counted embedder: a distribution's metadata in `folder`, to be put on the path."""
    metadata = Path(folder) / "penstock_counted-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: penstock-counted\nVersion: 1\n")
    kind = {"minilm": CountedMiniLM, "hashing": CountedHashing}[embedder].__name__
    (metadata / "entry_points.txt").write_text(f"[penstock.EmbedStage]\ncounted = {__name__}:{kind}\n")
