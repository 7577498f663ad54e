"""Running now: queued jobs of a submission go through Dagster in this process, batch by batch, until each has ended."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from penstock.compiler.instance import open_instance, prepare
from penstock.compiler.job import compile_job, run_config
from penstock.compiler.session import BATCH_TAG, RESOURCE, Session
from penstock.errors import PenstockError
from penstock.execution.batch import BatchRun, claim_batch
from penstock.execution.planning import open_gates
from penstock.execution.report import Progress, StageOutcome, no_progress
from penstock.execution.workspace import Workspace
from penstock.ledger.jobs import Job, slices
from penstock.ledger.status import JobStatus
from penstock.ledger.workers import Worker
from penstock.plan.topology import Topology, stage_names

_POLL_SECONDS = 0.2


@dataclass
class RunReport:
    """What a run did itself: Dagster's run ids, and the outcomes by stage."""

    runs: list[str] = field(default_factory=list)
    stages: dict[str, StageOutcome] = field(default_factory=dict)
    crashed: list[str] = field(default_factory=list)


class Launcher:
    """Takes jobs through Dagster in this process. Other processes on the same home share the work by the ledger."""

    def __init__(self, workspace: Workspace, topology: Topology, progress: Progress = no_progress) -> None:
        self.workspace = workspace
        self.topology = topology
        self.progress = progress
        self.report = RunReport(
            stages={name: StageOutcome(name, topology.stage(name).type) for name in stage_names(topology)}
        )

    def run(self, jobs: Sequence[str], on_batch: Callable[[int, int], None] = lambda done, total: None) -> RunReport:
        """Work until every job has an end state or waits at a gate, whoever does the work."""
        if not jobs:
            return self.report
        for stage in self.topology.stages:
            if stage.gate is None:
                self.workspace.adapter(stage)  # what is not installed is told before anything starts
        ledger = self.workspace.ledger
        folder = prepare(self.workspace.home)
        with open_instance(folder) as instance, ledger.worker(self.workspace.profile.lease_seconds) as worker:
            left = dict.fromkeys(jobs)
            while left:
                ledger.recover()
                open_gates(self.workspace, {self.topology.digest})
                batch = self._claim(worker, left)
                if batch is not None:
                    self._execute(batch, instance)
                    self._strike(left, list(batch.keys))
                elif left:
                    time.sleep(_POLL_SECONDS)
                on_batch(len(jobs) - len(left), len(jobs))
        return self.report

    def _claim(self, worker: Worker, left: dict[str, None]) -> BatchRun | None:
        """The next batch of what is left; jobs that have ended, by whoever's hand, are struck off on the way."""
        limits = self.workspace.profile.batch
        for part in slices(list(left)):
            found = self._strike(left, part)
            queued = [found[job] for job in part if found[job].status == JobStatus.QUEUED]
            if not queued:
                continue
            digest, segment = queued[0].topology, queued[0].segment
            same = [job for job in queued if (job.topology, job.segment) == (digest, segment)]
            ids = _bounded(same, limits.documents, limits.megabytes << 20)
            topology = self.topology if digest == self.topology.digest else self.workspace.topology(digest)
            batch = claim_batch(
                self.workspace, worker, topology, segment, ids=ids, limit=len(ids), progress=self.progress
            )
            if batch is not None:
                return batch
        return None

    def _strike(self, left: dict[str, None], ids: Sequence[str]) -> dict[str, Job]:
        with self.workspace.ledger.read() as cx:
            found = self.workspace.ledger.jobs.get(cx, ids)
        for job in found.values():
            if job.status not in (JobStatus.QUEUED, JobStatus.RUNNING):
                left.pop(job.job, None)
        return found

    def _execute(self, batch: BatchRun, instance: object) -> None:
        job = compile_job(batch.topology, batch.segment)
        session = Session(batch)
        run_id = str(uuid4())
        result = job.execute_in_process(
            instance=instance,  # type: ignore[arg-type]
            run_id=run_id,
            run_config=run_config(console="ERROR" if os.environ.get("PENSTOCK_DEBUG") else "CRITICAL"),
            resources={RESOURCE: session},
            tags={BATCH_TAG: batch.batch},
            raise_on_error=False,
        )
        self.report.runs.append(result.run_id)
        for outcome in session.outcomes:
            if outcome.stage in self.report.stages:
                self.report.stages[outcome.stage].add(outcome)
        if not result.success:
            failed = [event for event in result.all_events if event.is_step_failure]
            error = failed[0].step_failure_data.error if failed else None
            shown = (error.cause or error).message.strip().splitlines()[0] if error else "no reason recorded"
            raise PenstockError(
                f"Dagster run `{result.run_id}` of batch `{batch.batch}` broke off: {shown}",
                hint="penstock run … again finishes what is unfinished; PENSTOCK_DEBUG=1 shows more",
            )


def _bounded(jobs: Sequence[Job], documents: int, size: int) -> list[str]:
    chosen: list[str] = []
    total = 0
    for job in jobs[:documents]:
        total += job.size
        if chosen and total > size:
            break
        chosen.append(job.job)
    return chosen
