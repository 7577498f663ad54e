"""The guard around a stage's calls: how often to try, how long to wait, when an attempt is over.

    outcome = Guard(policy).each(call, items)      one call an item
    outcome = Guard(policy).batch(call, items)     one call for all, one result an item

Only a `TransientError` is tried again. Calls run in a worker thread, which is left behind when an attempt outlasts the
policy's `timeout_seconds`: the item fails, the others go on in a new thread.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import tenacity
from tenacity.wait import wait_base

from penstock.errors import PenstockError, PermanentError, StageError, StageTimeoutError, TransientError
from penstock.plan.topology import Policy

BatchCall = Callable[[Sequence[Any], int], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Retry:
    """An attempt that failed and is followed by another after `backoff_seconds`."""

    attempt: int
    backoff_seconds: float
    error: StageError


@dataclass(slots=True)
class Outcome:
    """What became of one item: a value or an error, after how many attempts and seconds."""

    value: Any = None
    error: StageError | None = None
    attempts: int = 1
    seconds: float = 0.0
    retries: list[Retry] = field(default_factory=list)


@dataclass(slots=True)
class _Watch:
    """What the watching thread needs to know of the calling one."""

    started: float = 0.0
    index: int = 0
    abandoned: bool = False
    finished: threading.Event = field(default_factory=threading.Event)


class Guard:
    """A policy, made executable. `sleep` is replaced in tests."""

    def __init__(self, policy: Policy, sleep: Callable[[float], None] = time.sleep) -> None:
        self.policy = policy
        self._sleep = sleep
        self._wait = _wait(policy)

    def each(
        self,
        call: Callable[[Any, int], Any],
        items: Sequence[Any],
        progress: Callable[[int], None] = lambda done: None,
    ) -> list[Outcome]:
        """Call once an item with (item, attempt); the outcomes are in the order of the items."""
        outcomes: list[Outcome | None] = [None] * len(items)
        done = 0
        while done < len(items):
            done = self._watched(call, items, outcomes, done, self.policy.timeout_seconds, progress)
        return [outcome for outcome in outcomes if outcome is not None]

    def batch(
        self,
        call: BatchCall,
        items: Sequence[Any],
        progress: Callable[[int], None] = lambda done: None,
    ) -> list[Outcome]:
        """Call for all items together; those whose result is a `TransientError` are called again without the others.

        An attempt may take `timeout_seconds` for each of its items.
        """
        outcomes = [Outcome() for _ in items]
        open_items = list(range(len(items)))
        for attempt in range(1, self.policy.max_attempts + 1):
            once: list[Outcome | None] = [None]
            seconds = self.policy.timeout_seconds * len(open_items)
            chosen = [items[i] for i in open_items]
            self._watched(partial(_whole, call, chosen, attempt), [None], once, 0, seconds, _nothing)
            assert once[0] is not None
            whole = once[0]
            results = whole.value if whole.error is None else [whole.error] * len(open_items)
            again = []
            for index, result in zip(open_items, results, strict=True):
                outcome = outcomes[index]
                outcome.attempts = attempt
                outcome.seconds += whole.seconds / len(open_items)
                outcome.value, outcome.error = (None, result) if isinstance(result, StageError) else (result, None)
                if isinstance(result, TransientError) and attempt < self.policy.max_attempts:
                    again.append(index)
            progress(len(items) - len(again))
            if not again:
                break
            pause = max(self._pause(attempt, error) for i in again if (error := outcomes[i].error) is not None)
            for index in again:
                error = outcomes[index].error
                assert error is not None
                outcomes[index].retries.append(Retry(attempt, pause, error))
            self._sleep(pause)
            open_items = again
        return outcomes

    def _watched(
        self,
        call: Callable[[Any, int], Any],
        items: Sequence[Any],
        outcomes: list[Outcome | None],
        first: int,
        limit_seconds: float,
        progress: Callable[[int], None],
    ) -> int:
        """Work from `first` on until all is done or an attempt outlasts its limit; returns where to go on."""
        watch = _Watch(started=time.monotonic(), index=first)
        thread = threading.Thread(
            target=self._work, args=(watch, call, items, outcomes, first, progress), name="penstock-stage", daemon=True
        )
        thread.start()
        while not watch.finished.wait(min(0.2, limit_seconds)):
            if time.monotonic() - watch.started > limit_seconds:
                watch.abandoned = True
                stuck = watch.index
                if watch.finished.is_set() or outcomes[stuck] is not None:
                    continue
                error = StageTimeoutError(f"no answer within {limit_seconds:g} s (policy `{self.policy.name}`)")
                outcomes[stuck] = Outcome(error=error, seconds=limit_seconds)
                progress(stuck + 1)
                return stuck + 1
        return len(items)

    def _work(
        self,
        watch: _Watch,
        call: Callable[[Any, int], Any],
        items: Sequence[Any],
        outcomes: list[Outcome | None],
        first: int,
        progress: Callable[[int], None],
    ) -> None:
        for index in range(first, len(items)):
            watch.index = index
            outcome = self._attempts(watch, call, items[index])
            if watch.abandoned:
                return
            outcomes[index] = outcome
            progress(index + 1)
        watch.finished.set()

    def _attempts(self, watch: _Watch, call: Callable[[Any, int], Any], item: Any) -> Outcome:
        outcome = Outcome()
        began = time.perf_counter()
        for attempt in range(1, self.policy.max_attempts + 1):
            outcome.attempts = attempt
            watch.started = time.monotonic()
            try:
                outcome.value, outcome.error = call(item, attempt), None
                break
            except Exception as exc:  # noqa: BLE001 - an adapter may raise anything; the type decides what follows
                outcome.error = as_stage_error(exc)
            if not isinstance(outcome.error, TransientError) or attempt == self.policy.max_attempts:
                break
            pause = self._pause(attempt, outcome.error)
            outcome.retries.append(Retry(attempt, pause, outcome.error))
            watch.started = time.monotonic() + pause
            self._sleep(pause)
        outcome.seconds = time.perf_counter() - began
        return outcome

    def _pause(self, attempt: int, error: StageError) -> float:
        asked = error.retry_after_seconds if isinstance(error, TransientError) else None
        state = tenacity.RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
        state.attempt_number = attempt
        return max(float(self._wait(state)), asked or 0.0)


def as_stage_error(exc: Exception) -> StageError:
    """What an adapter raised, as a `StageError`; anything that is none counts as permanent."""
    if isinstance(exc, StageError):
        return exc
    if isinstance(exc, PenstockError):
        error: StageError = PermanentError(exc.message, hint=exc.hint)
    else:
        text = str(exc).strip().splitlines()
        error = PermanentError(f"{type(exc).__name__}: {text[0][:300]}" if text else type(exc).__name__)
    error.__cause__ = exc
    return error


def _whole(call: BatchCall, items: Sequence[Any], attempt: int, _item: Any, _attempt: int) -> list[Any]:
    return _results(call, items, attempt)


def _results(call: BatchCall, items: Sequence[Any], attempt: int) -> list[Any]:
    results = list(call(items, attempt))
    if len(results) != len(items):
        raise PermanentError(f"the adapter answered {len(items)} documents with {len(results)} results")
    return [as_stage_error(r) if isinstance(r, Exception) else r for r in results]


def _nothing(done: int) -> None:
    return None


def _wait(policy: Policy) -> wait_base:
    jitter = tenacity.wait_random(0, policy.backoff_jitter_seconds)
    first, most = policy.backoff_initial_seconds, policy.backoff_max_seconds
    if policy.backoff_strategy == "exponential":
        return tenacity.wait_exponential(multiplier=first, max=most) + jitter
    if policy.backoff_strategy == "linear":
        return tenacity.wait_incrementing(start=first, increment=first, max=most) + jitter
    return tenacity.wait_none()
