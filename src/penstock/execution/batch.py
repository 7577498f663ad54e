"""A batch: ledger jobs on their way through one segment of a pipeline, held under a lease by this process."""

import time
from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import Connection

from penstock.errors import LostLeaseError, UsageError
from penstock.events.facts import Fact, FactBatch, encode, fact_of
from penstock.execution.gates import open_gate
from penstock.execution.messages import Subject
from penstock.execution.report import Progress, StageOutcome, no_progress
from penstock.execution.submit import keys_of
from penstock.execution.workspace import Workspace
from penstock.ledger.batches import Batch
from penstock.ledger.jobs import Failure, Job
from penstock.ledger.workers import Worker
from penstock.plan.topology import PlannedStage, Topology
from penstock.records import new_id
from penstock.registry import stage_type

CLAIMS = 20
"""A job that was claimed this often without an end has taken its runs down with it; it is set aside."""

_WORN_OUT = "WornOutError"


class BatchRun:
    """The jobs of a batch in memory: what they are, their work keys, what became of them.

    `jobs` shrinks as documents fail or are lost to another worker; `keys` are those of each stage, by job; `outputs`
    holds, encoded, what stages still need. `completed` are the jobs that it has brought to their end, once it has.
    `subjects` is what stages are told of each document, `told` what events say of it where there is nothing to add.
    """

    def __init__(
        self,
        workspace: Workspace,
        worker: Worker,
        topology: Topology,
        segment: int,
        batch: str,
        jobs: Sequence[Job],
        run_id: str = "",
        progress: Progress = no_progress,
    ) -> None:
        self.workspace = workspace
        self.worker = worker
        self.topology = topology
        self.segment = segment
        self.batch = batch
        self.run_id = run_id
        self.progress = progress
        self.size = len(jobs)
        self.deadline = time.monotonic() + topology.deadline_seconds if topology.deadline_seconds else None
        self.jobs = {job.job: job for job in jobs}
        self.subjects = {job.job: subject_of(job) for job in jobs}
        self.told = {job.job: fact_of(job) for job in jobs}
        self.keys = _by_stage(topology, jobs)
        self.outputs: dict[str, dict[str, bytes]] = {}
        self.builds: dict[str, dict[str, str]] = {"index": {}, "graph": {}}
        self.recomputed: list[StageOutcome] = []
        self.open_stages = {stage.name for stage in topology.segment(segment)}
        self.completed: frozenset[str] = frozenset()

    @property
    def stages(self) -> tuple[PlannedStage, ...]:
        return self.topology.segment(self.segment)

    def facts(
        self,
        kind: str,
        stage: str,
        policy: str,
        facts: Sequence[Fact],
        age: float = 0.0,
        began: float | None = None,
    ) -> tuple[bytes, int]:
        """Facts of this batch (`FactBatch`), as the outbox takes them: encoded, and how many events they are."""
        pipeline, version = self.topology.pipeline, self.topology.version
        told = FactBatch(kind, pipeline, version, stage, policy, self.run_id, tuple(facts), age, began)
        return encode(told), told.events_each * len(facts)

    def keep_held(self, cx: Connection) -> None:
        """Let go of the jobs that another worker has taken over."""
        if self.jobs and self.workspace.ledger.jobs.count_held(cx, self.worker.id, self.batch) == len(self.jobs):
            return
        tokens = {job.job: job.lease_token for job in self.jobs.values()}
        held = self.workspace.ledger.jobs.held(cx, self.worker.id, tokens)
        for lost in set(self.jobs) - held:
            del self.jobs[lost]
        if tokens and not self.jobs:
            raise LostLeaseError(f"batch `{self.batch}` was taken over by another worker")

    def drop_unneeded(self) -> None:
        """Forget outputs that no open stage takes, be it past stages that are skipped for some documents."""
        needed = {stage.input for stage in self.stages if stage.name in self.open_stages}
        for stage in reversed(self.topology.stages):
            if stage.name in needed and stage.when:
                needed.add(stage.input)
        for name in set(self.outputs) - needed:
            gone = self.outputs.pop(name)
            self.workspace.stages.forget(key for job in gone if (key := self.keys[name][job]))

    def finish(self) -> None:
        """Once all stages are through: the switch to the new versions, or the wait at the gate."""
        ledger = self.workspace.ledger
        gate = self.topology.gate_after(self.segment)
        with ledger.begin() as cx:
            self.keep_held(cx)
            ended = list(self.jobs)
            if gate is not None:
                ended = ledger.jobs.wait(cx, ended, gate.name, self.segment + 1)
                kind = "job.waiting"
            else:
                self._complete(cx)
                kind = "job.completed"
            facts = [self.told[job] for job in ended]
            ledger.outbox.add(cx, *self.facts(kind, gate.name if gate else "", "", facts))
            if gate is not None:  # a condition that holds already lets through at once
                open_gate(ledger, cx, self.topology, gate, ended)
            ledger.batches.ended(cx, self.batch)
        if gate is None:
            self.completed = frozenset(ended)
        self.workspace.stages.forget((), self.subjects)

    def _complete(self, cx: Connection) -> None:
        ledger = self.workspace.ledger
        self._find_earlier_builds(cx)
        done = [
            msgspec.structs.replace(
                job,
                current_stage=self.topology.stages[-1].name,
                index_build=self.builds["index"].get(job.job, job.index_build),
                graph_build=self.builds["graph"].get(job.job, job.graph_build),
            )
            for job in self.jobs.values()
        ]
        ledger.jobs.complete(cx, done)
        ledger.documents.activate(cx, done, stores_written(self.topology))
        ledger.dead_letters.resolve(cx, [job.job for job in done if job.error_type], "completed")

    def _find_earlier_builds(self, cx: Connection) -> None:
        """What stages before a gate wrote to a store, in a run that has long ended, is part of the version too."""
        for stage in self.topology.stages:
            store = stage_type(stage.type).store if stage.gate is None and stage.segment < self.segment else None
            if store:
                given = self.keys[stage.name]
                keys = {job: key for job in self.jobs if (key := given[job]) is not None}
                rows = self.workspace.ledger.artifacts.find(cx, list(keys.values()))
                found = {job: rows[key].build for job, key in keys.items() if key in rows}
                self.builds[store].update({job: build for job, build in found.items() if build})


