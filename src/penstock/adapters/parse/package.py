"""The metadata of an installed Python distribution (https://packaging.python.org/specifications/core-metadata/)."""

import re
from typing import Any

from penstock.adapters.parse.builder import DocumentBuilder
from penstock.adapters.parse.json import read_object
from penstock.adapters.parse.markdown import add_markdown
from penstock.adapters.parse.rst import add_rst
from penstock.errors import RejectedError
from penstock.records import Document, Json, RawPayload

VERSION = "1"
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_EXTRA = re.compile(r"\bextra\s*==")


def parse(payload: RawPayload) -> Document:
    """A document from one distribution: its summary, then its description as the markup that it names."""
    record = read_object(payload.content)
    name, version = _text(record, "name"), _text(record, "version")
    if not name:
        raise RejectedError("`name`: missing; the metadata of a distribution would be right")
    summary = _text(record, "summary")
    builder = DocumentBuilder(payload, format_name="package", version=VERSION)
    builder.add(": ".join(filter(None, (f"{name} {version}".strip(), summary))))
    requires = required_names(record)
    if requires:
        builder.add(f"Requires: {', '.join(requires)}")
    _add_description(builder, _text(record, "description"), _text(record, "description_content_type"))
    return builder.build(
        ": ".join(filter(None, (name, summary))),
        metadata=_filled({"version": version, "license": _short(record, "license"), "name": normalised_name(name)}),
        fields=_filled(
            {
                "name": normalised_name(name),
                "version": version,
                "requires": requires,
                "requires_python": _text(record, "requires_python"),
                "keywords": _texts(record, "keywords"),
                "license": _short(record, "license"),
                "author": _text(record, "author"),
                "classifiers": _texts(record, "classifiers"),
            }
        ),
    )


def normalised_name(name: str) -> str:
    """The name as PEP 503 compares it: `Foo.Bar_baz` → `foo-bar-baz`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required_names(record: dict[str, Any]) -> list[str]:
    """The normalised names of what the distribution needs always, its extras apart, sorted."""
    found = {
        normalised_name(match[1])
        for each in _texts(record, "requires_dist")
        if not _EXTRA.search(each.partition(";")[2]) and (match := _REQUIREMENT.match(each))
    }
    return sorted(found)


def _add_description(builder: DocumentBuilder, description: str, content_type: str) -> None:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "text/markdown":
        add_markdown(builder, description)
    elif kind == "text/plain":
        builder.add(description)
    else:
        try:
            add_rst(builder, description)
        except RejectedError:  # the other metadata are sound; many descriptions were never rendered
            builder.add(description)


def _text(record: dict[str, Any], key: str) -> str:
    found = record.get(key)
    return found.strip() if isinstance(found, str) else ""


def _texts(record: dict[str, Any], key: str) -> list[str]:
    found = record.get(key)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def _short(record: dict[str, Any], key: str) -> str:
    """The first line: some distributions carry their whole licence text here."""
    return _text(record, key).partition("\n")[0][:200]


def _filled(values: dict[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in values.items() if value not in ("", [])}
