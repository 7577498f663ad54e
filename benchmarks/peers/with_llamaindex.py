"""LlamaIndex's IngestionPipeline with docstore (upserts), cache and simple vector store, persisted at the end."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llama_index.core import Document
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.schema import BaseNode, TextNode, TransformComponent
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore

from benchmarks.peers.job import Embedding, split

_embedding: Embedding | None = None


class Splitter(TransformComponent):
    """Cuts documents into nodes."""

    def __call__(self, nodes: Sequence[BaseNode], **_: Any) -> Sequence[BaseNode]:
        return [
            TextNode(text=part, relationships={"1": each.as_related_node_info()})
            for each in nodes
            for part in split(each.get_content())
        ]


class Embedder(TransformComponent):
    """Gives each node its vector."""

    def __call__(self, nodes: Sequence[BaseNode], **_: Any) -> Sequence[BaseNode]:
        assert _embedding is not None
        for first in range(0, len(nodes), 64):
            part = nodes[first : first + 64]
            vectors = _embedding.vectors([each.get_content() for each in part])
            for each, vector in zip(part, vectors, strict=True):
                each.embedding = vector
        return nodes


def ingest(folder: Path, state: Path, embedding: Embedding) -> None:
    """What the docstore does not know, or knows otherwise."""
    global _embedding
    _embedding = embedding
    saved = state / "pipeline"
    vectors = state / "vectors.json"
    pipeline = IngestionPipeline(
        transformations=[Splitter(), Embedder()],
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS,
        vector_store=SimpleVectorStore.from_persist_path(str(vectors)) if vectors.exists() else SimpleVectorStore(),
    )
    if saved.exists():
        pipeline.load(str(saved))
    documents = [Document(text=path.read_text(), id_=path.name) for path in sorted(folder.iterdir())]
    pipeline.run(documents=documents, show_progress=False)
    pipeline.persist(str(saved))
    pipeline.vector_store.persist(str(vectors))