def _by_stage(topology: Topology, jobs: Sequence[Job]) -> dict[str, dict[str, str | None]]:
    keys: dict[str, dict[str, str | None]] = {stage.name: {} for stage in topology.stages}
    for job in jobs:
        for stage, key in keys_of(topology, job.tenant, job, job.content_hash, job.kind_hint).items():
            keys[stage][job.job] = key
    return keys


def subject_of(job: Job) -> Subject:
    """What the job's stages are told of its document."""
    return Subject(
        job=job.job,
        tenant=job.tenant,
        document=job.document,
        source=job.source,
        pipeline=job.pipeline,
        version=job.version,
        correlation_id=job.correlation_id,
        locator=job.locator,
        raw=job.content_hash,
        size=job.size,
        kind_hint=job.kind_hint,
        metadata=job.metadata,
    )


def stores_written(topology: Topology) -> frozenset[str]:
    """Which stores a pipeline writes: `index`, `graph`."""
    found = (stage_type(stage.type).store for stage in topology.stages if stage.gate is None)
    return frozenset(store for store in found if store)


def claim_batch(
    workspace: Workspace,
    worker: Worker,
    topology: Topology,
    segment: int,
    *,
    ids: Sequence[str] | None = None,
    batch: str | None = None,
    run_id: str = "",
    limit: int = 256,
    progress: Progress = no_progress,
) -> BatchRun | None:
    """Take jobs under a lease as one batch: of these ids, or those planned for `batch`. None where nothing is free."""
    ledger = workspace.ledger
    name = batch if batch is not None else new_id()
    with ledger.begin() as cx:
        digest = topology.digest
        jobs = ledger.jobs.claim(cx, worker.id, digest, segment, ids=ids, batch=batch, into=name, limit=limit)
        jobs = _without_worn_out(workspace, cx, topology, jobs)
        if not jobs:
            return None
        if batch is None:
            row = Batch(
                batch=name,
                pipeline=topology.pipeline,
                topology=digest,
                segment=segment,
                generation=0,
                status="started",
                size=len(jobs),
                run_id=run_id or None,
            )
            ledger.batches.add(cx, row)
        else:
            ledger.batches.started(cx, batch, run_id)
        if segment:
            ledger.jobs.at_stage(cx, [j.job for j in jobs], topology.segment(segment)[0].name, post_pdf_started=True)
    return BatchRun(workspace, worker, topology, segment, name, jobs, run_id, progress)


def _without_worn_out(workspace: Workspace, cx: Connection, topology: Topology, jobs: Sequence[Job]) -> list[Job]:
    """End the jobs that have been claimed too often without an end; returns the others."""
    ledger = workspace.ledger
    ended = ledger.dead_letters.ends(cx, [job.job for job in jobs if job.lease_token > CLAIMS])
    worn = [job for job in jobs if job.lease_token - _claims_with_an_end(job, ended.get(job.job, {})) > CLAIMS]
    failures = [
        Failure(
            job=job.job,
            stage=job.current_stage or topology.segment(job.segment)[0].name,
            status="stage_failed",
            error_type=_WORN_OUT,
            message=f"given up after {CLAIMS} runs that ended before the document did",
            recovery="permanent",
            attempts=CLAIMS,
        )
        for job in worn
    ]
    ledger.jobs.fail(cx, failures)
    ledger.dead_letters.add(cx, list(zip(worn, failures, strict=True)))
    facts = tuple(
        fact_of(job, error_type=each.error_type, error_message=each.message, detail={"status": each.status})
        for job, each in zip(worn, failures, strict=True)
    )
    told = FactBatch("job.failed", topology.pipeline, topology.version, "", "", "", facts)
    ledger.outbox.add(cx, encode(told), len(facts))
    return [job for job in jobs if job not in worn]


def _claims_with_an_end(job: Job, ends: Mapping[str, int]) -> int:
    """How many claims came to a gate, a failure, or were forgiven when the job was retried after it was given up."""
    return job.segment + sum(ends.values()) + ends.get(_WORN_OUT, 0) * CLAIMS


def stages_from(topology: Topology, name: str) -> list[str]:
    """A stage and all that take its output, directly or not. Raises `UsageError` where there is no such stage."""
    known = [stage.name for stage in topology.stages]
    if name not in known:
        raise UsageError.unknown("stage", name, known)
    found = {name}
    for stage in topology.stages:
        if stage.input in found:
            found.add(stage.name)
    return [stage for stage in known if stage in found]
