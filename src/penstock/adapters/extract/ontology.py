"""What an ontology file may say, and how it is read."""

import hashlib
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from penstock.adapters.extract.names import NormalForm
from penstock.adapters.extract.patterns import compile_bounded
from penstock.errors import SpecError
from penstock.records import Document

NAME = r"^[a-z0-9][a-z0-9_-]*$"
"""Types, predicates and the names of ontologies."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class DocumentRule(_Model):
    """What kind of thing a document itself is, and which of its fields names it."""

    when: dict[str, str] = {}
    type: str = Field(pattern=NAME)
    field: str

    def applies(self, document: Document) -> bool:
        return applies(self.when, document)


class Term(_Model):
    """A thing with a name, other names for it, and its ids in other vocabularies."""

    name: str = Field(min_length=2)
    aliases: tuple[str, ...] = ()
    identifiers: dict[str, str] = {}


class Dictionary(_Model):
    """Terms of one type, found in text as whole words, whatever their case; the longest one counts."""

    type: str = Field(pattern=NAME)
    terms: tuple[Term, ...]

    @field_validator("terms", mode="before")
    @classmethod
    def _bare_names(cls, terms: Any) -> Any:
        return [{"name": each} if isinstance(each, str) else each for each in terms] if terms else terms


class Pattern(_Model):
    """A regular expression whose matches name entities: by its group `name` if it has one, else as a whole."""

    type: str = Field(pattern=NAME)
    regex: str

    @field_validator("regex")
    @classmethod
    def _is_bounded(cls, regex: str) -> str:
        compile_bounded(regex)
        return regex

    @property
    def compiled(self) -> re.Pattern[str]:
        return compile_bounded(self.regex)


class FieldRule(_Model):
    """A field of the record as claims: document → `predicate` → each value, an entity of `type`.

    The values are names, or mappings with the name under `key`.
    """

    when: dict[str, str] = {}
    field: str
    predicate: str = Field(pattern=NAME)
    type: str = Field(pattern=NAME)
    key: str = "name"

    def applies(self, document: Document) -> bool:
        return applies(self.when, document)


class Ontology(_Model):
    """What extraction looks for. `version` is told with every claim: raise it when the meaning changes."""

    name: str = Field(pattern=NAME)
    version: str = Field(min_length=1)
    description: str = ""
    normal_forms: dict[str, NormalForm] = {}
    documents: tuple[DocumentRule, ...] = ()
    dictionaries: tuple[Dictionary, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    fields: tuple[FieldRule, ...] = ()

    @field_validator("version", mode="before")
    @classmethod
    def _number(cls, version: Any) -> Any:
        return str(version) if isinstance(version, int | float) and not isinstance(version, bool) else version


def applies(when: dict[str, str], document: Document) -> bool:
    """Whether a rule is for this document: `source` is its provenance's, any other key is looked up in its metadata."""
    for key, wanted in when.items():
        found = document.provenance.source if key == "source" else document.metadata.get(key)
        if str(found) != wanted:
            return False
    return True


def ontology_path(config: Path, name: str) -> Path:
    return config / "ontologies" / f"{name}.yaml"


def read_bytes(config: Path, name: str) -> bytes:
    """The file of the ontology `name`. Raises `SpecError` when there is none."""
    path = ontology_path(config, name)
    try:
        return path.read_bytes()
    except OSError as exc:
        known = sorted(each.stem for each in path.parent.glob("*.yaml"))
        there = f"there are: {', '.join(f'`{each}`' for each in known)}" if known else "the folder holds none"
        raise SpecError(f"{path}: no ontology is named `{name}`; {there}") from exc


def load_ontology(config: Path, name: str) -> Ontology:
    """The ontology `name` of the config folder.

    Raises:
        SpecError: there is no such file, or it is not sound; the message lists every problem, a line each.
    """
    path = ontology_path(config, name)
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        found = yaml.load(read_bytes(config, name), loader)  # noqa: S506  # either is the safe loader
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise SpecError(f"{path}{place}: not YAML: {exc.problem}") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise SpecError(f"{path}: not YAML in UTF-8") from exc
    if not isinstance(found, dict):
        raise SpecError(f"{path}: not a mapping; `name` and `version` are needed")
    try:
        return Ontology.model_validate(found)
    except ValidationError as exc:
        lines = [f"{path}: `{_place(each['loc'])}`: {_message(each['msg'])}" for each in exc.errors()]
        raise SpecError("\n".join(lines)) from exc


def fingerprint_of(config: Path, name: str) -> str:
    """A hash of the ontology's file, so that an edit is seen."""
    return hashlib.blake2b(read_bytes(config, name), digest_size=16).hexdigest()


def _place(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in location).lstrip(".")


def _message(text: str) -> str:
    text = text.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
