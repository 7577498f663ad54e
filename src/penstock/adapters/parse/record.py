"""A line of a JSON-lines file: `title` and `text`; any other key is metadata."""

from typing import Any

from penstock.adapters.parse.builder import DocumentBuilder
from penstock.adapters.parse.json import flatten, read_object, simple_values, storable
from penstock.records import Document, RawPayload

VERSION = "1"
_TEXT_KEYS = ("text", "abstract", "body", "content", "contents", "description")


def parse(payload: RawPayload) -> Document:
    """A document from one record.

    Without `text`, the first of its usual other names is taken; failing these, the whole record is the text. Short
    plain values go to the metadata, all else to the fields.
    """
    record = read_object(payload.content)
    builder = DocumentBuilder(payload, format_name="record", version=VERSION)
    title = record.get("title")
    title = title if isinstance(title, str) else ""
    key = next((each for each in _TEXT_KEYS if _text(record.get(each)).strip()), "")
    rest = {name: value for name, value in record.items() if name not in ("title", key)}
    builder.add(_text(record[key]) if key else ("" if title else "\n".join(flatten(rest))))
    metadata = simple_values(rest)
    fields = {name: storable(value) for name, value in rest.items() if name not in metadata and value}
    language = metadata.get("language", "")
    return builder.build(title, metadata=metadata, fields=fields, language=language if type(language) is str else "")


def _text(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "\n\n".join(value)
    return value if isinstance(value, str) else ""
