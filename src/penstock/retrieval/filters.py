"""Filters: `key=value` conditions on a chunk's metadata, its `source` and its `document`."""

from collections.abc import Iterable, Mapping

from penstock.errors import UsageError
from penstock.records import Chunk


def parse_filters(texts: Iterable[str]) -> dict[str, str]:
    """Conditions from `key=value`. Raises `UsageError` for a text without `=` or key, and for a key given twice."""
    filters: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"filter `{text}`: no condition; write `key=value`, such as `source=clinicaltrials`")
        if key.strip() in filters:
            raise UsageError(f"filter `{text}`: `{key.strip()}` is given twice; all filters must hold at once")
        filters[key.strip()] = value.strip()
    return filters


def passes(chunk: Chunk, filters: Mapping[str, str]) -> bool:
    """Whether the chunk meets all conditions. One value of a list suffices; true and false are in lower case."""
    known = {**chunk.metadata, "source": chunk.source, "document": chunk.document_id}
    return all(wanted in _texts(known.get(key)) for key, wanted in filters.items())


def _texts(value: object) -> set[str]:
    values = value if isinstance(value, list | tuple) else [value]
    return {str(v).lower() if isinstance(v, bool) else str(v) for v in values if isinstance(v, str | int | float)}
