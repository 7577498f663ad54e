"""Circuit breakers in the ledger: a row for each target that has failed, none for one that has not.

The states are those of `penstock.resilience.shared`. Each change is one statement, so that the row's own lock is all
that processes wait for. Times are of the database's clock. Where somebody sets that clock, no breaker holds calls back
for longer than twice its period and a second:

- forward by S: one trial may come up to S too early;
- back by S: a breaker that had been open for less than S has its trial at once, another one up to S too late.
"""

from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, delete, or_, select, update

from penstock.ledger.clock import now
from penstock.ledger.database import Database
from penstock.ledger.tables import breakers
from penstock.resilience.shared import SLACK_SECONDS, BreakerState, breaker_state


class Breakers:
    """The breakers of a ledger, by the key of what they protect."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def get(self, cx: Connection, key: str, reset_seconds: float) -> BreakerState:
        """How a breaker stands, with the reset that is in force now."""
        row = cx.execute(select(*_columns()).where(breakers.c.breaker == key)).one_or_none()
        return BreakerState() if row is None else breaker_state(row[0], row[1], reset_seconds, *row[3:])

    def not_closed(self, cx: Connection) -> dict[str, BreakerState]:
        """The breakers that hold calls back, by key."""
        query = select(breakers.c.breaker, *_columns()).where(breakers.c.opened_at.is_not(None))
        return {row[0]: breaker_state(*row[1:]) for row in cx.execute(query.order_by(breakers.c.breaker))}

    def fail(self, cx: Connection, key: str, threshold: int, reset_seconds: float) -> BreakerState:
        """Count one more failure in a row."""
        first = {"breaker": key, "failures": 1, "reset_seconds": reset_seconds}
        again = {
            "failures": breakers.c.failures + 1,
            "reset_seconds": reset_seconds,
            "opened_at": case(
                (breakers.c.trial_at.is_not(None), now()),
                (breakers.c.opened_at.is_not(None), breakers.c.opened_at),
                (breakers.c.failures + 1 >= threshold, now()),
            ),
            "trial_at": None,
        }
        change = self.database.upsert(breakers, "breaker", change=again).values(
            **first, opened_at=now() if threshold <= 1 else None
        )
        return breaker_state(*cx.execute(change.returning(*_columns())).one())

    def succeed(self, cx: Connection, key: str) -> None:
        """Forget the failures, unless the breaker is open and nobody has claimed the trial."""
        may_close = or_(breakers.c.opened_at.is_(None), breakers.c.trial_at.is_not(None))
        cx.execute(delete(breakers).where(breakers.c.breaker == key, may_close))

    def claim_trial(self, cx: Connection, key: str, reset_seconds: float, hold_seconds: float) -> bool:
        """Whether the trial is now the caller's."""
        free = or_(breakers.c.trial_at.is_(None), _over(breakers.c.trial_at, breakers.c.hold_seconds))
        due = and_(breakers.c.opened_at.is_not(None), _over(breakers.c.opened_at, reset_seconds))
        claim = update(breakers).where(breakers.c.breaker == key, due, free)
        return cx.execute(claim.values(trial_at=now(), hold_seconds=hold_seconds)).rowcount == 1


def _columns() -> tuple[ColumnElement[Any], ...]:
    return (
        breakers.c.failures,
        breakers.c.opened_at,
        breakers.c.reset_seconds,
        breakers.c.trial_at,
        breakers.c.hold_seconds,
        now(),
    )


def _over(since: ColumnElement[Any], seconds: Any) -> ColumnElement[bool]:
    """`penstock.resilience.shared.remaining` is 0, in SQL."""
    return or_(since + seconds <= now(), since > now() + SLACK_SECONDS)
