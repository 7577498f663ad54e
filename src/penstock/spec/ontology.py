"""What an ontology file says: `config/ontologies/*.yaml`, the things and relations that extraction looks for."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from penstock.spec.model import Name, SpecModel
from penstock.spec.names import NormalForm
from penstock.spec.patterns import compile_bounded

MAX_RULES = 1_000
"""The most rules of each kind."""

Variant = Literal["plurals", "greek", "spelling"]
Overlaps = Literal["longest", "by_type", "all"]


def _text(version: Any) -> Any:
    return str(version) if isinstance(version, int | float) and not isinstance(version, bool) else version


def _bounded(regex: str) -> str:
    try:
        compile_bounded(regex)
    except ValueError as exc:
        raise ValueError(f"is refused: {exc}") from exc
    return regex


def _term(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


Version = Annotated[
    str,
    BeforeValidator(_text),
    StringConstraints(min_length=1, max_length=64),
    WithJsonSchema({"type": ["string", "number"]}),
]
Word = Annotated[str, StringConstraints(min_length=2, max_length=500)]
Words = Annotated[tuple[Word, ...], Field(strict=False)]
Simple = Annotated[tuple[Annotated[Word, StringConstraints(pattern=r"^\w+$")], ...], Field(strict=False)]
"""Single words, without hyphens."""
Conditions = dict[str, str]

_WHEN = "Metadata of the document, or `source` → the value that it has."


class DocumentRule(SpecModel):
    """What kind of thing a document itself is, and which of its fields names it."""

    when: Conditions = Field(default={}, description=_WHEN)
    type: Name = Field(description="The entity type of such a document.")
    field: str = Field(description="The field of its record that names it.")


class FieldRule(SpecModel):
    """A field of the record as claims: document → `predicate` → each value, an entity of `type`."""

    when: Conditions = Field(default={}, description=_WHEN)
    field: str = Field(description="The field: a name, a mapping that holds one under `key`, or a list of these.")
    predicate: Name = Field(description="What the document has to do with the value.")
    type: Name = Field(description="The entity type of the values.")
    key: str = Field(default="name", description="Where a value that is a mapping has its name.")


class PatternSpec(SpecModel):
    """A regular expression whose matches name entities: by its group `name` if it has one, else as a whole."""

    type: Name = Field(description="The entity type of what matches.")
    regex: Annotated[str, AfterValidator(_bounded)] = Field(
        description="Python's syntax; every repeat has an upper bound, so that no text makes a match run away."
    )

    @property
    def compiled(self) -> re.Pattern[str]:
        """The expression, ready for use."""
        return compile_bounded(self.regex)


class TermSpec(SpecModel):
    """A thing with a name, other names for it, and its ids in other vocabularies."""

    name: Word
    aliases: Words = ()
    identifiers: dict[str, str] = Field(default={}, description="Vocabulary → id: `{mesh: D001241}`.")

    @property
    def names(self) -> tuple[str, ...]:
        """All names, the first one first."""
        return (self.name, *self.aliases)


AnyTerm = Annotated[TermSpec, BeforeValidator(_term)]
"""A term, or its name alone."""


class DictionarySpec(SpecModel):
    """Terms of one type, found in text as whole words; hyphens count as spaces."""

    type: Name = Field(description="The entity type of the terms.")
    terms: Annotated[tuple[AnyTerm, ...], Field(strict=False)] = Field(
        default=(), description="Terms: a name, or a mapping with `name`, `aliases` and `identifiers`."
    )
    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*\.tsv$")] | None = Field(
        default=None,
        description="More terms, in a file beside this one: tab-separated, with a header of `name`, `aliases` (with "
        "`|` between them) and a column for each vocabulary of ids.",
    )
    variants: Annotated[tuple[Variant, ...], Field(strict=False)] = Field(
        default=(),
        description="What else counts as the same word: `plurals`, `greek` (α is alpha), `spelling` (British is "
        "American).",
    )
    modifiers: Simple = Field(
        default=(), description="Words that belong to a term that they stand before: `chronic`, `renal`."
    )
    heads: Simple = Field(
        default=(), description="Words that are a term only behind a modifier: `injury` in `renal injury`."
    )
    exact_case: int = Field(
        default=3, ge=0, le=64, description="Terms of up to so many characters count only as they are written."
    )
    stop_terms: Words = Field(default=(), description="Names that never count, though a term bears them.")


class RelationSpec(SpecModel):
    """What a claim may say, and between what: the vocabulary of extraction by a language model."""

    predicate: Name = Field(description="The name of the relation: `treats`.")
    subject: Name = Field(description="The entity type that it starts from.")
    object: Name = Field(description="The entity type that it leads to.")
    description: str = Field(default="", description="When it holds, in a sentence.")


class NegationSpec(SpecModel):
    """Words that deny what stands beside them, as in NegEx (Chapman et al. 2001, doi:10.1006/jbin.2001.1029)."""

    types: Annotated[tuple[Name, ...], Field(strict=False)] = Field(
        default=(), description="The entity types that can be denied; all, where none is named."
    )
    before: Words = Field(default=(), description="Cues that stand before what they deny: `no evidence of`.")
    after: Words = Field(default=(), description="Cues that stand behind it: `was ruled out`.")
    never: Words = Field(default=(), description="What looks like a cue and is none: `not only`.")
    ends: Words = Field(default=(), description="Words that end what a cue reaches: `but`.")
    reach: int = Field(default=5, ge=1, le=20, description="How many words away a cue reaches.")


class OntologySpec(SpecModel):
    """An ontology. `version` is told with every claim: raise it when the meaning of a claim changes."""

    name: Name = Field(description="The name of the file, without `.yaml`.")
    version: Version = Field(description="The version, as its authors count it; any edit recomputes extraction.")
    description: str = Field(default="", description="A sentence on what it is for.")
    types: dict[Name, str] = Field(
        default={}, description="Entity types → a sentence on each; what a language model may look for."
    )
    normal_forms: dict[Name, NormalForm] = Field(
        default={}, description="How names of a type become entity ids: `text` unless said otherwise."
    )
    documents: Annotated[tuple[DocumentRule, ...], Field(strict=False, max_length=MAX_RULES)] = ()
    fields: Annotated[tuple[FieldRule, ...], Field(strict=False, max_length=MAX_RULES)] = ()
    patterns: Annotated[tuple[PatternSpec, ...], Field(strict=False, max_length=MAX_RULES)] = ()
    dictionaries: Annotated[tuple[DictionarySpec, ...], Field(strict=False, max_length=MAX_RULES)] = ()
    relations: Annotated[tuple[RelationSpec, ...], Field(strict=False, max_length=MAX_RULES)] = ()
    overlaps: Overlaps = Field(
        default="longest",
        description="Of mentions that overlap, which count: the first and longest, that of each type, or all.",
    )
    abbreviations: bool = Field(
        default=False,
        description="Whether a short form that a document defines, as in `heart failure (HF)`, stands for the long one "
        "in all of it.",
    )
    negation: NegationSpec | None = Field(default=None, description="Without it, nothing is taken for denied.")

    @property
    def entity_types(self) -> tuple[str, ...]:
        """Every type that some rule gives, sorted."""
        rules: tuple[DocumentRule | FieldRule | PatternSpec | DictionarySpec, ...]
        rules = (*self.documents, *self.fields, *self.patterns, *self.dictionaries)
        return tuple(sorted({*self.types, *(each.type for each in rules)}))


class TypeUse(NamedTuple):
    """A place where an ontology names a type that it must know."""

    loc: tuple[str | int, ...]
    type: str


def type_uses(spec: OntologySpec) -> Iterator[TypeUse]:
    """Where relations, negation and normal forms name types."""
    for index, relation in enumerate(spec.relations):
        yield TypeUse(("relations", index, "subject"), relation.subject)
        yield TypeUse(("relations", index, "object"), relation.object)
    for index, name in enumerate(spec.negation.types if spec.negation else ()):
        yield TypeUse(("negation", "types", index), name)
    for name in spec.normal_forms:
        yield TypeUse(("normal_forms", name), name)
