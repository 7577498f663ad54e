"""An OpenAlex work (https://docs.openalex.org/api-entities/works/work-object)."""

import re
from typing import Any

from penstock.adapters.parse.builder import DocumentBuilder
from penstock.adapters.parse.json import read_object, simple_values
from penstock.errors import RejectedError
from penstock.records import Document, Json, RawPayload

VERSION = "1"
MAX_WORDS = 200_000
"""Positions beyond this are not those of an abstract."""


def parse(payload: RawPayload) -> Document:
    """A document from one work: its title and its abstract, put together again from the inverted index."""
    work = read_object(payload.content)
    identifier = _bare(work.get("id"))
    titles = (work.get("display_name"), work.get("title"))
    title = next((each for each in titles if isinstance(each, str)), "")
    if not (identifier or title):
        raise RejectedError("`id`: missing; an OpenAlex work would be right")
    builder = DocumentBuilder(payload, format_name="openalex", version=VERSION)
    abstract = abstract_of(work.get("abstract_inverted_index"))
    if abstract:
        builder.heading("Abstract", kind="abstract")
        builder.add(abstract)
    language = work.get("language")
    return builder.build(
        title,
        metadata=_metadata(work),
        fields=_fields(work),
        language=language if isinstance(language, str) else "",
        fallback=identifier,
    )


def abstract_of(index: Any) -> str:
    """The text that an inverted index (word → positions) stands for."""
    if not isinstance(index, dict):
        return ""
    places = [
        (position, word)
        for word, positions in index.items()
        if isinstance(positions, list)
        for position in positions[:MAX_WORDS]
        if isinstance(position, int)
    ]
    return " ".join(word for _, word in sorted(places))


def _metadata(work: dict[str, Any]) -> dict[str, Json]:
    known = {
        "doi": _bare(work.get("doi")),
        "year": work.get("publication_year"),
        "type": work.get("type"),
        "language": work.get("language"),
        "journal": _journal(work),
    }
    return simple_values(known)


def _fields(work: dict[str, Any]) -> dict[str, Json]:
    found: dict[str, Json] = {
        "openalex": _bare(work.get("id")),
        "doi": _bare(work.get("doi")),
        "journal": _journal(work),
        "authors": _names(work, "authorships", "author"),
        "concepts": _names(work, "concepts"),
        "topics": _names(work, "topics"),
        "references": [_bare(each) for each in _list(work, "referenced_works") if isinstance(each, str)],
    }
    return {key: value for key, value in found.items() if value not in ("", [])}


def _names(work: dict[str, Any], key: str, inner: str = "") -> list[str]:
    entries = [each.get(inner) if inner else each for each in _list(work, key) if isinstance(each, dict)]
    names = [each.get("display_name") for each in entries if isinstance(each, dict)]
    return [each for each in names if isinstance(each, str) and each]


def _list(work: dict[str, Any], key: str) -> list[Any]:
    found = work.get(key)
    return found if isinstance(found, list) else []


def _journal(work: dict[str, Any]) -> str:
    location = work.get("primary_location")
    source = location.get("source") if isinstance(location, dict) else None
    found = source.get("display_name") if isinstance(source, dict) else None
    return found if isinstance(found, str) else ""


def _bare(address: Any) -> str:
    """`https://doi.org/10.7717/peerj.4375` → `10.7717/peerj.4375`."""
    return re.sub(r"^https://(?:doi|openalex)\.org/", "", address) if isinstance(address, str) else ""
