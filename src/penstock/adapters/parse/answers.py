"""What an API answers, as records: taken out of what surrounds them. An answer that holds none is rejected."""

from typing import Any

from penstock.adapters.parse.json import read_json
from penstock.errors import RejectedError

_HOLDERS = ("body", "message", "items", "data", "results", "result", "resultList", "PubTator3", "_source", "response")
"""The keys under which APIs put their records, and records of them."""
_ERRORS = ("error", "message", "errorMessage")


def records_in(content: bytes, *, marks: frozenset[str]) -> list[dict[str, Any]]:
    """The records in a JSON value: the objects that have a key of `marks`, however an answer wraps them.

    Raises `RejectedError` for what is no JSON, for errors that were answered instead of records, and where there is
    no record.
    """
    value = read_json(content)
    found = _records(value, marks)
    if not found:
        raise RejectedError(f"content: {_instead(value)}; at least one record would be right")
    return found


def _records(value: Any, marks: frozenset[str]) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [record for each in value for record in _records(each, marks)]
    if not isinstance(value, dict):
        return []
    inner = [
        record for key in _HOLDERS if isinstance(value.get(key), dict | list) for record in _records(value[key], marks)
    ]
    return inner or ([value] if marks & value.keys() else [])


def _instead(value: Any) -> str:
    """What an answer without records says of itself."""
    answer = value if isinstance(value, dict) else {}
    status = answer.get("status")
    inner = answer.get("body", answer)
    said = next((inner[key] for key in _ERRORS if isinstance(inner, dict) and isinstance(inner.get(key), str)), "")
    refused = isinstance(status, int | str) and str(status).isdecimal() and int(status) >= 400
    if said or refused:
        return " ".join(filter(None, ("an error was answered", f"(status {status})" if refused else "", said[:200])))
    return "an answer without a record"
