"""Rankings of documents in the format that retrieval is measured with: TREC run files (`trec_eval`)."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from penstock.errors import UsageError
from penstock.retrieval.hits import DocumentHit

_LINE_OF = re.compile(r"\.(?:jsonl|ndjson)#(.+)", re.IGNORECASE | re.DOTALL)
_SPACE = re.compile(r"\s+")


class Query(msgspec.Struct, frozen=True):
    """A query of a file."""

    name: str
    text: str


class _Line(msgspec.Struct):
    id: str | int | None = None
    _id: str | int | None = None
    text: str = ""


def read_queries(path: Path) -> list[Query]:
    """The queries of a JSON-lines file: `_id` or `id`, and `text`, in each line.

    Raises `UsageError` where there is no such file, and at the first line that is no query.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as exc:
        raise UsageError(f"queries `{path}`: {exc.strerror}; a JSON-lines file would be right") from exc
    return [_query(f"{path}:{number}", line) for number, line in enumerate(lines, 1) if line.strip()]


def run_lines(query: str, hits: Sequence[DocumentHit], tag: str) -> Iterator[str]:
    """A line for each document: `query-id Q0 doc rank score tag`. White space inside of a name becomes `_`."""
    for hit in hits:
        yield f"{_word(query)} Q0 {_word(external_id(hit.document))} {hit.rank} {hit.score:.9g} {tag}"


def external_id(document: str) -> str:
    """What the document is called outside: `4983` of `file:corpus.jsonl#4983`, `NCT1` of `clinicaltrials:NCT1`."""
    line = _LINE_OF.search(document)
    return line[1] if line else document.partition(":")[2] or document


def _query(where: str, line: bytes) -> Query:
    try:
        found = msgspec.json.decode(line, type=_Line)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"{where}: no query; a JSON object with `_id` and `text` would be right") from exc
    name = found._id if found._id is not None else found.id
    if name in (None, "") or not found.text.strip():
        raise UsageError(f"{where}: no query; `_id` (or `id`) and `text` must be there")
    return Query(str(name), found.text)


def _word(text: str) -> str:
    return _SPACE.sub("_", text)
