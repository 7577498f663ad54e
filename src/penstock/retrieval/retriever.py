"""Hybrid search: BM25 and dense vectors side by side, fused, over what is active and nothing else."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from penstock.errors import PermanentError, UsageError
from penstock.execution.tenants import check_tenant
from penstock.execution.workspace import Workspace
from penstock.ledger.ledger import Ledger
from penstock.ports import LexicalIndex, VectorIndex
from penstock.records import Chunk
from penstock.retrieval.filters import passes
from penstock.retrieval.fusion import fuse_ranks, fuse_shares
from penstock.retrieval.hits import MODES, DocumentHit, Hit, Mode, Place
from penstock.retrieval.models import QueryModel, QueryModels
from penstock.retrieval.visibility import Visible

_DEPTH = 100
_ATTEMPTS = 3

Fetch = Callable[[int], list[tuple[str, str, float]]]


class Candidate(NamedTuple):
    """A visible chunk that a retriever has found."""

    chunk_id: str
    build: str
    document: str
    score: float


class Ranking(NamedTuple):
    """What one retriever found, best first; `exhausted` where it has no more to give."""

    retriever: str
    model: str
    candidates: list[Candidate]
    exhausted: bool


class Retriever:
    """Searches one workspace. Several threads may search at once."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._models = QueryModels(workspace)

    def search(
        self,
        query: str,
        *,
        tenant: str = "default",
        mode: Mode = "fused",
        top_k: int = 10,
        filters: Mapping[str, str] | None = None,
    ) -> list[Hit]:
        """The best chunks for a query, of active documents of the tenant; no more than `top_k`.

        Both retrievers are asked for at least 100 and five times `top_k` visible chunks. What is stale, not switched to
        or deleted is passed over, and more is asked for in its place.

        Args:
            filters: conditions that all hold: metadata, `source` or `document` → value. The dense list is filtered
                after the search, so that a condition which few chunks meet makes it read far down.

        Raises:
            UsageError: the query is blank, or the mode, tenant or `top_k` is none.
            StageError: the query cannot be embedded, or an index cannot be read.
        """
        ledger = self._prepare(query, tenant, mode, top_k)
        if ledger is None:
            return []
        hits: list[Hit] = []
        for _ in range(_ATTEMPTS):
            visible = Visible(ledger, tenant)
            rankings = self._rank(query, tenant, mode, max(_DEPTH, 5 * top_k), filters or {}, visible)
            hits, is_whole = self._hits(tenant, rankings, mode, top_k, visible)
            if is_whole:
                break
        return hits

    def search_documents(
        self,
        query: str,
        *,
        tenant: str = "default",
        mode: Mode = "fused",
        top_k: int = 100,
        filters: Mapping[str, str] | None = None,
    ) -> list[DocumentHit]:
        """The best documents for a query, each by its best chunk; raises as `search`.

        Each retriever's chunks become a ranking of documents first; these are fused.
        """
        ledger = self._prepare(query, tenant, mode, top_k)
        if ledger is None:
            return []
        visible = Visible(ledger, tenant)
        depth = max(_DEPTH, 5 * top_k)
        while True:
            rankings = self._rank(query, tenant, mode, depth, filters or {}, visible)
            lists = [_best_by_document(ranking.candidates) for ranking in rankings]
            if all(r.exhausted or len(found) >= top_k for r, found in zip(rankings, lists, strict=True)):
                break
            depth *= 2
        scores = _scores(lists, mode)
        best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:top_k]
        return [DocumentHit(rank=rank, score=score, document=name) for rank, (name, score) in enumerate(best, 1)]

    def _prepare(self, query: str, tenant: str, mode: str, top_k: int) -> Ledger | None:
        check_tenant(tenant)
        if mode not in MODES:
            raise UsageError.unknown("mode", mode, MODES)
        if top_k < 1:
            raise UsageError(f"`top_k` is {top_k}; at least 1 would be right")
        if not query.strip():
            raise UsageError("the query is blank; write a question or some words")
        return self._workspace.existing_ledger

    def _rank(
        self, query: str, tenant: str, mode: Mode, depth: int, filters: Mapping[str, str], visible: Visible
    ) -> list[Ranking]:
        """One ranking by words, and one for each model that the tenant's vectors were made by; at the same time."""
        resources = self._workspace.resources
        lexical = resources.lexical  # stores are made here, since two threads must not make the same one
        tasks: list[Callable[[], Ranking]] = []
        if mode != "dense":

            def by_words(limit: int) -> list[tuple[str, str, float]]:
                return lexical.search(tenant, query, limit, filters)

            tasks.append(lambda: _ranking("bm25", "", by_words, depth, visible, lambda found: found))
        if mode != "bm25":
            vectors = resources.vectors
            keep = _Filter(lexical, tenant, filters)
            with self._workspace.ledger.read() as cx:
                models = self._models.of(cx, tenant)

            def by_meaning(model: QueryModel) -> Ranking:
                embedder = self._workspace.adapter(model.stage)
                fetch = _searcher(vectors, tenant, model.name, embedder.embed_query(query))
                return _ranking("dense", model.name, fetch, depth, visible, keep)

            tasks += [partial(by_meaning, model) for model in models]
        if len(tasks) < 2:
            return [task() for task in tasks]
        with ThreadPoolExecutor(len(tasks)) as pool:
            return [each.result() for each in [pool.submit(task) for task in tasks]]

    def _hits(
        self, tenant: str, rankings: Sequence[Ranking], mode: Mode, top_k: int, visible: Visible
    ) -> tuple[list[Hit], bool]:
        """The hits that are visible at one moment after all has been read, and whether that is all of them.

        It is not where a document was switched while we looked; its two versions never stand in one answer.
        """
        known = {each.chunk_id: each for ranking in rankings for each in ranking.candidates}
        scores = _scores([{each.chunk_id: each.score for each in r.candidates} for r in rankings], mode)
        order = sorted(scores, key=lambda chunk_id: (-scores[chunk_id], known[chunk_id].document, chunk_id))
        chosen = [known[chunk_id] for chunk_id in order[:top_k]]
        keys = [(each.chunk_id, each.build) for each in chosen]
        chunks: Mapping[tuple[str, str], Chunk] = self._workspace.resources.lexical.chunks(tenant, keys) if keys else {}
        builds = {each.build for each in chosen}
        owners = visible.owners_now(builds)
        found = [each for each in chosen if each.build in owners and (each.chunk_id, each.build) in chunks]
        places = _places(rankings)
        hits = [
            Hit(
                rank=rank,
                score=scores[each.chunk_id],
                chunk=chunks[each.chunk_id, each.build],
                version=owners[each.build].version,
                places=places[each.chunk_id],
            )
            for rank, each in enumerate(found, 1)
        ]
        return hits, len(owners) == len(builds)


