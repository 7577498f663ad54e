"""One call at a time, made where the guard stands, by a function that keeps to its time itself."""

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from penstock.resilience.calls import Answer
from penstock.resilience.guard import Guard
from penstock.resilience.taxonomy import as_stage_error

Value = TypeVar("Value")


def guarded(guard: Guard, call: Callable[[], Value]) -> Value:
    """What `call` returns, tried as the guard's policy says. Raises the `StageError` that the last attempt ended in."""
    outcome = guard.run(_InPlace(call), 1)[0]
    if outcome.error is not None:
        raise outcome.error
    value: Value = outcome.value
    return value


class _InPlace:
    window = 1
    concurrent = 1

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._answer: Answer | None = None

    def begin(self, ticket: int, items: Sequence[int], attempt: int, seconds: float) -> None:
        began = time.perf_counter()
        try:
            value, error = self._call(), None
        except Exception as exc:  # noqa: BLE001  # an adapter is foreign code; the guard goes by what it means
            value, error = None, as_stage_error(exc)
        self._answer = Answer(ticket, time.perf_counter() - began, (value,), error)

    def wait(self, seconds: float) -> Answer | None:
        answer, self._answer = self._answer, None
        return answer

    def at_work(self, ticket: int) -> None:
        return None  # it is called for one item at a time

    def last_words(self, ticket: int) -> Answer:
        return Answer(ticket, 0.0, ())

    def kill(self) -> None:
        self._answer = None
