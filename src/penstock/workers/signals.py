"""Ending when asked to: the signals that a terminal, a supervisor or an operator sends."""

import signal
import threading


def stop_signal() -> threading.Event:
    """An event that is set when this process is asked to end: SIGTERM, SIGINT, or SIGHUP when its terminal closes."""
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, lambda *_: stop.set())
    return stop
