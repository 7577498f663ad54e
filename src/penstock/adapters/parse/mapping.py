"""JSON records read by a table: which path of the record becomes what of the document.

A path is written `authorships[].author.display_name`: keys apart by dots, `[]` for every element of a list, `*` for
every key of an object. What is not there, or of another type than it should be, gives nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from penstock.adapters.parse.builder import DocumentBuilder, one_line
from penstock.adapters.parse.json import flatten, simple_values, storable
from penstock.errors import RejectedError
from penstock.records import Document, Json, RawPayload

Reading = Callable[[Any], Any]


class Taken(NamedTuple):
    """A path whose values are read by a function: it gives text, a number, or None for what is not to be kept."""

    path: str
    reading: Reading


Path = str | Taken


class SectionOf(NamedTuple):
    """A section: its heading, its paths, its kind. The values of one path are apart by `between`."""

    heading: str
    paths: tuple[Path, ...]
    kind: str = "text"
    between: str = "\n\n"


@dataclass(frozen=True)
class Shape:
    """A kind of record. `titles` are tried in turn; so are the paths of one entry of `metadata`.

    `metadata` holds one value for each name, `fields` a list where a path has `[]` or `*`.
    """

    titles: tuple[Path, ...]
    sections: tuple[SectionOf, ...] = ()
    metadata: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    fields: Mapping[str, Path] = field(default_factory=dict)
    language: str = ""


def add_record(builder: DocumentBuilder, record: dict[str, Any], shape: Shape, level: int = 1) -> None:
    """The sections of a record; where the table finds neither title nor text, its `path: value` lines."""
    before = builder.position
    for each in shape.sections:
        blocks = [each.between.join(texts(record, path)) for path in each.paths]
        if any(block.strip() for block in blocks):
            builder.heading(each.heading, level, each.kind)
            for block in blocks:
                builder.add(block)
    if builder.position == before and not title_of(record, shape):
        builder.add("\n".join(flatten(record)))


def mapped(payload: RawPayload, records: list[dict[str, Any]], shape: Shape, *, name: str, version: str) -> Document:
    """A document from one record, or from the records of one answer: then each is a section under its title.

    Metadata and fields are those of a single record; of several, `records` says how many there are, and fields hold
    the values of all.
    """
    if not records:
        raise RejectedError(f"content: a {name} answer without a record; at least one would be right")
    builder = DocumentBuilder(payload, format_name=name, version=version)
    titles = [title_of(each, shape) for each in records]
    alone = len(records) == 1
    for record, title in zip(records, titles, strict=True):
        if not alone:
            builder.heading(title or "Record")
        add_record(builder, record, shape, 1 if alone else 2)
    found = [fields_of(each, shape) for each in records]
    return builder.build(
        titles[0] if alone else "",
        metadata=metadata_of(records[0], shape) if alone else {"records": len(records)},
        fields=found[0] if alone else merged(found),
        language=_language(records[0], shape) if alone else "",
        fallback=next(filter(None, titles), ""),
    )


def title_of(record: dict[str, Any], shape: Shape) -> str:
    """The first title that has text, in one line."""
    return next((one_line(text) for path in shape.titles for text in texts(record, path)[:1]), "")


def metadata_of(record: dict[str, Any], shape: Shape) -> dict[str, Json]:
    """Flat values for filters; of several that a path gives, the first."""
    found = {
        name: next((value for path in paths for value in values(record, path)), None)
        for name, paths in shape.metadata.items()
    }
    return simple_values({name: value for name, value in found.items() if isinstance(value, str | int | float)})


def fields_of(record: dict[str, Any], shape: Shape) -> dict[str, Json]:
    """The structured parts, for extraction; lists hold each value once."""
    found: dict[str, Json] = {}
    for name, path in shape.fields.items():
        got = [storable(value) for value in values(record, path)]
        where = path if isinstance(path, str) else path.path
        if got and ("[]" in where or "*" in where):
            found[name] = _once(got)
        elif got:
            found[name] = got[0]
    return found


def texts(record: Any, path: Path) -> list[str]:
    """The texts and numbers at `path` that are not blank."""
    found = (str(value) for value in values(record, path) if isinstance(value, str | int | float))
    return [text for text in found if text.strip()]


def values(record: Any, path: Path) -> list[Any]:
    """What stands at `path`, read; without None and empty text."""
    where, reading = (path, None) if isinstance(path, str) else path
    found = (value if reading is None else reading(value) for value in _at(record, where))
    return [value for value in found if value is not None and value != ""]


def _at(value: Any, path: str) -> Iterator[Any]:
    if not path:
        yield value
        return
    key, _, rest = path.partition(".")
    every = key.endswith("[]")
    if key == "*":
        inner = list(value.values()) if isinstance(value, dict) else []
    else:
        inner = [value[key.removesuffix("[]")]] if isinstance(value, dict) and key.removesuffix("[]") in value else []
    for each in inner:
        if not every:
            yield from _at(each, rest)
        elif isinstance(each, list):
            for element in each:
                yield from _at(element, rest)


def merged(found: Iterable[dict[str, Json]]) -> dict[str, Json]:
    """The fields of several records: each a list of what all of them hold, every value once."""
    together: dict[str, Json] = {}
    for fields in found:
        for name, value in fields.items():
            together.setdefault(name, []).extend(value if isinstance(value, list) else [value])
    return {name: _once(value) for name, value in together.items()}


def _once(found: list[Json]) -> list[Json]:
    """Each value once, in the order in which it came first."""
    return list({msgspec.json.encode(each, order="deterministic"): each for each in reversed(found)}.values())[::-1]


def _language(record: dict[str, Any], shape: Shape) -> str:
    found = next(iter(texts(record, shape.language)), "") if shape.language else ""
    return found.lower() if len(found) <= 16 else ""
