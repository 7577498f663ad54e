"""What a dispatcher does in one turn: look after gates and dead workers, and take a batch through Dagster at once."""

import time

from dagster import DagsterInstance, JobDefinition

from penstock.compiler.in_process import run_in_process
from penstock.compiler.job import compile_job
from penstock.compiler.lost_runs import end_lost_runs
from penstock.compiler.session import Session
from penstock.execution.batch import BatchRun
from penstock.execution.gates import tend_gates
from penstock.execution.planning import claim_next
from penstock.execution.sweep import sweep
from penstock.execution.workspace import Workspace
from penstock.ledger.workers import Worker

_GATES_SECONDS = 0.3
_RECOVER_SECONDS = 2.0


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
        self.workspace.send_events()
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
