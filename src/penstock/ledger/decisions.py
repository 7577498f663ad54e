"""Decisions on entities: rows that say of two that they are the same, or that they are not. The newest counts."""

from typing import NamedTuple

from sqlalchemy import Connection, and_, delete, select

from penstock.ledger.database import Database
from penstock.ledger.tables import entity_decisions


class Decision(NamedTuple):
    """What was decided on two entities of a tenant, `first` before `second` in the alphabet."""

    first: str
    second: str
    same: bool
    reason: str
    decided_by: str


class Decisions:
    """The decisions of a ledger."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def put(self, cx: Connection, tenant: str, decision: Decision) -> None:
        """Keep a decision, in place of an earlier one on the same two."""
        statement = self.database.upsert(entity_decisions, "tenant", "first", "second")
        cx.execute(statement, [{"tenant": tenant, **decision._asdict()}])

    def remove(self, cx: Connection, tenant: str, first: str, second: str) -> bool:
        """Take a decision back; returns whether there was one."""
        table = entity_decisions.c
        mine = and_(table.tenant == tenant, table.first == first, table.second == second)
        return cx.execute(delete(entity_decisions).where(mine)).rowcount > 0

    def all(self, cx: Connection, tenant: str) -> list[Decision]:
        """Every decision of a tenant, sorted by the two."""
        table = entity_decisions.c
        columns = (table.first, table.second, table.same, table.reason, table.decided_by)
        query = select(*columns).where(table.tenant == tenant).order_by(table.first, table.second)
        return sorted(Decision(*row) for row in cx.execute(query))
