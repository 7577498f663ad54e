"""What all processes know together: how often a target has failed in a row, and when it may be called next.

A target is named by a key. `penstock.resilience.memory` keeps its state in one process, `penstock.ledger.shared` in the
ledger. A breaker has three states:

    closed ──threshold failures in a row──▶ open ──reset over, one call claims the trial──▶ half-open
       ▲                                     ▲                                                │
       └───────────the trial succeeds────────┼──────────────────the trial fails───────────────┘

Only a trial closes an open breaker: what comes back late from calls begun before it opened changes nothing.
"""

from typing import Protocol

import msgspec

SLACK_SECONDS = 1.0


class BreakerState(msgspec.Struct, frozen=True):
    """A breaker at one moment.

    Attributes:
        state: `closed`, `open`, or `half-open` while one call tries the target.
        failures: how many there were in a row.
        retry_in: seconds until a trial may be claimed; 0 where one may now.
    """

    state: str = "closed"
    failures: int = 0
    retry_in: float = 0.0


class SharedState(Protocol):
    """Breakers and rate budgets by key, a text of 1 to 255 characters. Each method is atomic among all who share it."""

    def breaker(self, key: str, reset_seconds: float) -> BreakerState:
        """How the breaker stands. Changes nothing."""
        ...

    def failed(self, key: str, threshold: int, reset_seconds: float) -> BreakerState:
        """Count one more failure in a row: the threshold's opens the breaker, a trial's opens it again."""
        ...

    def succeeded(self, key: str) -> None:
        """Count from 0 again, and close the breaker where a trial is under way."""
        ...

    def claim_trial(self, key: str, reset_seconds: float, hold_seconds: float) -> bool:
        """Whether the caller may make the one trial. A claimant that dies frees it after `hold_seconds`."""
        ...

    def reserve(self, key: str, per_second: float, calls: int) -> float:
        """Take the next `calls` places in line, evenly spaced.

        Returns:
            Seconds from now until the first place; below 0 by as much as it has passed already.
        """
        ...


def breaker_state(
    failures: int,
    opened_at: float | None,
    reset_seconds: float,
    trial_at: float | None,
    hold_seconds: float,
    now: float,
) -> BreakerState:
    """The state that follows from what is stored of a breaker. All times are of one clock, in seconds."""
    if opened_at is None:
        return BreakerState("closed", failures)
    held = 0.0 if trial_at is None else remaining(trial_at, hold_seconds, now)
    if held:
        return BreakerState("half-open", failures, held)
    return BreakerState("open", failures, remaining(opened_at, reset_seconds, now))


def remaining(since: float, seconds: float, now: float) -> float:
    """What is left of a period.

    A beginning that lies ahead by more than a second tells that the clock was put back since: the period counts as
    over. One that lies ahead by less is a clock that was trimmed.
    """
    return 0.0 if since > now + SLACK_SECONDS else max(0.0, since + seconds - now)
