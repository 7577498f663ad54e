"""A rate that all processes share: aiolimiter's pace over places in line that the shared state gives out.

A process takes few places at a time, for half a second at most, and uses them one by one. A place that it comes too
late for is lost, or two calls would come too close together; how late is too late doubles with each place lost, so that
a machine that is always late still makes its calls.
"""

import asyncio
import threading
import time
import weakref
from contextlib import suppress

from aiolimiter import AsyncLimiter

from penstock.resilience.shared import SharedState

GRACE_SECONDS = 0.02
"""How late a call may be. Places are wider apart by as much in a second, so that a window of one second holds no more
calls than the rate allows although some are late and others are not."""

_BLOCK_SECONDS = 0.5
_BLOCK_CALLS = 10


class Pace:
    """The rate of one target, as one process keeps to it. Safe for threads, which then wait in turn.

    Args:
        key: what names the target to all processes.
        per_second: calls of all processes together in any second; below 1, one call in `1 / per_second` seconds.
    """

    def __init__(self, key: str, per_second: float, shared: SharedState) -> None:
        self.key = key
        self._shared = shared
        self._interval = 1 / per_second + GRACE_SECONDS / max(1, int(per_second))
        self._most = max(1, min(_BLOCK_CALLS, int(_BLOCK_SECONDS / self._interval)))
        self._calls = 1
        self._left = 0
        self._next_at = 0.0
        self._limiter = AsyncLimiter(1, self._interval)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def take(self) -> float:
        """Wait until a call may be made, and return the seconds waited. An interrupt ends the wait at once."""
        began = time.monotonic()
        grace = GRACE_SECONDS
        with self._lock:
            while True:
                due = self._next_place()
                self._wait(due)
                late = time.monotonic() - due
                if late <= grace:
                    return time.monotonic() - began
                grace *= 2
                self._calls = 1

    def _next_place(self) -> float:
        """The time of the next place in line; takes new ones where none is left that could still be used."""
        while self._left and self._next_at + GRACE_SECONDS < time.monotonic():
            self._left, self._next_at = self._left - 1, self._next_at + self._interval
            self._calls = 1
        if not self._left:
            self._left, self._calls = self._calls, min(2 * self._calls, self._most)
            self._next_at = self._shared.reserve(self.key, 1 / self._interval, self._left) + time.monotonic()
            self._limiter = AsyncLimiter(1, self._interval)
        self._left, due = self._left - 1, self._next_at
        self._next_at += self._interval
        return due

    def _wait(self, due: float) -> None:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            weakref.finalize(self, self._loop.close)
        task = self._loop.create_task(self._until(due))
        try:
            self._loop.run_until_complete(task)
        except BaseException:
            task.cancel()
            with suppress(asyncio.CancelledError):
                self._loop.run_until_complete(task)
            raise

    async def _until(self, due: float) -> None:
        await asyncio.sleep(due - time.monotonic())
        await self._limiter.acquire()
