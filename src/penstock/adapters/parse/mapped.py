"""A record of which the source's YAML says what becomes what (`text` in `config/sources/*.yaml`)."""

from typing import Any

from penstock.adapters.parse.json import read_object
from penstock.adapters.parse.mapping import SectionOf, Shape, mapped
from penstock.errors import RejectedError
from penstock.records import Document, RawPayload

VERSION = "1"


def parse(payload: RawPayload) -> Document:
    """A document from one record, by the mapping that came with it; rejected where there is none."""
    mapping = payload.metadata.get("mapping")
    if not isinstance(mapping, dict):
        raise RejectedError("kind `mapped`: no mapping came with the record; a source that says `text` would be right")
    return mapped(payload, [read_object(payload.content)], _shape(mapping), name="mapped", version=VERSION)


def _shape(mapping: dict[str, Any]) -> Shape:
    return Shape(
        titles=(mapping["title"],),
        sections=tuple(SectionOf(heading, (path,)) for heading, path in mapping.get("sections", {}).items()),
        metadata={name: (path,) for name, path in mapping.get("metadata", {}).items()},
        fields=mapping.get("fields", {}),
        language=mapping.get("language") or "",
    )
