"""What a JSON record is, told by its keys; an answer of an API is what the records in it are."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec

HOSTS = {
    "api.core.ac.uk": "core",
    "api.crossref.org": "crossref",
    "api.openalex.org": "openalex",
    "api.semanticscholar.org": "semanticscholar",
    "api.unpaywall.org": "unpaywall",
    "core.ac.uk": "core",
}
"""By whom a recorded answer was given → the kind of its records."""

_MAX_WRAPPINGS = 6
_BOM = b"\xef\xbb\xbf"


class _Study(msgspec.Struct):
    identificationModule: dict[str, Any] = {}  # noqa: N815  # the record's own name


class _Shape(msgspec.Struct):
    """The keys by which records are told apart; all others are skipped unread."""

    id: Any = None
    protocolSection: _Study | None = None  # noqa: N815  # the record's own name
    openfda: Any = None
    name: Any = None
    version: Any = None
    requires_dist: Any = msgspec.UNSET
    paperId: Any = None  # noqa: N815  # the record's own name
    passages: Any = None
    doi: Any = None
    oa_locations: Any = msgspec.UNSET
    oa_status: Any = msgspec.UNSET
    DOI: Any = None
    prefix: Any = None
    member: Any = None
    repositoryDocument: Any = msgspec.UNSET  # noqa: N815  # the record's own name
    dataProviders: Any = msgspec.UNSET  # noqa: N815  # the record's own name
    pmid: Any = None
    authorString: Any = None  # noqa: N815  # the record's own name
    request_uri: Any = None
    body: msgspec.Raw = msgspec.Raw()
    message: msgspec.Raw = msgspec.Raw()
    items: msgspec.Raw = msgspec.Raw()
    data: msgspec.Raw = msgspec.Raw()
    results: msgspec.Raw = msgspec.Raw()
    resultList: msgspec.Raw = msgspec.Raw()  # noqa: N815  # the record's own name
    result: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()
    PubTator3: msgspec.Raw = msgspec.Raw()


_SHAPE = msgspec.json.Decoder(_Shape)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


def json_kind(content: bytes) -> str:
    """The kind of a JSON record, or of the first record in an answer, that is known by its keys; else empty."""
    return _kind(content.removeprefix(_BOM), _MAX_WRAPPINGS)


def _kind(content: bytes, left: int) -> str:
    try:
        shape = _SHAPE.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    found = _recorded(shape) or _own_kind(shape)
    if not found and left:
        found = next(filter(None, (_kind(inner, left - 1) for inner in _wrapped(shape))), "")
        found = found or ("openfda" if b'"application_number"' in bytes(shape.results) else "")
    return found


def _recorded(shape: _Shape) -> str:
    """The kind where this is an answer that somebody recorded, with the address that it was asked from."""
    if not isinstance(shape.request_uri, str) or not bytes(shape.body):
        return ""
    try:
        return HOSTS.get(urlsplit(shape.request_uri).hostname or "", "")
    except ValueError:
        return ""


def _own_kind(shape: _Shape) -> str:
    unset = msgspec.UNSET
    told = {
        "clinicaltrials": shape.protocolSection is not None and bool(shape.protocolSection.identificationModule),
        "openalex": isinstance(shape.id, str) and shape.id.startswith("https://openalex.org/"),
        "openfda": isinstance(shape.openfda, dict),
        "package": isinstance(shape.name, str) and isinstance(shape.version, str) and shape.requires_dist is not unset,
        "semanticscholar": isinstance(shape.paperId, str),
        "pubtator": isinstance(shape.passages, list) and isinstance(shape.id, str | int),
        "unpaywall": isinstance(shape.doi, str) and unset not in (shape.oa_locations, shape.oa_status),
        "crossref": isinstance(shape.DOI, str) and isinstance(shape.prefix, str) and isinstance(shape.member, str),
        "core": shape.repositoryDocument is not unset or shape.dataProviders is not unset,
        "europepmc": isinstance(shape.authorString, str) and isinstance(shape.id, str),
    }
    return next((kind for kind, is_it in told.items() if is_it), "")


def _wrapped(shape: _Shape) -> Iterator[bytes]:
    """What may hold records: of a list, its first element."""
    holders = (
        shape.message, shape.items, shape.data, shape.results, shape.resultList, shape.result, shape.response,
        shape.PubTator3,
    )  # fmt: skip # a table: one entry a line would hide its shape
    for raw in filter(None, map(bytes, holders)):
        if raw.lstrip().startswith(b"["):
            yield from map(bytes, _LIST.decode(raw)[:1])
        elif raw.lstrip().startswith(b"{"):
            yield raw
