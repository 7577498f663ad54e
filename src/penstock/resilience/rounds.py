"""Calls begun, answered, cut off and begun again, until every item has its outcome."""

import heapq
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count as numbers
from typing import TYPE_CHECKING, Any

from penstock.errors import (
    PermanentError,
    QuotaError,
    RejectedError,
    StageCrashError,
    StageError,
    StageTimeoutError,
    TransientError,
    UnavailableError,
)
from penstock.resilience.calls import LONGEST_WAIT_SECONDS, Answer, Caller, CallerDiedError, Outcome, Retry
from penstock.resilience.units import Begun, Call, Unit

if TYPE_CHECKING:
    from penstock.resilience.guard import Guard

_TICK_SECONDS = 60.0
_HOLD_SECONDS = 30.0  # a trial may have to wait for its turn under a rate
_STUCK_IN_A_ROW = 3
_SERIES_IN_LINE = 3  # the one under way, and enough behind it for the caller never to wait


class Rounds:
    """One `Guard.run`: what is ready, what waits for its next attempt, what has been begun."""

    def __init__(
        self,
        guard: "Guard",
        caller: Caller,
        count: int,
        size: int | None,
        series: int,
        deadline: float | None,
        progress: Callable[[int], None],
    ) -> None:
        self._guard = guard
        self._policy = guard.policy
        self._caller = caller
        self._deadline = deadline
        self._progress = progress
        self._outcomes = [Outcome() for _ in range(count)]
        self._open = count
        self._series = 1 if size else series
        step = size or series
        parts = (tuple(range(first, min(first + step, count))) for first in range(0, count, step))
        self._ready = deque(Unit(items, series=self._series > 1) for items in parts)
        self._waiting: list[tuple[float, int, Unit]] = []
        self._begun = Begun(caller)
        self._tickets = numbers()
        self._failed_in_a_row = 0

    def work(self) -> list[Outcome]:
        try:
            while self._open:
                self._wake_up()
                self._begin()
                if self._begun:
                    self._listen()
                elif self._waiting:
                    self._guard.sleep(max(0.0, self._waiting[0][0] - time.monotonic()))
                    self._waiting[0] = (0.0, *self._waiting[0][1:])
        finally:
            if self._begun:  # interrupted
                self._caller.kill()
        return self._outcomes

    def _wake_up(self) -> None:
        due = []
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            due.append(heapq.heappop(self._waiting)[2])
        self._ready.extendleft(reversed(due))  # they have waited long enough

    def _begin(self) -> None:
        while self._ready and len(self._begun) < self._room():
            if self._ready[0].alone and self._begun:
                return
            unit = self._ready.popleft()
            if not self._is_in_time(unit) or not self._is_admitted(unit):
                continue
            if self._guard.pace is not None:
                self._guard.pace.take()
            ticket, limit = next(self._tickets), self._limit(unit)
            try:
                self._caller.begin(ticket, unit.items, unit.calls, limit)
            except StageError as exc:
                self._end(unit, exc)
                continue
            self._begun.add(ticket, unit, limit)
            if unit.alone:
                return

    def _room(self) -> int:
        """How many calls may be begun: never more than may fail before the breaker opens, one while it is tried."""
        guard = self._guard
        most = self._caller.concurrent if guard.pace is not None else self._caller.window
        if self._series > 1:
            most = max(_SERIES_IN_LINE, most // self._series)
        if guard.breaker is not None:
            left = (self._policy.failure_threshold or 1) - self._failed_in_a_row
            most = min(most, left) if guard.breaker.closed else 1
        return max(1, most)

    def _is_admitted(self, unit: Unit) -> bool:
        if self._guard.breaker is not None:
            try:
                self._guard.breaker.admit(self._limit(unit) + _HOLD_SECONDS)
            except UnavailableError as exc:
                self._end(unit, exc)
                return False
        return True

    def _is_in_time(self, unit: Unit) -> bool:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self._end(unit, StageTimeoutError("the time that a run may spend on the document is over"))
            return False
        return True

    def _limit(self, unit: Unit) -> float:
        limit = self._policy.timeout_seconds * (1 if unit.series else len(unit.items))
        return limit if self._deadline is None else max(0.001, min(limit, self._deadline - time.monotonic()))

    def _listen(self) -> None:
        """Wait for what comes first: an answer, the end of an attempt's time, or an item that is due again."""
        until = self._begun.due()
        if self._waiting and len(self._begun) < self._room():
            until = min(until, self._waiting[0][0])
        try:
            answer = self._caller.wait(min(max(0.0, until - time.monotonic()), _TICK_SECONDS))
        except CallerDiedError as exc:
            self._mourn(exc)
            return
        if answer is not None:
            self._settle(self._begun.answered(answer.ticket, self._limit), answer)
        elif time.monotonic() >= self._begun.due():  # a series may have come to its next item meanwhile
            self._cut_off()

    def _cut_off(self) -> None:
        """End the attempt whose time is over. What stood in line behind it is begun again."""
        self._caller.kill()
        call = self._culprit()
        if call is not None:
            error = StageTimeoutError(f"no answer within {call.limit:g} s (policy `{self._policy.name}`)")
            self._settle(call.unit, Answer(-1, call.limit, (), error))

    def _mourn(self, died: CallerDiedError) -> None:
        call = self._culprit()
        if call is not None:
            seconds = time.monotonic() - (call.began or 0.0)
            self._settle(call.unit, Answer(-1, seconds, (), StageCrashError(str(died))))

    def _culprit(self) -> Call | None:
        ended = self._begun.clear()
        self._ready.extendleft(reversed(ended.again))
        if ended.done and ended.answer and ended.done.items:
            self._settle(ended.done, ended.answer)
        return ended.culprit

    def _settle(self, unit: Unit, answer: Answer) -> None:
        """What follows from an answer, for the breaker and for each item."""
        if unit.series:
            self._settle_series(unit, answer)
            return
        results = [answer.whole] * len(unit.items) if answer.whole is not None else answer.results
        self._tell_breaker(results)
        for item in unit.items:
            self._outcomes[item].attempts = unit.calls
            self._outcomes[item].seconds += answer.seconds / len(unit.items)
        if answer.whole is not None and len(unit.items) > 1 and self._is_cut(unit, answer.whole):
            return
        again: list[int] = []
        longest = 0.0
        for item, result in zip(unit.items, results, strict=True):
            error = result if isinstance(result, StageError) else None
            pause = self._pause(unit, error)
            if pause is None:
                self._outcomes[item].value = None if error else result
                self._outcomes[item].error = _too_long(error)
                self._open -= 1
                continue
            again.append(item)
            longest = max(longest, pause)
        if again:
            for item, result in zip(unit.items, results, strict=True):
                if item in again:
                    self._note_retry(item, unit, longest, result)
            self._later(Unit(tuple(again), unit.attempt + 1, unit.calls + 1, stuck=unit.stuck), longest)
        self._count_stuck(unit, answer.whole)
        self._progress(len(self._outcomes) - self._open)

    def _settle_series(self, unit: Unit, answer: Answer) -> None:
        results = answer.results if answer.whole is None else [answer.whole] * len(unit.items)
        each = answer.each or [answer.seconds / len(unit.items)] * len(unit.items)
        for item, result, seconds in zip(unit.items, results, each, strict=True):
            if isinstance(result, StageError):
                self._settle(Unit((item,), unit.attempt, unit.calls), Answer(answer.ticket, seconds, (result,)))
                continue
            outcome = self._outcomes[item]
            outcome.value, outcome.attempts = result, unit.calls
            outcome.seconds += seconds
            self._open -= 1
        self._progress(len(self._outcomes) - self._open)

    def _pause(self, unit: Unit, error: StageError | None) -> float | None:
        pause = self._guard.pause_after(unit.attempt, error)
        if pause is not None and self._deadline is not None and time.monotonic() + pause >= self._deadline:
            return None
        return pause

    def _is_cut(self, unit: Unit, error: StageError) -> bool:
        """Whether the items of a call that failed as a whole are called for in smaller parts."""
        if isinstance(error, QuotaError | UnavailableError):
            return False
        if isinstance(error, StageTimeoutError) and self._guard.pause_after(unit.attempt, error) is None:
            stuck = [0]
            parts = [Unit((item,), unit.attempt, unit.calls + 1, stuck=stuck) for item in unit.items]
        elif isinstance(error, RejectedError | PermanentError | StageCrashError):
            half = len(unit.items) // 2
            parts = [Unit(each, unit.attempt, unit.calls + 1) for each in (unit.items[:half], unit.items[half:])]
        else:
            return False
        for item in unit.items:
            self._note_retry(item, unit, 0.0, error)
        self._ready.extendleft(reversed(parts))
        return True

    def _count_stuck(self, unit: Unit, error: StageError | None) -> None:
        """When single calls do not come back either, one after another, it is not the documents: the rest is spared."""
        if unit.stuck is None:
            return
        unit.stuck[0] = unit.stuck[0] + 1 if isinstance(error, StageTimeoutError) else 0
        if unit.stuck[0] == _STUCK_IN_A_ROW and error is not None:
            for spared in [each for each in self._ready if each.stuck is unit.stuck]:
                self._ready.remove(spared)
                self._end(spared, error)

    def _end(self, unit: Unit, error: StageError) -> None:
        for item in unit.items:
            self._outcomes[item].error = error
        self._open -= len(unit.items)
        self._progress(len(self._outcomes) - self._open)

    def _note_retry(self, item: int, unit: Unit, pause: float, error: StageError) -> None:
        self._outcomes[item].retries.append(Retry(unit.calls, pause, error))
        self._outcomes[item].seconds += pause

    def _later(self, unit: Unit, pause: float) -> None:
        heapq.heappush(self._waiting, (time.monotonic() + pause, next(self._tickets), unit))

    def _tell_breaker(self, results: Sequence[Any]) -> None:
        """A call counts as failed when it brought nothing, for a reason outside the documents."""
        if self._guard.breaker is None:
            return
        errors = [each for each in results if isinstance(each, TransientError | UnavailableError)]
        if len(errors) == len(results):
            self._failed_in_a_row += 1
            self._guard.breaker.failed(errors[0])
        else:
            self._failed_in_a_row = 0
            self._guard.breaker.succeeded()


def _too_long(error: StageError | None) -> StageError | None:
    """An endpoint that asks for more patience than a run has is not there, for now."""
    asked = getattr(error, "retry_after_seconds", None) or 0.0
    if error is None or asked <= LONGEST_WAIT_SECONDS:
        return error
    later = UnavailableError(f"{error.message}; it asks to be called again in {asked:.0f} s", status=error.status)
    later.__cause__ = error
    return later
