"""The ledger as what processes share of breakers and rates.

A ledger that cannot be reached ends no stage here: for some seconds this process then counts by itself, as if it were
alone, before it asks again. The batch's own write to the same ledger says what is wrong.
"""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from penstock.ledger.breakers import Breakers
from penstock.ledger.database import Database
from penstock.ledger.rates import Rates
from penstock.resilience.memory import LocalState
from penstock.resilience.shared import BreakerState, SharedState

_AGAIN_SECONDS = 5.0

_log = logging.getLogger("penstock.ledger")
_Answer = TypeVar("_Answer")


class LedgerState:
    """A `SharedState` among all processes and machines that work on one ledger. Every call is one short transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._breakers = Breakers(database)
        self._rates = Rates(database)
        self._alone = LocalState()
        self._ask_again_at = 0.0

    def breaker(self, key: str, reset_seconds: float) -> BreakerState:
        return self._ask(
            self._database.read,
            lambda cx: self._breakers.get(cx, key, reset_seconds),
            lambda alone: alone.breaker(key, reset_seconds),
        )

    def failed(self, key: str, threshold: int, reset_seconds: float) -> BreakerState:
        return self._ask(
            partial(self._database.begin_beside, "breaker.commit"),
            lambda cx: self._breakers.fail(cx, key, threshold, reset_seconds),
            lambda alone: alone.failed(key, threshold, reset_seconds),
        )

    def succeeded(self, key: str) -> None:
        self._ask(
            partial(self._database.begin_beside, "breaker.commit"),
            lambda cx: self._breakers.succeed(cx, key),
            lambda alone: alone.succeeded(key),
        )

    def claim_trial(self, key: str, reset_seconds: float, hold_seconds: float) -> bool:
        return self._ask(
            partial(self._database.begin_beside, "breaker.commit"),
            lambda cx: self._breakers.claim_trial(cx, key, reset_seconds, hold_seconds),
            lambda alone: alone.claim_trial(key, reset_seconds, hold_seconds),
        )

    def reserve(self, key: str, per_second: float, calls: int) -> float:
        first_at = self._ask(  # of this process's clock, before the commit, which takes its time
            partial(self._database.begin_beside, "rate.commit"),
            lambda cx: self._rates.reserve(cx, key, per_second, calls) + time.monotonic(),
            lambda alone: alone.reserve(key, per_second, calls) + time.monotonic(),
        )
        return first_at - time.monotonic()

    def _ask(
        self,
        connect: Callable[[], AbstractContextManager[Connection]],
        ledger: Callable[[Connection], _Answer],
        alone: Callable[[SharedState], _Answer],
    ) -> _Answer:
        if time.monotonic() < self._ask_again_at:
            return alone(self._alone)
        try:
            with connect() as cx:
                return ledger(cx)
        except SQLAlchemyError as exc:
            self._ask_again_at = time.monotonic() + _AGAIN_SECONDS
            _log.warning(
                "the ledger does not answer (%s): breakers and rates count in this process", type(exc).__name__
            )
            return alone(self._alone)
