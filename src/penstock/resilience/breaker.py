"""A circuit breaker that all processes share: pybreaker's states over `penstock.resilience.shared`.

pybreaker (https://github.com/danielfm/pybreaker) tells failures from answers and leads from state to state. What it has
none of comes from the shared state: counting that is atomic among processes, and a half-open state that lets one call
through. Its `call` is not used, because it holds a lock for as long as the call takes.
"""

import math
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime

from pybreaker import STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN, CircuitBreaker, CircuitBreakerError
from pybreaker import CircuitBreakerStorage as Storage

from penstock.errors import StageError, TransientError, UnavailableError
from penstock.resilience.shared import BreakerState, SharedState

MEMORY_SECONDS = 0.2
"""For so long a process goes by what it last knew of a breaker; until then it may not know that others opened it."""


class Breaker:
    """The breaker of one target, as one process knows it. Safe for threads.

    Where nothing has failed, a call costs no more than a look at the clock, and the shared state is read at most every
    `MEMORY_SECONDS`. A call that is admitted is followed by `succeeded` or `failed`, once.

    Args:
        key: what names the target to all processes.
        threshold: failures in a row that open the breaker.
        reset_seconds: how long it then stays open before one call may try the target.
        hold_seconds: when the process that makes the trial counts as dead; longer than a call can take. `admit` may
            say otherwise for one call.
    """

    def __init__(
        self, key: str, threshold: int, reset_seconds: float, shared: SharedState, hold_seconds: float = 60.0
    ) -> None:
        self.key = key
        self._hold_seconds = hold_seconds
        self._memory = _Memory(key, threshold, reset_seconds, shared)
        self._lock = threading.Lock()
        self._circuit = CircuitBreaker(
            fail_max=threshold,
            reset_timeout=reset_seconds,
            exclude=[_is_an_answer],
            state_storage=self._memory,
            name=key,
            throw_new_error_on_trip=False,
        )

    @property
    def closed(self) -> bool:
        """Whether calls may be made as they come."""
        return self._memory.now().state == STATE_CLOSED

    def admit(self, hold_seconds: float | None = None) -> bool:
        """Ask leave for a call.

        Args:
            hold_seconds: in place of the breaker's own.

        Returns:
            Whether the call is the trial of a breaker that was open: nobody else is admitted until it has ended.

        Raises:
            UnavailableError: the breaker is open, or another call is trying the target.
        """
        if self.closed:
            return False
        with self._lock:
            if self._memory.may_try():
                with suppress(CircuitBreakerError):
                    self._memory.hold_seconds = hold_seconds or self._hold_seconds
                    self._circuit.half_open()
                    return True
            if self._memory.now().state == STATE_CLOSED:
                return False
            raise self._refusal(self._memory.now())

    def succeeded(self) -> None:
        """The target answered a call that was admitted."""
        if not self._memory.trying and not self._memory.now().failures:
            return
        with self._lock:
            if self._memory.trying:
                with suppress(CircuitBreakerError), self._circuit.calling():
                    pass
            elif self.closed:
                self._memory.forget()

    def failed(self, error: StageError) -> None:
        """A call that was admitted ended with this error, of which only some tell against the target.

        Those that may pass (timeouts and crashes with them) and those of a target that is not there count as failures;
        a document refused, or a quota used up, is an answer like any other.
        """
        if not self._circuit.is_system_error(error):
            self.succeeded()
            return
        self._memory.now()
        with self._lock, suppress(type(error), CircuitBreakerError), self._circuit.calling():
            raise error

    def _refusal(self, state: BreakerState) -> UnavailableError:
        after = f"breaker `{self.key}` is open after {state.failures} failures in a row"
        if state.state == STATE_HALF_OPEN:
            return UnavailableError(f"{after}; one call is trying it now", hint=_HINT)
        return UnavailableError(f"{after}; it is tried again in {math.ceil(state.retry_in)} s", hint=_HINT)


class _Memory(Storage):
    """The shared state, as one process last knew it, in the form that pybreaker asks for."""

    def __init__(self, key: str, threshold: int, reset_seconds: float, shared: SharedState) -> None:
        super().__init__(key)
        self._key = key
        self._threshold = threshold
        self._reset_seconds = reset_seconds
        self._shared = shared
        self.hold_seconds = 0.0
        self._known = BreakerState()
        self._known_until = 0.0
        self._trial_until = 0.0

    def now(self) -> BreakerState:
        """The state, read anew where it is older than `MEMORY_SECONDS`."""
        if time.monotonic() >= self._known_until:
            self._know(self._shared.breaker(self._key, self._reset_seconds))
        return self._known

    @property
    def trying(self) -> bool:
        """Whether a call of this process is the trial."""
        return self._trial_until > 0.0 and time.monotonic() < self._trial_until

    def may_try(self) -> bool:
        """Whether a trial may be claimed by what is known."""
        state = self.now()
        return state.state != STATE_CLOSED and not self.trying and not state.retry_in

    def forget(self) -> None:
        """Count from 0."""
        self._trial_until = 0.0
        self._shared.succeeded(self._key)
        self._known_until = 0.0

    def _know(self, state: BreakerState) -> None:
        self._known = state
        self._known_until = time.monotonic() + MEMORY_SECONDS

    # ── what pybreaker asks for and sets ────────────────────────────────────────────────────────────────────────────

    @property
    def state(self) -> str:
        if self.trying:
            return STATE_HALF_OPEN
        return STATE_CLOSED if self._known.state == STATE_CLOSED else STATE_OPEN

    @state.setter
    def state(self, state: str) -> None:
        if state == STATE_HALF_OPEN:
            claimed = self._shared.claim_trial(self._key, self._reset_seconds, self.hold_seconds)
            self._known_until = 0.0
            if not claimed:
                raise CircuitBreakerError
            self._trial_until = time.monotonic() + self.hold_seconds
        elif state == STATE_CLOSED:
            self.forget()

    @property
    def counter(self) -> int:
        return self._known.failures

    def increment_counter(self) -> None:
        self._trial_until = 0.0
        self._know(self._shared.failed(self._key, self._threshold, self._reset_seconds))

    @property
    def success_counter(self) -> int:
        return 1

    @property
    def opened_at(self) -> datetime | None:
        """Always now: when a trial is due is for the shared state to say, and pybreaker claims none by itself."""
        return datetime.now(UTC)

    @opened_at.setter
    def opened_at(self, at: datetime) -> None:
        """The shared state has noted it, by its own clock."""


_HINT = "see `penstock status`; `penstock retry` takes up what failed"


def _is_an_answer(error: BaseException) -> bool:
    return not isinstance(error, TransientError | UnavailableError)
