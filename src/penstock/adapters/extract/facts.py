"""Hits and claims become facts: what every extractor builds its result with."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from penstock.adapters.extract.dictionary import Hit, Known
from penstock.adapters.extract.terms import Terms
from penstock.errors import SpecError
from penstock.records import Claim, Document, Entity, Facts, Mention, short_hash
from penstock.spec.ontology import OntologySpec
from penstock.spec.ontology_file import ontology_files

MENTIONS, RULES_OUT = "mentions", "rules_out"

Linked = tuple[Known, Claim]
"""A claim, and the entity that it leads to."""


def own_entity(ontology: OntologySpec, terms: Terms, document: Document) -> Known:
    """What the document itself is: by the first rule that applies, else `document:<id>`."""
    for rule in ontology.documents:
        name = document.fields.get(rule.field)
        if applies(rule.when, document) and isinstance(name, str) and name.strip():
            found = terms.named(rule.type, name)
            return found._replace(identifiers={**found.identifiers, "document": document.document_id})
    name = document.title or document.document_id
    return Known(f"document:{document.document_id}", name, "document", {"document": document.document_id})


def applies(when: Mapping[str, str], document: Document) -> bool:
    """Whether a rule is for this document: `source` is its provenance's, any other key is looked up in its metadata."""
    found = {**document.metadata, "source": document.provenance.source}
    return all(str(found.get(key)) == wanted for key, wanted in when.items())


def mention_claims(
    own: Known, document: Document, hits: Iterable[Hit], denied: set[tuple[int, int]], extractor: str, version: str
) -> Iterator[Linked]:
    """Document → mentions → each entity, by its first mention; → rules out, where every mention of it is denied."""
    first: dict[str, Hit] = {}
    for hit in sorted(hits, key=lambda each: (each[:2] in denied, each.start)):  # what is meant before what is denied
        first.setdefault(hit.entity.entity_id, hit)
    for start, end, known in first.values():
        if known.entity_id != own.entity_id:
            yield (
                known,
                Claim(
                    subject=own.entity_id,
                    predicate=RULES_OUT if (start, end) in denied else MENTIONS,
                    object=known.entity_id,
                    extractor=extractor,
                    version=version,
                    start=start,
                    end=end,
                    evidence=document.text[start:end],
                ),
            )


def facts_of(own: Known, document: Document, hits: Iterable[Hit], claims: Iterable[Linked]) -> Facts:
    """The entities, the document's own first, and the claims between them, in a fixed order."""
    linked = list(claims)
    mentions: dict[str, list[Mention]] = {}
    known = {own.entity_id: own} | {each.entity_id: each for each, _ in linked}
    for hit in hits:
        known.setdefault(hit.entity.entity_id, hit.entity)
        mention = Mention(hit.start, hit.end, document.text[hit.start : hit.end])
        mentions.setdefault(hit.entity.entity_id, []).append(mention)
    others = sorted(key for key in known if key != own.entity_id)
    return Facts(
        entities=tuple(_entity(known[key], mentions.get(key, [])) for key in (own.entity_id, *others)),
        claims=tuple(
            sorted((claim for _, claim in linked), key=lambda each: (each.predicate, each.object, each.subject))
        ),
    )


def ontology_fingerprint(config: Path, name: str) -> str:
    """A hash of an ontology's files, so that an edit of any of them is seen.

    Raises `SpecError` when there is no such ontology, or its YAML is not sound.
    """
    files = ontology_files(config, name)
    try:
        return short_hash(*(path.read_bytes() for path in files))
    except OSError as exc:
        raise SpecError(f"{exc.filename}: cannot be read: {exc.strerror}", hint="penstock validate") from exc


def _entity(known: Known, mentions: list[Mention]) -> Entity:
    return Entity(
        entity_id=known.entity_id,
        name=known.name,
        type=known.type,
        mentions=tuple(mentions),
        identifiers=known.identifiers,
    )
