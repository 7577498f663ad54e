"""What the guard and those who make its calls say to each other: answers, outcomes, retries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec

from penstock.errors import StageError

LONGEST_WAIT_SECONDS = 300.0
"""What an endpoint may ask for by `Retry-After`; a document that would wait longer is left to a later run."""


class Answer(NamedTuple):
    """How a call ended: a value or a `StageError` for each of its items, or one error for all of them (`whole`)."""

    ticket: int
    seconds: float
    results: Sequence[Any]
    whole: StageError | None = None
    each: Sequence[float] | None = None
    """The seconds of each item of a series."""


class CallerDiedError(Exception):
    """What made the calls is gone, and with it the calls that were begun."""


class Caller(Protocol):
    """Makes the calls. The first `concurrent` of those that were begun are under way, the others stand in line."""

    window: int
    concurrent: int

    def begin(self, ticket: int, items: Sequence[int], attempt: int, seconds: float) -> None:
        """Make a call for these items, or put it in line; it is answered under its ticket.

        Args:
            seconds: how long it may take; each item of it where they are worked on one after another.

        Raises a `StageError` where no call can be made.
        """
        ...

    def wait(self, seconds: float) -> Answer | None:
        """The next answer, or None after so many seconds. Raises `CallerDiedError`."""
        ...

    def at_work(self, ticket: int) -> tuple[int, float] | None:
        """Which item of a series it is at, or was when it ended: its place, and since when (`time.monotonic()`).

        The place behind the last item says that all are done, and their answer is on its way.
        None where the series has not begun, or it cannot be told.
        """
        ...

    def last_words(self, ticket: int) -> Answer:
        """What came of the items of a series before the one at work, when all calls have ended."""
        ...

    def kill(self) -> None:
        """End all calls that were begun, for sure; none of them is answered any more."""
        ...


@dataclass(frozen=True, slots=True)
class Retry:
    """An attempt that failed and is followed by another after `backoff_seconds`."""

    attempt: int
    backoff_seconds: float
    error: StageError


class Outcome(msgspec.Struct):
    """What became of one item: a value or an error, after how many attempts and seconds (waits included)."""

    value: Any = None
    error: StageError | None = None
    attempts: int = 0
    seconds: float = 0.0
    retries: list[Retry] = []
