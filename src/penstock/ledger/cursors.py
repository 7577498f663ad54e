"""Where the listing of a service was left, for each input and pipeline of a tenant."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, and_, select, update

from penstock.ledger.database import Database
from penstock.ledger.tables import cursors
from penstock.records import Json


class CursorRow(NamedTuple):
    """A place, as the source gave it, and the work that was done with what came before it."""

    work_digest: str
    position: dict[str, Json]


class Cursors:
    """The cursors of a ledger."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def get(self, cx: Connection, tenant: str, pipeline: str, origin: str) -> CursorRow | None:
        """The place where an input was left, if it was."""
        where = and_(cursors.c.tenant == tenant, cursors.c.pipeline == pipeline, cursors.c.origin == origin)
        row = cx.execute(select(cursors.c.work_digest, cursors.c.position).where(where)).one_or_none()
        return CursorRow(row.work_digest, msgspec.json.decode(row.position, type=dict[str, Json])) if row else None

    def keep(
        self, cx: Connection, tenant: str, pipeline: str, origin: str, work_digest: str, position: Mapping[str, Json]
    ) -> None:
        """Note a place; the one before it is forgotten."""
        key = {"tenant": tenant, "pipeline": pipeline, "origin": origin}
        value = {"work_digest": work_digest, "position": msgspec.json.encode(position).decode()}
        cx.execute(self.database.insert_new(cursors), [key | value])
        cx.execute(update(cursors).where(*(cursors.c[name] == each for name, each in key.items())).values(**value))
