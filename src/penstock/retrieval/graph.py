"""The graph around one entity, as far as active documents speak of it."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from sqlalchemy import select

from penstock.errors import UsageError
from penstock.execution.workspace import Workspace
from penstock.ledger.ledger import Ledger
from penstock.ledger.tables import documents
from penstock.records import Chunk, Claim, Entity
from penstock.retrieval.resolution import resolve

_LOOKED_AT = 2000

Relation = tuple[str, str, Claim]
"""Build, document id, claim."""


def around(workspace: Workspace, name_or_id: str, *, tenant: str) -> dict[str, Any]:
    """An entity, those that are the same and why, and the relations that they take part in, as JSON values.

    Where several entities bear the name, the one with that id is taken, or else the one with most relations; `others`
    holds the ids of the rest. `chunk` is the active chunk that covers the evidence of a relation, or None.

    Raises `UsageError` where no active document speaks of such an entity; it names the nearest.
    """
    ledger = workspace.existing_ledger
    if ledger is None:
        raise UsageError(f"no entity is named `{name_or_id}`: `{workspace.home}` holds nothing yet")
    graph = workspace.resources.graph
    names = {entity_id: (name, kind) for entity_id, name, kind in graph.find(tenant, name_or_id)}
    relations = {each: _visible_relations(workspace, ledger, tenant, each) for each in names}
    spoken_of = [each for each in names if relations[each] or _is_visible(workspace, ledger, tenant, each)]
    if not spoken_of:
        raise _unknown(workspace, ledger, tenant, name_or_id)
    spoken_of.sort(key=lambda each: (each.casefold() != name_or_id.casefold(), -len(relations[each]), each))
    chosen, *others = spoken_of
    same = resolve(workspace, ledger, tenant, chosen)
    for each in same.members:
        names.update({id_: (name, kind) for id_, name, kind in graph.find(tenant, each) if id_ == each})
        relations[each] = _visible_relations(workspace, ledger, tenant, each)
    found = {(build, document, claim) for each in same.members for build, document, claim in relations[each]}
    return {
        "entity": _described(chosen, names),
        "merged": [_described(each, names) for each in same.members if each != chosen],
        "because": [link._asdict() for link in same.links],
        "relations": _with_chunks(workspace, ledger, tenant, sorted(found, key=lambda each: each[:2])),
        "others": [each for each in others if each not in same.members],
    }


def _described(entity_id: str, names: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    name, kind = names.get(entity_id, (entity_id.partition(":")[2], entity_id.partition(":")[0]))
    return {"id": entity_id, "name": name, "type": kind}


def _visible_relations(workspace: Workspace, ledger: Ledger, tenant: str, entity_id: str) -> list[Relation]:
    found = workspace.resources.graph.relations(tenant, entity_id)
    with ledger.read() as cx:
        active = ledger.documents.active_builds(cx, tenant, "graph", {build for build, _, _ in found})
    return [each for each in found if each[0] in active]


def _with_chunks(workspace: Workspace, ledger: Ledger, tenant: str, relations: list[Relation]) -> list[dict[str, Any]]:
    cited = sorted({document for _, document, claim in relations if claim.start is not None})
    with ledger.read() as cx:
        rows = ledger.documents.get(cx, tenant, cited)
    lexical = workspace.resources.lexical
    chunks = {name: lexical.build_chunks(tenant, row.index_build) for name, row in rows.items() if row.index_build}
    found = [
        {
            "subject": claim.subject,
            "predicate": claim.predicate,
            "object": claim.object,
            "document": document,
            "chunk": _covering(chunks.get(document, []), claim),
            "start": claim.start,
            "end": claim.end,
            "extractor": claim.extractor,
            "version": claim.version,
        }
        for _, document, claim in relations
    ]
    return sorted(found, key=lambda r: (r["predicate"], r["subject"], r["object"], r["document"], r["start"] or 0))


def _covering(chunks: list[Chunk], claim: Claim) -> str | None:
    """The first chunk that holds the evidence; none where another pipeline has read the document otherwise."""
    if claim.start is None or claim.end is None:
        return None
    for chunk in chunks:
        if chunk.start <= claim.start and claim.end <= chunk.end:
            text = chunk.text[claim.start - chunk.start : claim.end - chunk.start]
            if not claim.evidence or text == claim.evidence:
                return chunk.chunk_id
    return None


def _is_visible(workspace: Workspace, ledger: Ledger, tenant: str, entity_id: str) -> bool:
    """Whether an active document names an entity that stands in no relation."""
    return any(entity.entity_id == entity_id for entity in _entities(workspace, ledger, tenant))


def _unknown(workspace: Workspace, ledger: Ledger, tenant: str, name: str) -> UsageError:
    known = sorted({each.name for each in _entities(workspace, ledger, tenant)})
    folded = {each.casefold(): each for each in known}
    close = [folded[each] for each in get_close_matches(name.casefold(), list(folded), n=5, cutoff=0.5)]
    text = f"no entity of tenant `{tenant}` is named `{name}`"
    if close:
        text += "; the nearest are " + ", ".join(f"`{each}`" for each in close)
    return UsageError(text, hint="penstock show DOCUMENT names the entities of a document")


def _entities(workspace: Workspace, ledger: Ledger, tenant: str) -> Iterator[Entity]:
    """The entities of active documents, of the first 2,000 in a large home."""
    query = select(documents.c.graph_build).where(documents.c.tenant == tenant, documents.c.graph_build.is_not(None))
    with ledger.read() as cx:
        builds = list(cx.execute(query.order_by(documents.c.document).limit(_LOOKED_AT)).scalars())
    for build in builds:
        yield from workspace.resources.graph.facts(tenant, build).entities
