"""The dispatcher: a warm process beside the sensors, which takes queued jobs through Dagster as soon as they are there.

A sensor ticks every five seconds, and a run that Dagster launches needs seconds to start. The dispatcher has everything
loaded, looks at the ledger several times a second and executes a batch as a Dagster run in its own process. It claims
jobs as every run does, so that sensors, runs and other dispatchers beside it take none of them twice. What it holds
when it dies is queued again like that of any worker, and its run is ended in Dagster, too.
"""

import logging

from sqlalchemy.exc import SQLAlchemyError

from penstock.compiler.dispatch import Dispatcher
from penstock.compiler.instance import open_instance, prepare
from penstock.errors import PenstockError
from penstock.execution.workspace import Workspace
from penstock.workers.signals import signals_noted, stop_signal

_log = logging.getLogger("penstock.dispatch")
_LOOK_SECONDS = 0.1
_TROUBLE_SECONDS, _MOST_TROUBLE_SECONDS = 1.0, 60.0


def run_dispatcher(workspace: Workspace, *, drain: bool = False) -> int:
    """Dispatch until SIGTERM or SIGINT; returns how many documents it took on.

    A batch that is under way is broken off: what its stages have done is kept, and another run finishes it. Where the
    ledger or a store cannot be reached, it says so and tries again.

    Args:
        drain: end when nothing is queued; raises what went wrong instead of trying again.
    """
    stop = stop_signal()
    ledger = workspace.ledger
    count, trouble = 0, _TROUBLE_SECONDS
    with (
        signals_noted() as asked_to_end,
        open_instance(prepare(workspace.home)) as instance,
        ledger.worker(workspace.profile.lease_seconds) as worker,
    ):
        dispatcher = Dispatcher(workspace, worker, instance)
        while not asked_to_end():
            try:
                taken = dispatcher.turn()
            except KeyboardInterrupt:
                break
            except (PenstockError, OSError, SQLAlchemyError) as exc:
                if drain:
                    raise
                with ledger.begin() as cx:
                    ledger.jobs.release(cx, worker.id)
                _log.warning("trying again: %s: %s", type(exc).__name__, str(exc).splitlines()[0] if str(exc) else "")
                stop.wait(trouble := min(2 * trouble, _MOST_TROUBLE_SECONDS))
                continue
            trouble = _TROUBLE_SECONDS
            count += taken
            if not taken and (drain or stop.wait(_LOOK_SECONDS)):
                break
    return count
