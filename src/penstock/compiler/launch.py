"""Running now: queued jobs of a submission go through Dagster in this process, batch by batch, until each has ended."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

from dagster import DagsterInstance

from penstock.compiler.in_process import run_in_process
from penstock.compiler.instance import open_instance, prepare
from penstock.compiler.lanes import Lanes
from penstock.compiler.lost_runs import end_lost_runs
from penstock.compiler.session import Session
from penstock.errors import StageError
from penstock.execution.batch import BatchRun, claim_batch
from penstock.execution.garbage import seldom_collected
from penstock.execution.gates import tend_gates
from penstock.execution.planning import batch_of
from penstock.execution.report import Progress, StageOutcome, no_progress
from penstock.execution.workspace import Workspace
from penstock.ledger.database import slices
from penstock.ledger.job_rows import Outline
from penstock.ledger.status import JobStatus
from penstock.ledger.workers import Worker
from penstock.plan.topology import Topology, stage_names

_POLL_SECONDS = 0.2
_WORTH_A_RUN = 1_000
"""So many documents through stages that do next to nothing take ten times what Dagster takes for a run of its own."""

More = Callable[[], Sequence[str] | None]
"""Jobs that have come since the last call; None where none will come any more."""


@dataclass
class RunReport:
    """What a run did itself: Dagster's run ids, and the outcomes by stage."""

    runs: list[str] = field(default_factory=list)
    stages: dict[str, StageOutcome] = field(default_factory=dict)


class Launcher:
    """Takes jobs through Dagster in this process. Other processes on the same home share the work by the ledger.

    Args:
        lanes: processes that help, and have been told of the jobs.
        share: among how many processes this one takes its share, where it is one of several.
    """

    def __init__(
        self,
        workspace: Workspace,
        topology: Topology,
        progress: Progress = no_progress,
        *,
        lanes: Lanes | None = None,
        share: int = 1,
    ) -> None:
        self.workspace = workspace
        self.topology = topology
        self.progress = progress
        self._lanes = lanes
        self._share = share if lanes is None else lanes.count + 1
        self.report = RunReport(
            stages={name: StageOutcome(name, topology.stage(name).type) for name in stage_names(topology)}
        )

    def run(
        self,
        jobs: Sequence[str],
        on_batch: Callable[[int, int], None] = lambda done, total: None,
        more: More | None = None,
    ) -> RunReport:
        """Work until every job has an end state or waits at a gate, whoever does the work.

        Args:
            on_batch: called with how many jobs have ended, and how many there are.
            more: where further jobs come from while it works.
        """
        if not jobs and more is None:
            return self.report
        for stage in self.topology.stages:
            if stage.gate is None:
                with suppress(StageError):  # this one is for the documents
                    self.workspace.stages.form(stage)  # what is not installed is told before anything starts
        ledger = self.workspace.ledger
        folder = prepare(self.workspace.home)
        seconds = self.workspace.profile.lease_seconds
        with open_instance(folder) as instance, ledger.worker(seconds) as worker, seldom_collected():
            left, total = dict.fromkeys(jobs), len(jobs)
            ledger.recover()
            end_lost_runs(instance, self.workspace)
            while left or more is not None:
                if more is not None:
                    found = more()
                    left |= dict.fromkeys(found or ())
                    total += len(found or ())
                    more = more if found is not None else None
                ledger.recover()
                tend_gates(self.workspace)
                if not self._take(worker, left, instance, 1 if more else self._share) and (left or more):
                    time.sleep(_POLL_SECONDS)
                on_batch(total - len(left), total)
        for ended in self._lanes.finish() if self._lanes is not None else ():
            self.report.runs += ended.runs
            self._count(ended.stages)
        return self.report

    def _take(self, worker: Worker, left: dict[str, None], instance: DagsterInstance, share: int) -> bool:
        """Claim a batch of what is left and take it through; False where nothing is free."""
        batch = self._claim(worker, left, share)
        if batch is None:
            return False
        self._execute(batch, instance)
        for job in batch.completed:
            left.pop(job, None)
        self._strike(left, [job for job in batch.subjects if job not in batch.completed])
        return True

    def _claim(self, worker: Worker, left: dict[str, None], share: int) -> BatchRun | None:
        """The next batch of what is left; jobs that have ended, by whoever's hand, are struck off on the way."""
        limits = self.workspace.profile.batch
        size = batch_size(len(left), limits.documents, share)
        for part in slices(list(left), size) if left else ():
            queued = self._strike(left, part)
            if not queued:
                continue
            digest, segment = queued[0].topology, queued[0].segment
            ids = batch_of([job for job in queued if (job.topology, job.segment) == (digest, segment)], limits)
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

    def _strike(self, left: dict[str, None], ids: Sequence[str]) -> list[Outline]:
        """Forget the jobs that have ended or wait at a gate; returns those that are queued."""
        with self.workspace.ledger.read() as cx:
            found = self.workspace.ledger.jobs.outlines(cx, ids)
        for job in found.values():
            if job.status not in (JobStatus.QUEUED, JobStatus.RUNNING):
                left.pop(job.job, None)
        return [found[job] for job in ids if found[job].status == JobStatus.QUEUED]

    def _execute(self, batch: BatchRun, instance: DagsterInstance) -> None:
        session = Session(batch)
        self.report.runs.append(batch.run_id)
        try:
            run_in_process(session, instance)
        finally:
            self._count(session.outcomes)
            session.let_go()

    def _count(self, outcomes: Iterable[StageOutcome]) -> None:
        for outcome in outcomes:
            if outcome.stage in self.report.stages:
                self.report.stages[outcome.stage].add(outcome)


def batch_size(left: int, limit: int, share: int) -> int:
    """How many of the jobs that are left the next batch takes, where so many processes take theirs.

    Towards the end they take less at a time, or all but one would wait for the last batch.
    """
    fair = -(-left // share)
    if share == 1 or fair > limit:
        return min(fair, limit)
    return max(-(-fair // 2), min(fair, _WORTH_A_RUN))
