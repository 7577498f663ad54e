"""Search as a Haystack component, for pipelines of Haystack's own: ranking, prompts, answers.

This module is the only one of the package that imports Haystack: `from penstock.retrieval.haystack import
PenstockRetriever`.
"""

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")  # read when Haystack is imported

from haystack import Document, component, default_from_dict, default_to_dict

from penstock.execution.workspace import Workspace
from penstock.plan.profiles import load_profile
from penstock.retrieval.hits import Hit, Mode
from penstock.retrieval.retriever import Retriever


@component
class PenstockRetriever:
    """Finds the chunks of active documents for a query. Protocol: <https://docs.haystack.deepset.ai/docs/retrievers>.

    Args:
        home: the state folder.
        config: the config folder.
        profile: the name of a profile in it.
        tenant: whose documents are searched; a query cannot change it.
        mode: `fused`, `bm25`, `dense` or `rrf`.
        top_k: how many chunks are given, unless a run asks for another number.
    """

    def __init__(
        self,
        home: str,
        config: str = "config",
        profile: str = "local",
        tenant: str = "default",
        mode: Mode = "fused",
        top_k: int = 10,
    ) -> None:
        self.home = str(home)
        self.config = str(config)
        self.profile = profile
        self.tenant = tenant
        self.mode: Mode = mode
        self.top_k = top_k
        self._retriever: Retriever | None = None

    def warm_up(self) -> None:
        """Open the home. Raises `UsageError` or `SpecError` where the config folder or profile is not sound."""
        if self._retriever is None:
            config = Path(self.config)
            self._retriever = Retriever(Workspace(Path(self.home), config, load_profile(config, self.profile)))

    @component.output_types(documents=list[Document])
    def run(self, query: str, filters: dict[str, str] | None = None, top_k: int | None = None) -> dict[str, Any]:
        """The best chunks as Haystack documents, their provenance in `meta`.

        Args:
            filters: key → value, all of which hold: a chunk's metadata, `source` or `document`.
        """
        self.warm_up()
        assert self._retriever is not None
        hits = self._retriever.search(
            query, tenant=self.tenant, mode=self.mode, top_k=top_k or self.top_k, filters=filters
        )
        return {"documents": [_document(hit) for hit in hits]}

    def to_dict(self) -> dict[str, Any]:
        """What a serialised pipeline keeps: where the home is, never what is in it."""
        names = ("home", "config", "profile", "tenant", "mode", "top_k")
        return default_to_dict(self, **{name: getattr(self, name) for name in names})

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "PenstockRetriever":
        found: PenstockRetriever = default_from_dict(cls, data)
        return found


def _document(hit: Hit) -> Document:
    found = hit.to_json()
    text, score = found.pop("text"), found.pop("score")
    return Document(id=hit.chunk.chunk_id, content=text, score=score, meta={**hit.chunk.metadata, **found})
