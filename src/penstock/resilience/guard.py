"""The guard around a stage's calls: how often to try, how long to wait, when an attempt is over.

    outcome = Guard(policy).each(call, items)      one call an item
    outcome = Guard(policy).batch(call, items)     one call for all, one result an item

Only a `TransientError` is tried again; an attempt that outlasts the policy's `timeout_seconds` is one. Calls run in a
worker thread, which is left behind when its attempt is over: what it may still bring is dropped, and a new thread goes
on.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import tenacity
from tenacity.wait import wait_base

from penstock.errors import PenstockError, PermanentError, StageError, StageTimeoutError, TransientError
from penstock.plan.topology import Policy

BatchCall = Callable[[Sequence[Any], int], Sequence[Any]]

_TICK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Retry:
    """An attempt that failed and is followed by another after `backoff_seconds`."""

    attempt: int
    backoff_seconds: float
    error: StageError


@dataclass(slots=True)
class Outcome:
    """What became of one item: a value or an error, after how many attempts and seconds (waits included)."""

    value: Any = None
    error: StageError | None = None
    attempts: int = 1
    seconds: float = 0.0
    retries: list[Retry] = field(default_factory=list)


class Guard:
    """A policy, made executable. `sleep` is replaced in tests."""

    def __init__(self, policy: Policy, sleep: Callable[[float], None] = time.sleep) -> None:
        self.policy = policy
        self.sleep = sleep
        self._wait = _wait(policy)

    def each(
        self,
        call: Callable[[Any, int], Any],
        items: Sequence[Any],
        progress: Callable[[int], None] = lambda done: None,
    ) -> list[Outcome]:
        """Call once an item with (item, attempt); the outcomes are in the order of the items."""
        return _Line(self, call, items, self.policy.timeout_seconds, progress).run()

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
        todo = list(range(len(items)))
        attempt = 0
        while todo:
            attempt += 1
            results, seconds = self._together(call, [items[i] for i in todo], attempt)
            pauses: dict[int, float] = {}
            for index, result in zip(todo, results, strict=True):
                outcome = outcomes[index]
                outcome.attempts = attempt
                outcome.seconds += seconds / len(todo)
                outcome.value, outcome.error = (None, result) if isinstance(result, StageError) else (result, None)
                pause = self.pause_after(attempt, outcome.error)
                if pause is not None:
                    pauses[index] = pause
            todo = list(pauses)
            progress(len(items) - len(todo))
            longest = max(pauses.values(), default=0.0)
            for index in todo:
                error = outcomes[index].error
                assert error is not None
                outcomes[index].retries.append(Retry(attempt, longest, error))
                outcomes[index].seconds += longest
            if longest:
                self.sleep(longest)
        return outcomes

    def pause_after(self, attempt: int, error: StageError | None) -> float | None:
        """How long to wait before the next attempt; None where there is none to come."""
        if not isinstance(error, TransientError) or attempt >= self.policy.max_attempts:
            return None
        state = tenacity.RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
        state.attempt_number = attempt
        return max(float(self._wait(state)), error.retry_after_seconds or 0.0)

    def _together(self, call: BatchCall, items: Sequence[Any], attempt: int) -> tuple[Sequence[Any], float]:
        """One attempt at all items: their results, or the one error that they share; and its seconds."""
        once = Guard(msgspec.structs.replace(self.policy, max_attempts=1))
        limit = self.policy.timeout_seconds * len(items)
        (whole,) = _Line(once, lambda _item, _attempt: _results(call, items, attempt), [None], limit).run()
        return (whole.value if whole.error is None else [whole.error] * len(items)), whole.seconds


class _Line:
    """Items in line for one call. One thread works them off; where it gets stuck, the next one goes on behind.

    `_turn` says which thread counts. All that is shared changes under the lock, so that an attempt ends once: by its
    answer or by its timeout, whichever comes first.
    """

    def __init__(
        self,
        guard: Guard,
        call: Callable[[Any, int], Any],
        items: Sequence[Any],
        limit_seconds: float,
        progress: Callable[[int], None] = lambda done: None,
    ) -> None:
        self._guard = guard
        self._call = call
        self._items = items
        self._limit = limit_seconds
        self._progress = progress
        self._outcomes: list[Outcome] = []
        self._current = Outcome()
        self._turn = 0
        self._due: float | None = None
        self._lock = threading.Lock()
        self._finished = threading.Event()
        self._crash: BaseException | None = None

    def run(self) -> list[Outcome]:
        """Work until every item has its outcome."""
        if not self._items:
            return []
        self._start()
        try:
            while not self._finished.wait(min(_TICK_SECONDS, self._limit)):
                self._watch()
        finally:
            with self._lock:
                self._turn += 1  # an interrupted run leaves the thread behind, and it takes no further item
        if self._crash is not None:
            raise self._crash
        return self._outcomes

    def _start(self) -> None:
        threading.Thread(target=self._work, args=(self._turn,), name="penstock-stage", daemon=True).start()

    def _watch(self) -> None:
        with self._lock:
            if self._due is None or time.monotonic() <= self._due:
                return
            self._turn += 1
            policy = self._guard.policy.name
            error = StageTimeoutError(f"no answer within {self._limit:g} s (policy `{policy}`)")
            pause = self._settle(None, error, self._limit)
            done = len(self._outcomes)
        self._progress(done)
        if done == len(self._items):
            self._finished.set()
            return
        if pause:
            self._guard.sleep(pause)
        self._start()

    def _work(self, turn: int) -> None:
        try:
            while self._step(turn):
                pass
        except BaseException as exc:  # noqa: BLE001 - raised again where the line is run
            self._crash = exc
            self._finished.set()

    def _step(self, turn: int) -> bool:
        """One attempt at the item that is next; False when there is nothing more for this thread to do."""
        with self._lock:
            if turn != self._turn:
                return False
            item, attempt = self._items[len(self._outcomes)], self._current.attempts
            began = time.monotonic()
            self._due = began + self._limit
        value, error = _attempt(self._call, item, attempt)
        with self._lock:
            if turn != self._turn:
                return False
            pause = self._settle(value, error, time.monotonic() - began)
            done = len(self._outcomes)
        if pause:
            self._guard.sleep(pause)
            return True
        self._progress(done)
        if done == len(self._items):
            self._finished.set()
        return done < len(self._items)

    def _settle(self, value: Any, error: StageError | None, seconds: float) -> float:
        """Note how the attempt ended; returns the wait before the next one, 0 where the item is done."""
        self._due = None
        current = self._current
        current.seconds += seconds
        pause = self._guard.pause_after(current.attempts, error)
        if error is not None and pause is not None:
            current.retries.append(Retry(current.attempts, pause, error))
            current.attempts += 1
            current.seconds += pause
            return pause
        current.value, current.error = value, error
        self._outcomes.append(current)
        self._current = Outcome()
        return 0.0


def as_stage_error(exc: BaseException) -> StageError:
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


def _attempt(call: Callable[[Any, int], Any], item: Any, attempt: int) -> tuple[Any, StageError | None]:
    try:
        return call(item, attempt), None
    except BaseException as exc:  # noqa: BLE001 - an adapter may raise anything; the type decides what follows
        return None, as_stage_error(exc)


def _results(call: BatchCall, items: Sequence[Any], attempt: int) -> list[Any]:
    results = list(call(items, attempt))
    if len(results) != len(items):
        raise PermanentError(f"the adapter answered {len(items)} documents with {len(results)} results")
    return [as_stage_error(each) if isinstance(each, Exception) else each for each in results]


def _wait(policy: Policy) -> wait_base:
    jitter = tenacity.wait_random(0, policy.backoff_jitter_seconds)
    first, most = policy.backoff_initial_seconds, policy.backoff_max_seconds
    if policy.backoff_strategy == "exponential":
        return tenacity.wait_exponential(multiplier=first, max=most) + jitter
    if policy.backoff_strategy == "linear":
        return tenacity.wait_incrementing(start=first, increment=first, max=most) + jitter
    return tenacity.wait_none()
