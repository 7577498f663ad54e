"""The dispatcher: a warm process beside the sensors, which takes queued jobs through Dagster as soon as they are there.

A sensor ticks every five seconds, and a run that Dagster launches needs seconds to start. The dispatcher has everything
loaded, looks at the ledger several times a second and executes a batch as a Dagster run in its own process. It claims
jobs as every run does, so that sensors, runs and other dispatchers beside it take none of them twice. What it holds
when it dies is queued again like that of any worker, and its run is ended in Dagster, too.
"""

import logging
import time

from dagster import DagsterInstance, JobDefinition
from sqlalchemy.exc import SQLAlchemyError

from penstock.compiler.in_process import run_in_process
from penstock.compiler.instance import open_instance, prepare
from penstock.compiler.job import compile_job
from penstock.compiler.lost_runs import end_lost_runs
from penstock.compiler.session import Session
from penstock.errors import PenstockError
from penstock.events.relay import relay
from penstock.execution.batch import BatchRun
from penstock.execution.gates import tend_gates
from penstock.execution.planning import claim_next
from penstock.execution.sweep import sweep
from penstock.execution.workspace import Workspace
from penstock.ledger.workers import Worker
from penstock.workers.signals import signals_noted, stop_signal

_log = logging.getLogger("penstock.dispatch")
_LOOK_SECONDS = 0.1
_GATES_SECONDS = 0.3
_RECOVER_SECONDS = 2.0
_TROUBLE_SECONDS, _MOST_TROUBLE_SECONDS = 1.0, 60.0


class Dispatcher:
    """Takes batches through Dagster in this process, one after the other."""

    def __init__(self, workspace: Workspace, worker: Worker, instance: DagsterInstance) -> None:
        self.workspace, self.worker, self.instance = workspace, worker, instance
        self._jobs: dict[tuple[str, int], JobDefinition] = {}
        self._due: dict[str, float] = {}

    def turn(self) -> int:
        """Look after gates and dead workers where that is due, and take on a batch; returns how many documents it had.

        Raises `KeyboardInterrupt` when a signal has broken it off, and what the ledger or a store raises.
        """
        if self._is_due("recover", _RECOVER_SECONDS):
            self.workspace.ledger.recover()
            end_lost_runs(self.instance, self.workspace)
        if self._is_due("gates", _GATES_SECONDS):
            tend_gates(self.workspace)
        batch = claim_next(self.workspace, self.worker)
        if batch is None:
            return 0
        size = batch.size
        run_in_process(Session(batch), self.instance, self._job(batch))
        sweep(self.workspace)
        relay(self.workspace.ledger, self.workspace.resources.events, self.workspace.profile.events.type_prefix)
        return size

    def _is_due(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(what, 0.0):
            return False
        self._due[what] = now + seconds
        return True

    def _job(self, batch: BatchRun) -> JobDefinition:
        key = (batch.topology.digest, batch.segment)
        if key not in self._jobs:
            self._jobs[key] = compile_job(batch.topology, batch.segment)
        return self._jobs[key]


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
