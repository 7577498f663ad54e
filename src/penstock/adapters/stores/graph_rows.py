"""The rows of a build in the graph's tables."""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from penstock.adapters.stores import likeness
from penstock.records import Claim, Entity, Facts, Mention

CLAIM = 'subject, predicate, object, extractor, version, "start", "end", evidence'


def remove(connection: sqlite3.Connection, tenant: str, build: str) -> None:
    connection.execute("DELETE FROM builds WHERE tenant = ? AND build = ?", (tenant, build))


def insert(connection: sqlite3.Connection, tenant: str, build: str, document: str, facts: Facts) -> None:
    number = connection.execute(
        "INSERT INTO builds (tenant, build, document) VALUES (?, ?, ?)", (tenant, build, document)
    ).lastrowid
    connection.executemany(
        "INSERT INTO entities VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (number, i, e.entity_id, e.name, e.type, _encode(e.identifiers), e.entity_id.casefold(), e.name.casefold())
            for i, e in enumerate(facts.entities)
        ),
    )
    connection.executemany(
        "INSERT INTO mentions VALUES (?, ?, ?, ?, ?, ?)",
        (
            (number, i, j, mention.start, mention.end, mention.text)
            for i, entity in enumerate(facts.entities)
            for j, mention in enumerate(entity.mentions)
        ),
    )
    connection.executemany(
        "INSERT INTO relations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (number, i, c.subject, c.predicate, c.object, c.extractor, c.version, c.start, c.end, c.evidence)
            for i, c in enumerate(facts.claims)
        ),
    )
    likeness.fill(connection, number)


def facts(connection: sqlite3.Connection, number: int) -> Facts:
    mentions: dict[int, list[Mention]] = {}
    statement = 'SELECT entity, "start", "end", text FROM mentions WHERE build = ? ORDER BY entity, position'
    for entity, start, end, text in connection.execute(statement, (number,)):
        mentions.setdefault(entity, []).append(Mention(start, end, text))
    statement = "SELECT position, entity_id, name, type, identifiers FROM entities WHERE build = ? ORDER BY position"
    entities = tuple(
        Entity(
            entity_id=entity_id,
            name=name,
            type=type_,
            mentions=tuple(mentions.get(position, ())),
            identifiers=msgspec.json.decode(identifiers, type=dict[str, str]),
        )
        for position, entity_id, name, type_, identifiers in connection.execute(statement, (number,))
    )
    statement = f"SELECT {CLAIM} FROM relations WHERE build = ? ORDER BY position"  # noqa: S608 - constants
    return Facts(entities=entities, claims=tuple(map(claim_of, connection.execute(statement, (number,)))))


def claim_of(row: Iterable[Any]) -> Claim:
    subject, predicate, object_, extractor, version, start, end, evidence = row
    return Claim(
        subject=subject,
        predicate=predicate,
        object=object_,
        extractor=extractor,
        version=version,
        start=start,
        end=end,
        evidence=evidence,
    )


def _encode(identifiers: Mapping[str, str]) -> bytes:
    return msgspec.json.encode(identifiers)
