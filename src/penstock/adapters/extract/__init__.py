"""Extraction by rules: an ontology's dictionaries, patterns and field rules become entities and claims."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from penstock.adapters.extract.dictionary import Known
from penstock.adapters.extract.facts import (
    Linked,
    applies,
    facts_of,
    mention_claims,
    ontology_fingerprint,
    own_entity,
)
from penstock.adapters.extract.negation import Negation
from penstock.adapters.extract.terms import Terms
from penstock.ports import Resources
from penstock.records import Claim, Document, Facts, StageContext
from penstock.spec.model import NAME_PATTERN
from penstock.spec.ontology import FieldRule
from penstock.spec.ontology_file import load_ontology

_NAME = "rules"


class RuleSettings(BaseModel):
    """`ontology` names a file of the config folder: `ontologies/<name>.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    ontology: str = Field(default="default", pattern=NAME_PATTERN)


class RuleExtractor:
    """`ExtractStage` without a model: what it finds is what the ontology says, every time.

    A document is an entity itself (`package:dagster`, `trial:nct00002938`, else `document:<id>`). It *mentions* what
    the dictionaries and patterns find in its text, and stands in the relations that the field rules read from its
    record. So `Facts` are never empty. What it names only to deny it, it *rules out*.
    """

    settings_type = RuleSettings
    version: ClassVar[str] = "2"

    def __init__(self, settings: RuleSettings, resources: Resources) -> None:
        read = load_ontology(resources.config, settings.ontology)
        assert read.spec is not None  # it is sound
        self._ontology = read.spec
        self._terms = Terms(read.spec, read.terms)
        self._negation = Negation(read.spec.negation) if read.spec.negation else None
        self._stamp = f"{self.version}:{read.spec.name}@{read.spec.version}"

    @classmethod
    def fingerprint(cls, settings: RuleSettings, config: Path) -> str:
        """A hash of the ontology's files. Raises `SpecError` when there is none, or it is not sound."""
        return ontology_fingerprint(config, settings.ontology)

    def execute(self, ctx: StageContext, document: Document) -> Facts:
        """The entities, the document's own first, and the claims between them, in a fixed order."""
        own = own_entity(self._ontology, self._terms, document)
        hits = self._terms.hits(document.text)
        spans = [(hit.start, hit.end, hit.entity.type) for hit in hits]
        denied = self._negation.denied(document.text, spans) if self._negation else set()
        mentioned = mention_claims(own, document, hits, denied, _NAME, self._stamp)
        return facts_of(own, document, hits, [*self._field_claims(own, document), *mentioned])

    def _field_claims(self, own: Known, document: Document) -> Iterator[Linked]:
        seen = set()
        for rule in self._ontology.fields:
            if not applies(rule.when, document):
                continue
            for name in _names(rule, document.fields.get(rule.field)):
                known = self._terms.named(rule.type, name)
                key = (rule.predicate, known.entity_id)
                if key not in seen and known.entity_id != own.entity_id:
                    seen.add(key)
                    claim = Claim(
                        subject=own.entity_id,
                        predicate=rule.predicate,
                        object=known.entity_id,
                        extractor=_NAME,
                        version=self._stamp,
                    )
                    yield known, claim


def _names(rule: FieldRule, value: Any) -> Iterator[str]:
    """The names in a field's value: a name, a number, a mapping that holds one, or a list of these."""
    for each in value if isinstance(value, list | tuple) else [value]:
        name = each.get(rule.key) if isinstance(each, dict) else each
        if isinstance(name, str | int) and not isinstance(name, bool) and str(name).strip():
            yield str(name)
