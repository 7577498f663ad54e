"""Extraction by rules: an ontology's dictionaries, patterns and field rules become entities and claims."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from msgspec.structs import replace
from pydantic import BaseModel, ConfigDict, Field

from penstock.adapters.extract.ontology import NAME, FieldRule, fingerprint_of, load_ontology
from penstock.adapters.extract.terms import Hit, Known, Terms
from penstock.ports import Resources
from penstock.records import Claim, Document, Entity, Facts, Mention, StageContext

MENTIONS = "mentions"


class RuleSettings(BaseModel):
    """`ontology` names a file of the config folder: `ontologies/<name>.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    ontology: str = Field(default="default", pattern=NAME)


class RuleExtractor:
    """`ExtractStage` without a model: what it finds is what the ontology says, every time.

    A document is an entity itself (`package:dagster`, `trial:nct00002938`, else `document:<id>`). It *mentions* what
    the dictionaries and patterns find in its text, and stands in the relations that the field rules read from its
    record. So `Facts` are never empty.
    """

    settings_type = RuleSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: RuleSettings, resources: Resources) -> None:
        self._ontology = load_ontology(resources.config, settings.ontology)
        self._terms = Terms(self._ontology)
        self._stamp = f"{self.version}:{self._ontology.name}@{self._ontology.version}"

    @classmethod
    def fingerprint(cls, settings: RuleSettings, config: Path) -> str:
        """A hash of the ontology's file. Raises `SpecError` when there is none."""
        return fingerprint_of(config, settings.ontology)

    def execute(self, ctx: StageContext, document: Document) -> Facts:
        """The entities, the document's own first, and the claims between them, in a fixed order."""
        own = self._own(document)
        hits = self._terms.hits(document.text)
        claims = [*self._field_claims(own, document), *self._mention_claims(own, document, hits)]
        mentions: dict[str, list[Mention]] = {}
        known = {own.entity_id: own} | {each.entity_id: each for each, _ in claims}
        for hit in hits:
            known.setdefault(hit.entity.entity_id, hit.entity)
            mention = Mention(hit.start, hit.end, document.text[hit.start : hit.end])
            mentions.setdefault(hit.entity.entity_id, []).append(mention)
        others = sorted(key for key in known if key != own.entity_id)
        return Facts(
            entities=tuple(_entity(known[key], mentions.get(key, [])) for key in (own.entity_id, *others)),
            claims=tuple(sorted((claim for _, claim in claims), key=lambda each: (each.predicate, each.object))),
        )

    def _own(self, document: Document) -> Known:
        for rule in self._ontology.documents:
            name = document.fields.get(rule.field)
            if rule.applies(document) and isinstance(name, str) and name.strip():
                found = self._terms.named(rule.type, name)
                return found._replace(identifiers={**found.identifiers, "document": document.document_id})
        name = document.title or document.document_id
        return Known(f"document:{document.document_id}", name, "document", {"document": document.document_id})

    def _field_claims(self, own: Known, document: Document) -> Iterator[tuple[Known, Claim]]:
        seen = set()
        for rule in self._ontology.fields:
            if not rule.applies(document):
                continue
            for name in _names(rule, document.fields.get(rule.field)):
                known = self._terms.named(rule.type, name)
                key = (rule.predicate, known.entity_id)
                if key not in seen and known.entity_id != own.entity_id:
                    seen.add(key)
                    yield known, self._claim(own, rule.predicate, known)

    def _mention_claims(self, own: Known, document: Document, hits: list[Hit]) -> Iterator[tuple[Known, Claim]]:
        seen = {own.entity_id}
        for start, end, known in hits:
            if known.entity_id not in seen:
                seen.add(known.entity_id)
                evidence = document.text[start:end]
                yield known, self._claim(own, MENTIONS, known, start=start, end=end, evidence=evidence)

    def _claim(self, own: Known, predicate: str, known: Known, **evidence: Any) -> Claim:
        claim = Claim(
            subject=own.entity_id, predicate=predicate, object=known.entity_id, extractor="rules", version=self._stamp
        )
        return replace(claim, **evidence)


def _entity(known: Known, mentions: list[Mention]) -> Entity:
    return Entity(
        entity_id=known.entity_id,
        name=known.name,
        type=known.type,
        mentions=tuple(mentions),
        identifiers=known.identifiers,
    )


def _names(rule: FieldRule, value: Any) -> Iterator[str]:
    """The names in a field's value: a name, a number, a mapping that holds one, or a list of these."""
    for each in value if isinstance(value, list | tuple) else [value]:
        name = each.get(rule.key) if isinstance(each, dict) else each
        if isinstance(name, str | int) and not isinstance(name, bool) and str(name).strip():
            yield str(name)
