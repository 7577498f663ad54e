"""Any JSON value: its strings and numbers as `path: value` lines, a section for each key of the outermost object."""

from collections.abc import Iterator
from typing import Any

import msgspec

from penstock.adapters.encoding import decode
from penstock.adapters.parse.builder import DocumentBuilder
from penstock.errors import RejectedError
from penstock.records import Document, Json, RawPayload

VERSION = "2"
MAX_DEPTH = 64
MAX_SIMPLE_CHARACTERS = 1_000
_ERROR_KEYS = frozenset({"api-key", "code", "count", "error", "limit", "message", "status"})
_TITLE_KEYS = ("title", "name", "display_name", "displayName", "label", "subject", "headline")


def parse(payload: RawPayload) -> Document:
    """A document from any JSON value; raises `RejectedError` where it is not one."""
    value = read_json(payload.content)
    builder = DocumentBuilder(payload, format_name="json", version=VERSION)
    record = value if isinstance(value, dict) else {}
    if isinstance(record.get("error"), str) and record.keys() <= _ERROR_KEYS:
        raise RejectedError(
            f"content: an error that a service answered ({record['error'][:200]}); a record would be right"
        )
    title = next((record[key] for key in _TITLE_KEYS if isinstance(record.get(key), str)), "")
    if record:
        builder.add(
            "\n".join(flatten({key: each for key, each in record.items() if not isinstance(each, dict | list)}))
        )
        for key, each in record.items():
            if isinstance(each, dict | list):
                builder.heading(key)
                builder.add("\n".join(flatten(each)))
    else:
        builder.add("\n".join(flatten(value)))
    return builder.build(title, metadata=simple_values(record), language=_language(record))


def read_json(content: bytes) -> Any:
    """The value that `content` holds; raises `RejectedError` with line and column where it is no sound JSON."""
    encoded = decode(content).encode()
    try:
        value = msgspec.json.decode(encoded)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise json_error(exc, encoded) from exc
    if too_deep(value):
        raise RejectedError(f"content: JSON nested more than {MAX_DEPTH} levels deep")
    return value


def read_object(content: bytes) -> dict[str, Any]:
    """As `read_json`, for an object."""
    value = read_json(content)
    if not isinstance(value, dict):
        raise RejectedError(f"content: a JSON {_kind(value)}; an object would be right")
    return value


def json_error(exc: Exception, encoded: bytes) -> RejectedError:
    """What is wrong with the JSON, by line and column, in words that hold nothing of it."""
    if isinstance(exc, RecursionError):
        return RejectedError(f"content: JSON nested more than {MAX_DEPTH} levels deep")
    if isinstance(exc, msgspec.ValidationError):
        return RejectedError("content: JSON holds a number out of range")
    what, _, where = str(exc).removeprefix("JSON is malformed: ").partition(" (byte ")
    if not where:
        return RejectedError("content: JSON ends too early")
    offset = int(where.rstrip(")"))
    if what == "trailing characters":  # msgspec has read the first of them
        offset -= 1
    line = encoded.count(b"\n", 0, offset) + 1
    column = len(encoded[encoded.rfind(b"\n", 0, offset) + 1 : offset].decode(errors="replace")) + 1
    return RejectedError(f"content: line {line}, column {column}: no sound JSON ({what})")


def too_deep(value: Any) -> bool:
    """Whether `value` nests more than `MAX_DEPTH` levels."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True


def flatten(value: Any, path: str = "") -> Iterator[str]:
    """A `path: value` line for each text, number and truth value within, in the order of the record."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flatten(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        if value and all(isinstance(each, str | int | float) for each in value):
            yield from flatten(", ".join(_shown(each) for each in value), path)
        else:
            for inner in value:
                yield from flatten(inner, path)
    elif value is not None and value != "":
        yield f"{path}: {_shown(value)}" if path else _shown(value)


def simple_values(record: dict[str, Any]) -> dict[str, Json]:
    """The entries that a filter can use: text, numbers, truth values and lists of them, none of them long."""
    return {key: _storable(value) for key, value in record.items() if value not in ("", None, []) and _is_simple(value)}


def _is_simple(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(each, str | int | float) for each in value) and (
            sum(len(str(each)) for each in value) <= MAX_SIMPLE_CHARACTERS
        )
    return isinstance(value, int | float) or (isinstance(value, str) and len(value) <= MAX_SIMPLE_CHARACTERS)


def _storable(value: Any) -> Json:
    """Integers beyond 64 bits as text: msgpack has none."""
    if isinstance(value, list):
        return [_storable(each) for each in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value


def storable(value: Any) -> Json:
    """`value` with every integer beyond 64 bits as text: msgpack has none."""
    if isinstance(value, dict):
        return {key: storable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [storable(inner) for inner in value]
    return _storable(value)


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _kind(value: Any) -> str:
    return "list" if isinstance(value, list) else "value"


def _language(record: dict[str, Any]) -> str:
    found = record.get("language", record.get("lang", ""))
    return found if isinstance(found, str) and len(found) <= 16 else ""
