"""The outbox relay as a process."""

import signal
import threading

from penstock.events.relay import relay
from penstock.execution.sweep import sweep
from penstock.execution.workspace import Workspace

_PAUSE_SECONDS = 1.0


def run_relay(workspace: Workspace, *, drain: bool = False) -> int:
    """Send what the outbox owes, and sweep what is due, until SIGTERM or SIGINT; returns how many events were sent.

    Args:
        drain: end when nothing is owed.
    """
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    sent = 0
    while True:
        sent += relay(workspace.ledger, workspace.resources.events, workspace.profile.events.type_prefix)
        sweep(workspace)
        if drain or stop.wait(_PAUSE_SECONDS):
            return sent
