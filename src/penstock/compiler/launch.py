"""Running now: queued jobs of a submission go through Dagster in this process, batch by batch, until each has ended."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

from dagster import DagsterInstance

from penstock.compiler.in_process import run_in_process
from penstock.compiler.instance import open_instance, prepare
from penstock.compiler.lost_runs import end_lost_runs
from penstock.compiler.session import Session
from penstock.errors import StageError
from penstock.execution.batch import BatchRun, claim_batch
from penstock.execution.gates import tend_gates
from penstock.execution.planning import batch_of
from penstock.execution.report import Progress, StageOutcome, no_progress
from penstock.execution.workspace import Workspace
from penstock.ledger.database import slices
from penstock.ledger.status import JobStatus
from penstock.ledger.workers import Worker
from penstock.plan.topology import Topology, stage_names

_POLL_SECONDS = 0.2


@dataclass
class RunReport:
    """What a run did itself: Dagster's run ids, and the outcomes by stage."""

    runs: list[str] = field(default_factory=list)
    stages: dict[str, StageOutcome] = field(default_factory=dict)


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
                with suppress(StageError):  # this one is for the documents
                    self.workspace.stages.form(stage)  # what is not installed is told before anything starts
        ledger = self.workspace.ledger
        folder = prepare(self.workspace.home)
        with open_instance(folder) as instance, ledger.worker(self.workspace.profile.lease_seconds) as worker:
            left = dict.fromkeys(jobs)
            ledger.recover()
            end_lost_runs(instance, self.workspace)
            while left:
                ledger.recover()
                tend_gates(self.workspace)
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
        ledger = self.workspace.ledger
        for part in slices(list(left)):
            queued = self._strike(left, part)
            if not queued:
                continue
            with ledger.read() as cx:
                found = ledger.jobs.get(cx, queued)
            digest, segment = found[queued[0]].topology, found[queued[0]].segment
            same = [found[job] for job in queued if (found[job].topology, found[job].segment) == (digest, segment)]
            ids = batch_of(same, self.workspace.profile.batch)
            batch = claim_batch(
                self.workspace,
                worker,
                self.topology if digest == self.topology.digest else self.workspace.topology(digest),
                segment,
                ids=ids,
                limit=len(ids),
                run_id=str(uuid4()),
                progress=self.progress,
            )
            if batch is not None:
                return batch
        return None

    def _strike(self, left: dict[str, None], ids: Sequence[str]) -> list[str]:
        """Forget the jobs that have ended or wait at a gate; returns those that are queued."""
        with self.workspace.ledger.read() as cx:
            statuses = self.workspace.ledger.jobs.statuses(cx, ids)
        for job, status in statuses.items():
            if status not in (JobStatus.QUEUED, JobStatus.RUNNING):
                left.pop(job, None)
        return [job for job in ids if statuses[job] == JobStatus.QUEUED]

    def _execute(self, batch: BatchRun, instance: DagsterInstance) -> None:
        session = Session(batch)
        self.report.runs.append(batch.run_id)
        try:
            run_in_process(session, instance)
        finally:
            for outcome in session.outcomes:
                if outcome.stage in self.report.stages:
                    self.report.stages[outcome.stage].add(outcome)
