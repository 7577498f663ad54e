"""Breakers and rate budgets of one process: where there is no ledger, or where it does not answer."""

import threading
import time
from collections.abc import Callable

import msgspec

from penstock.resilience.shared import BreakerState, breaker_state


class _Breaker(msgspec.Struct):
    failures: int = 0
    opened_at: float | None = None
    trial_at: float | None = None
    hold_seconds: float = 0.0


class LocalState:
    """A `SharedState` among the threads of one process. `clock` counts seconds and never steps back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._breakers: dict[str, _Breaker] = {}
        self._next_at: dict[str, float] = {}

    def breaker(self, key: str, reset_seconds: float) -> BreakerState:
        with self._lock:
            return self._state(key, reset_seconds)

    def failed(self, key: str, threshold: int, reset_seconds: float) -> BreakerState:
        with self._lock:
            found = self._breakers.setdefault(key, _Breaker())
            found.failures += 1
            opens = found.opened_at is None and found.failures >= threshold
            if opens or found.trial_at is not None:
                found.opened_at = self._clock()
            found.trial_at = None
            return self._state(key, reset_seconds)

    def succeeded(self, key: str) -> None:
        with self._lock:
            found = self._breakers.get(key)
            if found and (found.opened_at is None or found.trial_at is not None):
                del self._breakers[key]

    def claim_trial(self, key: str, reset_seconds: float, hold_seconds: float) -> bool:
        with self._lock:
            state = self._state(key, reset_seconds)
            if state.state != "open" or state.retry_in:
                return False
            found = self._breakers[key]
            found.trial_at, found.hold_seconds = self._clock(), hold_seconds
            return True

    def reserve(self, key: str, per_second: float, calls: int) -> float:
        with self._lock:
            now = self._clock()
            first = max(now, self._next_at.get(key, now))
            self._next_at[key] = first + calls / per_second
            return first - now

    def _state(self, key: str, reset_seconds: float) -> BreakerState:
        found = self._breakers.get(key, _Breaker())
        return breaker_state(
            found.failures, found.opened_at, reset_seconds, found.trial_at, found.hold_seconds, self._clock()
        )
