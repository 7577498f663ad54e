"""Ending when asked to: the signals that a terminal, a supervisor or an operator sends."""

import _thread
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def stop_signal() -> threading.Event:
    """An event that is set when this process is asked to end: SIGTERM, SIGINT, or SIGHUP when its terminal closes."""
    stop = threading.Event()
    for each in _ENDING:  # set by another thread: this one may hold the event's lock when the signal comes
        signal.signal(each, lambda *_: _thread.start_new_thread(stop.set, ()))
    return stop


@contextmanager
def signals_noted() -> Iterator[Callable[[], bool]]:
    """A question: has this process been asked to end? Also where somebody else handled the signal, and forgot it.

    Dagster takes the handlers over for as long as it executes a run, and drops what comes on its last steps.
    """
    reader, writer = os.pipe()
    for each in (reader, writer):
        os.set_blocking(each, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    came: set[int] = set()

    def asked() -> bool:
        with suppress(BlockingIOError):
            came.update(os.read(reader, 64))
        return not came.isdisjoint(_ENDING)

    try:
        yield asked
    finally:
        signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)
