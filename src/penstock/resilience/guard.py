"""The guard around a stage's calls: when to call, how often, how long an attempt may take, how long to wait.

    outcomes = Guard(policy, shared, key).run(caller, count)              one call an item
    outcomes = Guard(policy, shared, key).run(caller, count, size=64)     calls for up to 64 items, one result an item

Composed from tenacity (which attempts follow, after which waits), pybreaker (`penstock.resilience.breaker`) and
aiolimiter (`penstock.resilience.pace`). The rate is taken per call, the timeout is per attempt, an open breaker refuses
without calling. Only a `TransientError` is tried again; while an item waits for its next attempt, the others go on.

A call for many items that fails as a whole is cut in halves until those that are at fault stand alone: they fail, the
others do not. It is tried again as it is where the error lies outside the documents.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import tenacity
from tenacity.wait import wait_base

from penstock.errors import StageError, TransientError
from penstock.plan.topology import Policy
from penstock.resilience.calls import LONGEST_WAIT_SECONDS, Caller, Outcome
from penstock.resilience.memory import LocalState
from penstock.resilience.rounds import Rounds
from penstock.resilience.shared import SharedState

if TYPE_CHECKING:
    from penstock.resilience.breaker import Breaker
    from penstock.resilience.pace import Pace


class Guard:
    """A policy, made executable.

    Args:
        shared: breakers and rates as other processes know them; without it they count in this process only.
        key: what they are counted by: the endpoint, or the adapter.
        sleep: replaced in tests.
    """

    def __init__(
        self,
        policy: Policy,
        shared: SharedState | None = None,
        key: str = "",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.policy = policy
        self.sleep = sleep
        self.breaker = _breaker(policy, shared or LocalState(), key)
        self.pace = _pace(policy, shared or LocalState(), key)
        self._wait = _wait(policy)
        self._may_retry = tenacity.retry_if_exception_type(TransientError)
        self._is_last = tenacity.stop_after_attempt(policy.max_attempts)

    def run(
        self,
        caller: Caller,
        count: int,
        *,
        size: int | None = None,
        series: int = 1,
        deadline: float | None = None,
        progress: Callable[[int], None] = lambda done: None,
    ) -> list[Outcome]:
        """Call for items 0 … `count` - 1 until each has its outcome.

        Args:
            size: how many items one call takes, each with a result of its own; None: one item, one result.
            series: without `size`, how many items are begun by one message, to be worked on one after another, each
                with attempts and a time of its own; where a breaker or a rate counts calls, they are begun singly.
            deadline: a time of `time.monotonic()` after which nothing is begun any more.
        """
        if self.breaker is not None or self.pace is not None:
            series = 1
        return Rounds(self, caller, count, size, series, deadline, progress).work()

    def pause_after(self, attempt: int, error: StageError | None) -> float | None:
        """How long to wait before the next attempt; None where there is none to come."""
        if error is None:
            return None
        state = tenacity.RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]  # tenacity never looks at the function here
        state.attempt_number = attempt
        state.set_exception((type(error), error, None))
        asked = getattr(error, "retry_after_seconds", None) or 0.0
        if not self._may_retry(state) or self._is_last(state) or asked > LONGEST_WAIT_SECONDS:
            return None
        return max(float(self._wait(state)), asked)


def _wait(policy: Policy) -> wait_base:
    jitter = tenacity.wait_random(0, policy.backoff_jitter_seconds)
    first, most = policy.backoff_initial_seconds, policy.backoff_max_seconds
    if policy.backoff_strategy == "exponential":
        return tenacity.wait_exponential(multiplier=first, max=most) + jitter
    if policy.backoff_strategy == "linear":
        return tenacity.wait_incrementing(start=first, increment=first, max=most) + jitter
    return tenacity.wait_none()


def _breaker(policy: Policy, shared: SharedState, key: str) -> "Breaker | None":
    if policy.failure_threshold is None or policy.reset_timeout_seconds is None:
        return None
    from penstock.resilience.breaker import Breaker  # its library is loaded where a policy asks for it

    return Breaker(key, policy.failure_threshold, policy.reset_timeout_seconds, shared)


def _pace(policy: Policy, shared: SharedState, key: str) -> "Pace | None":
    if policy.rate_limit_per_second is None:
        return None
    from penstock.resilience.pace import Pace  # its library is loaded where a policy asks for it

    return Pace(key, policy.rate_limit_per_second, shared)
