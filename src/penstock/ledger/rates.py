"""Rate budgets in the ledger: one time a key, at which the next call may be made (the generic cell rate algorithm).

A change is one statement, so that the row's own lock is all that processes wait for. Times are of the database's clock.
Where somebody sets that clock back, the line is kept as long as it was: nobody waits for longer than the calls that
stood before them take. Where it is set forward, the line is forgotten: until it would have been over, calls may come
at up to twice the rate.
"""

from sqlalchemy import Connection, case

from penstock.ledger.clock import now
from penstock.ledger.database import Database
from penstock.ledger.tables import rate_budgets


class Rates:
    """The rate budgets of a ledger, by key."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def reserve(self, cx: Connection, key: str, per_second: float, calls: int) -> float:
        """Take the next `calls` places in line; returns the seconds until the first, as of this statement."""
        seconds = calls / per_second
        next_at, updated_at = rate_budgets.c.next_at, rate_budgets.c.updated_at
        first_at = case((next_at <= now(), now()), (updated_at > now(), now() + next_at - updated_at), else_=next_at)
        again = {"next_at": first_at + seconds, "updated_at": now()}
        change = self.database.upsert(rate_budgets, "budget", change=again).values(
            budget=key, next_at=now() + seconds, updated_at=now()
        )
        taken = change.returning(rate_budgets.c.next_at - rate_budgets.c.updated_at)
        return max(0.0, float(cx.execute(taken).scalar_one()) - seconds)
