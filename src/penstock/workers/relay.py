"""The outbox relay as a process."""

import logging

from sqlalchemy.exc import SQLAlchemyError

from penstock.errors import PenstockError
from penstock.execution.sweep import sweep
from penstock.execution.workspace import Workspace
from penstock.workers.signals import stop_signal

_log = logging.getLogger("penstock.relay")
_PAUSE_SECONDS = 1.0


def run_relay(workspace: Workspace, *, drain: bool = False) -> int:
    """Send what the outbox owes, and sweep what is due, until SIGTERM or SIGINT; returns how many events were sent.

    Where the ledger or a store cannot be reached, it says so and tries again: what is owed stays in the outbox.

    Args:
        drain: end when nothing is owed; raises what went wrong instead of trying again.
    """
    stop = stop_signal()
    relay = workspace.relay
    sent = 0
    while True:
        try:
            sent += relay.send()
            sweep(workspace)
        except (PenstockError, OSError, SQLAlchemyError) as exc:
            if drain:
                raise
            _log.warning("trying again: %s: %s", type(exc).__name__, str(exc).splitlines()[0] if str(exc) else "")
        if drain or stop.wait(_PAUSE_SECONDS):
            return sent