class _Filter:
    """Keeps the candidates whose chunk passes the filters; a chunk is looked at once."""

    def __init__(self, lexical: LexicalIndex, tenant: str, filters: Mapping[str, str]) -> None:
        self._lexical = lexical
        self._tenant = tenant
        self._filters = filters
        self._passed: dict[tuple[str, str], bool] = {}

    def __call__(self, found: list[Candidate]) -> list[Candidate]:
        if not self._filters:
            return found
        new = [key for each in found if (key := (each.chunk_id, each.build)) not in self._passed]
        chunks = self._lexical.chunks(self._tenant, new) if new else {}
        self._passed.update({key: key in chunks and passes(chunks[key], self._filters) for key in new})
        return [each for each in found if self._passed[each.chunk_id, each.build]]


def _searcher(vectors: VectorIndex, tenant: str, model: str, vector: Sequence[float]) -> Fetch:
    def fetch(limit: int) -> list[tuple[str, str, float]]:
        try:
            return vectors.search(tenant, model, vector, limit)
        except ValueError as exc:
            raise PermanentError(
                f"model `{model}`: its query vectors do not fit the index: {exc}",
                hint="run the pipeline again, so that the documents are embedded anew; or search with --mode bm25",
            ) from exc

    return fetch


def _ranking(
    retriever: str,
    model: str,
    fetch: Fetch,
    depth: int,
    visible: Visible,
    keep: Callable[[list[Candidate]], list[Candidate]],
) -> Ranking:
    """The best `depth` visible chunks: asks for twice as many until they are there, or there are no more."""
    limit = depth
    while True:
        found = fetch(limit)
        owners = visible.owners(build for _, build, _ in found)
        seen = [Candidate(c, build, owners[build].document, score) for c, build, score in found if build in owners]
        kept = keep(seen)
        exhausted = len(found) < limit
        if exhausted or len(kept) >= depth:
            kept.sort(key=lambda each: (-each.score, each.document, each.chunk_id))
            return Ranking(retriever, model, kept[:depth], exhausted and len(kept) <= depth)
        limit *= 2


def _best_by_document(candidates: Sequence[Candidate]) -> dict[str, float]:
    best: dict[str, float] = {}
    for each in candidates:
        best.setdefault(each.document, each.score)
    return best


def _scores(lists: Sequence[Mapping[str, float]], mode: Mode) -> Mapping[str, float]:
    """The retriever's own scores, or where there are several lists (or could be), those of the fusion."""
    if mode == "rrf":
        return fuse_ranks([list(each) for each in lists])
    return lists[0] if mode != "fused" and len(lists) == 1 else fuse_shares(lists)


def _places(rankings: Sequence[Ranking]) -> dict[str, dict[str, Place]]:
    places: dict[str, dict[str, Place]] = {}
    for ranking in rankings:
        for rank, each in enumerate(ranking.candidates, 1):
            place = Place(rank=rank, score=each.score, model=ranking.model)
            places.setdefault(each.chunk_id, {})[ranking.retriever] = place
    return places
