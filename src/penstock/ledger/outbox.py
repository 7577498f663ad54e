"""Facts that are owed to the outside: written with the state change that they report, relayed later, at least once.

One row holds the facts of a whole batch and stage; each is rendered as an event of its own when it is relayed.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, delete, func, select

from penstock.ledger.database import Database
from penstock.ledger.tables import outbox, outbox_pending

_ROWS = 500  # they are marked in one statement
_AT_ONCE = 10  # so few rows are fetched beyond those that are taken
_OWED = outbox_pending.join(outbox, outbox.c.sequence == outbox_pending.c.sequence)


class Outbox:
    """The outbox of a ledger."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, cx: Connection, facts: bytes, count: int) -> None:
        """Owe `count` facts, encoded as one value."""
        if count:
            added = cx.execute(outbox.insert().values(facts=facts, count=count).returning(outbox.c.sequence))
            cx.execute(outbox_pending.insert(), [{"sequence": added.scalar_one()}])

    def pending(self, cx: Connection, limit: int, after: int = 0) -> list[tuple[int, float, bytes]]:
        """(sequence, time, facts) of rows not yet relayed, oldest first: the first, and more up to `limit` facts.

        Args:
            after: a sequence; rows up to it are left out.
        """
        columns = [outbox.c[name] for name in ("sequence", "created_at", "facts", "count")]
        query = select(*columns).select_from(_OWED).where(outbox_pending.c.sequence > after)
        query = query.order_by(outbox_pending.c.sequence).limit(_ROWS)
        found: list[tuple[int, float, bytes]] = []
        facts = 0
        with cx.execute(query.execution_options(yield_per=_AT_ONCE)) as rows:
            for sequence, at, encoded, count in rows:
                facts += count
                if found and facts > limit:
                    break
                found.append((sequence, at, encoded))
        return found

    def mark_relayed(self, cx: Connection, sequences: Sequence[int]) -> None:
        for first in range(0, len(sequences), _ROWS):
            part = sequences[first : first + _ROWS]
            cx.execute(delete(outbox_pending).where(outbox_pending.c.sequence.in_(part)))

    def pending_count(self, cx: Connection) -> int:
        query = select(func.coalesce(func.sum(outbox.c.count), 0)).select_from(_OWED)
        return int(cx.execute(query).scalar_one())

    def told(self, cx: Connection) -> int:
        """The last sequence that was given: a number that no transaction before this one had."""
        return int(cx.execute(select(func.coalesce(func.max(outbox.c.sequence), 0))).scalar_one())

    def all(self, cx: Connection) -> Iterator[tuple[int, float, bytes]]:
        """(sequence, time, facts) of every row, oldest first."""
        query = select(outbox.c.sequence, outbox.c.created_at, outbox.c.facts).order_by(outbox.c.sequence)
        yield from cx.execute(query.execution_options(yield_per=200))
