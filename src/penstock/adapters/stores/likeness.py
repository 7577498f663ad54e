"""By what entities of the graph may be the same: a table beside those of entities, which can always be filled anew."""

import sqlite3
from collections.abc import Iterable, Iterator

import msgspec

from penstock.ports import Likeness
from penstock.spec.names import loose_form

SCHEMA = """
CREATE TABLE likenesses (
    build INTEGER NOT NULL REFERENCES builds ON DELETE CASCADE, entity_id TEXT NOT NULL,
    kind TEXT NOT NULL, key TEXT NOT NULL,
    PRIMARY KEY (build, entity_id, kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX likenesses_by_key ON likenesses (key);
CREATE INDEX likenesses_by_entity ON likenesses (entity_id);
"""
_DOCUMENT = "document"
"""The type of documents that no rule names, and the vocabulary of their ids: titles are no names of things."""

_SHORTEST_ALIAS = 4
"""Shorter names mean one thing here and another there."""

_AT_ONCE = 500


def keys_of(
    entity_id: str, name: str, type_: str, identifiers: dict[str, str], mentions: Iterable[str]
) -> set[tuple[str, str]]:
    """(kind, key) of everything by which an entity may be the same as another."""
    keys = {
        ("identifier", f"{each.casefold()}:{id_.casefold()}") for each, id_ in identifiers.items() if each != _DOCUMENT
    }
    if type_ != _DOCUMENT:
        own = loose_form(name)
        keys.add(("name", f"{type_}:{own}"))
        others = {loose_form(each) for each in mentions} - {own}
        keys |= {("alias", f"{type_}:{each}") for each in others if len(each) >= _SHORTEST_ALIAS}
    return keys


def is_there(connection: sqlite3.Connection) -> bool:
    """Whether the graph has the table; one that an older Penstock made does not."""
    query = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'likenesses'"
    return connection.execute(query).fetchone() is not None


def add_table(connection: sqlite3.Connection) -> None:
    """Make the table, within the transaction, of the entities that are there."""
    for statement in filter(str.strip, SCHEMA.split(";")):
        connection.execute(statement)
    for (number,) in connection.execute("SELECT number FROM builds").fetchall():
        fill(connection, number)


def fill(connection: sqlite3.Connection, build: int | None) -> None:
    """Write the likenesses of a build's entities."""
    mentions: dict[int, set[str]] = {}
    for entity, text in connection.execute("SELECT DISTINCT entity, text FROM mentions WHERE build = ?", (build,)):
        mentions.setdefault(entity, set()).add(text)
    query = "SELECT position, entity_id, name, type, identifiers FROM entities WHERE build = ?"
    rows = [
        (build, entity_id, kind, key)
        for position, entity_id, name, type_, identifiers in connection.execute(query, (build,))
        for kind, key in keys_of(
            entity_id, name, type_, msgspec.json.decode(identifiers, type=dict[str, str]), mentions.get(position, ())
        )
    ]
    connection.executemany("INSERT OR IGNORE INTO likenesses VALUES (?, ?, ?, ?)", rows)


def select(connection: sqlite3.Connection, tenant: str, column: str, values: Iterable[str]) -> Iterator[Likeness]:
    """The rows of a tenant whose `column` (`entity_id` or `key`) has one of the values."""
    wanted = sorted(set(values))
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(part))
        query = (
            "SELECT builds.build, entity_id, kind, key FROM likenesses JOIN builds ON builds.number = likenesses.build"  # noqa: S608 - constants
            f" WHERE {column} IN ({marks}) AND tenant = ?"
        )
        for row in connection.execute(query, (*part, tenant)):
            yield Likeness(*row)
