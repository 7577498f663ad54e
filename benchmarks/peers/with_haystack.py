"""Haystack's own pipeline: splitter → embedder → writer, into its in-memory store, which is saved at the end."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from haystack import Document, Pipeline, component
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DuplicatePolicy

from benchmarks.peers.job import WORDS, Embedding


def ingest(folder: Path, state: Path, embedding: Embedding) -> None:
    """All documents of the folder, from the start: the pipeline keeps nothing of an earlier run."""

    @component
    class Embedder:
        @component.output_types(documents=list[Document])
        def run(self, documents: list[Document]) -> dict[str, Any]:
            found = []
            for first in range(0, len(documents), 64):
                part = documents[first : first + 64]
                vectors = embedding.vectors([each.content or "" for each in part])
                found += [replace(each, embedding=vector) for each, vector in zip(part, vectors, strict=True)]
            return {"documents": found}

    store = InMemoryDocumentStore()
    pipeline = Pipeline()
    pipeline.add_component("splitter", DocumentSplitter(split_by="word", split_length=WORDS, split_overlap=0))
    pipeline.add_component("embedder", Embedder())
    pipeline.add_component("writer", DocumentWriter(store, policy=DuplicatePolicy.OVERWRITE))
    pipeline.connect("splitter", "embedder")
    pipeline.connect("embedder", "writer")
    documents = [Document(content=path.read_text(), meta={"file": path.name}) for path in sorted(folder.iterdir())]
    pipeline.run({"splitter": {"documents": documents}})
    store.save_to_disk(str(state / "store.json"))
