"""What all of them do: the same documents, cut in the same places, embedded by the same model, counted alike."""

import inspect
import os
import pkgutil
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from penstock import Chunk, StageContext, registry

WORDS = 120
"""A chunk has so many words, the last one of a document what is left."""

COUNTER = "PEERS_COUNTER"
"""Names the file that grows by one byte for each chunk that is embedded, also where the process is killed."""

_CONTEXT = StageContext(
    tenant_id="default", doc_id="", job_id="", correlation_id="", pipeline="peers", pipeline_version="1", stage="embed"
)


def write_documents(folder: Path, count: int) -> None:
    """English prose that every machine has: the documentation of Python's standard library, some 300 words each."""
    folder.mkdir(parents=True)
    words = _prose()
    for number in range(count):
        first = number * 300 % len(words)
        text = " ".join((words[first:] + words)[: 250 + number % 100])
        (folder / f"{number:05}.txt").write_text(f"Document {number}. {text}\n")


def change_documents(folder: Path, share: float) -> int:
    """Add a sentence to this share of the documents; returns how many that are."""
    paths = sorted(folder.iterdir())
    chosen = paths[:: max(1, round(1 / share))]
    for path in chosen:
        path.write_text(path.read_text() + "This sentence was added.\n")
    return len(chosen)


def split(text: str) -> list[str]:
    """The text in parts of `WORDS` words."""
    words = text.split()
    return [" ".join(words[first : first + WORDS]) for first in range(0, len(words), WORDS)]


class Embedding:
    """The embedder of a profile, called for texts; counts each of them."""

    def __init__(self, name: str, home: Path) -> None:
        self._embedder: Any = registry.build("EmbedStage", name, {}, _Resources(home))

    def warm(self) -> None:
        """Load the model: that is no part of what is measured."""
        self._embedder.execute(_CONTEXT, [_chunk(0, "warm")])

    def vectors(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text."""
        import numpy as np

        batch = self._embedder.execute(_CONTEXT, [_chunk(number, text) for number, text in enumerate(texts)])
        count(len(texts))
        found: list[list[float]] = np.frombuffer(batch.vectors, "<f4").reshape(len(texts), -1).tolist()
        return found


def count(chunks: int) -> None:
    """Note that so many chunks have been embedded."""
    with Path(os.environ[COUNTER]).open("ab", buffering=0) as file:
        file.write(b"." * chunks)


class _Resources:
    def __init__(self, home: Path) -> None:
        self.home = home


def _chunk(number: int, text: str) -> Chunk:
    return Chunk(chunk_id=str(number), document_id="", tenant_id="", text=text, start=0, end=len(text), index=number)


def _prose() -> list[str]:
    found: list[str] = []
    for module in sorted(pkgutil.iter_modules([str(Path(inspect.__file__).parent)]), key=lambda each: each.name):
        if module.name in sys.stdlib_module_names and not module.name.startswith(
            ("_", "antigravity", "idlelib", "this")
        ):
            try:
                made = import_module(module.name)
            except ImportError:
                continue  # a part of the standard library that this machine lacks
            documented = [
                made,
                *(each for _, each in inspect.getmembers(made) if inspect.isclass(each) or inspect.isfunction(each)),
            ]
            for each in documented:
                found += re.findall(r"[A-Za-z][\w'.,;:-]*", inspect.getdoc(each) or "")
    return found
