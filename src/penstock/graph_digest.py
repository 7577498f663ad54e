"""What a graph should hold of a document, as one hash."""

from typing import Any

import msgspec
from msgspec.structs import replace

from penstock.records import Facts, short_hash


def facts_digest(facts: Facts) -> str:
    """A hash of entities and claims, whatever their order: equal where a graph holds what was written."""
    entities = (replace(each, mentions=tuple(sorted(each.mentions, key=_encode))) for each in facts.entities)
    return short_hash(*sorted(map(_encode, entities)), b"", *sorted(map(_encode, facts.claims)))


def _encode(value: Any) -> bytes:
    return msgspec.json.encode(value, order="sorted")
