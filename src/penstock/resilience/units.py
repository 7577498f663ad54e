"""What is called for together, and the calls that have been begun."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

from penstock.resilience.calls import Answer, Caller

_GRACE_SECONDS = 1.0


@dataclass(slots=True)
class Unit:
    """Items that are called for together. `attempt` is what the policy counts, `calls` includes those cut in halves."""

    items: tuple[int, ...]
    attempt: int = 1
    calls: int = 1
    alone: bool = False
    stuck: list[int] | None = None
    """Where a call for many was cut into single ones because none came back: how many of those in a row did not."""
    series: bool = False
    """The items are worked on one after another, each as an attempt of its own; only the messages are shared."""

    def cut(self, place: int) -> "tuple[Unit | None, list[Unit]]":
        """The item of a series that is at fault, and what stands behind it; the whole unit where it is no series.

        No item is at fault when all were done, and only their answer was lost.
        """
        if not self.series:
            return self, []
        if place == len(self.items):
            return None, []
        rest = self.items[place + 1 :]
        return Unit((self.items[place],), self.attempt, self.calls), [replace(self, items=rest)] if rest else []


@dataclass(slots=True)
class Call:
    """A unit that has been begun: how long it may take, or each item of a series, and since when it is worked on."""

    unit: Unit
    limit: float
    began: float | None = None


class Ended(NamedTuple):
    """What is to be begun again when all calls have ended; the culprit, and what its series had `done` before it."""

    again: list[Unit]
    culprit: Call | None = None
    done: Unit | None = None
    answer: Answer | None = None


class Begun:
    """The calls that a caller works on, and those that stand in line behind them."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._calls: dict[int, Call] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, ticket: int, unit: Unit, limit: float) -> None:
        under_way = len(self._calls) < self._caller.concurrent
        self._calls[ticket] = Call(unit, limit, time.monotonic() if under_way else None)

    def answered(self, ticket: int, limit: Callable[[Unit], float]) -> Unit:
        """Take a call out; the time of the one that stood in line behind it, of some `limit`, begins."""
        unit = self._calls.pop(ticket).unit
        for _, call in self._first():
            if call.began is None:
                call.began = time.monotonic()
                call.limit = limit(call.unit)
        return unit

    def due(self) -> float:
        """When the time of one of them is over (`time.monotonic()`)."""
        # a caller of several at once ends a single one itself; all are ended only where it does not
        grace = _GRACE_SECONDS if self._caller.concurrent > 1 else 0.0
        under_way = [(ticket, call) for ticket, call in self._first() if call.began is not None]
        return min(self._at_work(ticket, call)[1] + call.limit for ticket, call in under_way) + grace

    def clear(self) -> Ended:
        """All have ended. Of several that were under way, which one it was shows one by one."""
        calls, self._calls = self._calls, {}
        under_way = [(ticket, call) for ticket, call in calls.items() if call.began is not None]
        if len(under_way) == 1:
            ticket, call = under_way[0]
            place, since = self._at_work(ticket, call)
            culprit, behind = call.unit.cut(place)
            again = [*behind, *(each.unit for each in calls.values() if each is not call)]
            done = replace(call.unit, items=call.unit.items[:place])
            blamed = None if culprit is None else Call(culprit, call.limit, since)
            return Ended(again, blamed, done, self._caller.last_words(ticket))
        for _, call in under_way:
            call.unit.alone = True
        return Ended([call.unit for call in calls.values()])

    def _first(self) -> Iterator[tuple[int, Call]]:
        """Those that the caller works on at a time; what stands in line behind them has not begun."""
        return islice(self._calls.items(), self._caller.concurrent)

    def _at_work(self, ticket: int, call: Call) -> tuple[int, float]:
        """The place of the item that a call is at, and when it came to it."""
        at = self._caller.at_work(ticket) if call.unit.series else None
        return at or (0, call.began or 0.0)
