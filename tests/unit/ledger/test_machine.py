"""Whatever is done to a ledger, in whatever order, it holds what a plain model of dicts holds."""

from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import delete, select
from tests.unit.ledger.steps import failure, job_row

from penstock.ledger.jobs import Job
from penstock.ledger.ledger import Ledger
from penstock.ledger.status import is_failure, leads_to
from penstock.ledger.tables import jobs, workers

DOCUMENTS = st.sampled_from(["a", "b"])
PIPELINES = st.sampled_from(["both", "index"])
WORKERS = st.sampled_from(["w1", "w2"])
CONTENTS = st.sampled_from(["c1", "c2"])
WRITES = {"both": frozenset({"index", "graph"}), "index": frozenset({"index"})}
LIVE = ("queued", "running", "waiting")

_examples = count()


class Model(msgspec.Struct):
    """What the model knows of a job."""

    document: str
    pipeline: str
    generation: int
    content: str
    status: str = "queued"
    owner: str | None = None
    token: int = 0
    segment: int = 0


class Shown(msgspec.Struct):
    """What the model knows of a document."""

    generation: int = 0
    active: int = 0
    content: str | None = None
    index: str | None = None
    graph: str | None = None
    deleted: bool = False


class LedgerMachine(RuleBasedStateMachine):
    """Two workers, two documents, two pipelines of which one writes a single store, and one gate."""

    ledger: Ledger

    def __init__(self) -> None:
        super().__init__()
        self.example = f"example-{next(_examples)}"
        self.jobs: dict[str, Model] = {}
        self.documents: dict[str, Shown] = {}
        self.alive: set[str] = set()
        self.believed: dict[str, list[Job]] = {}

    # ── what happens ────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(document=DOCUMENTS, pipeline=PIPELINES, content=CONTENTS)
    def add(self, document: str, pipeline: str, content: str) -> None:
        topology = self.name(pipeline)
        with self.ledger.begin() as cx:
            self.ledger.keep_topology(cx, topology, pipeline, "1.0", "{}")
            number = self.ledger.documents.raise_generation(cx, self.example, {document: "file"})[document]
            row = job_row(document, number, content, pipeline, tenant=self.example, topology=topology)
            self.ledger.jobs.add(cx, [row])
        shown = self.documents.setdefault(document, Shown())
        shown.generation += 1
        self.replace_older(document, pipeline, shown.generation, ("queued", "waiting"))
        self.jobs[row["job"]] = Model(document, pipeline, shown.generation, content)

    @rule(worker=WORKERS, pipeline=PIPELINES)
    def claim(self, worker: str, pipeline: str) -> None:
        for segment in (1, 0):
            busy = {job.document for job in self.jobs.values() if job.status == "running"}
            free = {
                name
                for name, job in self.jobs.items()
                if (job.status, job.pipeline, job.segment) == ("queued", pipeline, segment) and job.document not in busy
            }
            with self.ledger.begin() as cx:
                taken = self.ledger.jobs.claim(cx, self.name(worker), self.name(pipeline), segment)
            assert {job.job for job in taken} == free
            for job in taken:
                model = self.jobs[job.job]
                model.status, model.owner, model.token = "running", worker, model.token + 1
                assert job.lease_token == model.token
                # a worker that had lost the job may have it again: what it believed of it before still stands beside
                self.believed.setdefault(worker, []).append(job)

    @precondition(lambda self: any(self.believed.values()))
    @rule(worker=WORKERS)
    def complete(self, worker: str) -> None:
        def end(cx: Any, held: list[Job]) -> None:
            done = [msgspec.structs.replace(job, index_build=job.job, graph_build=job.job) for job in held]
            for pipeline, writes in WRITES.items():
                mine = [job for job in done if job.pipeline == pipeline]
                self.ledger.jobs.complete(cx, mine)
                self.ledger.documents.activate(cx, mine, writes)

        for job in self.end(worker, end):
            model = self.jobs[job]
            model.status, model.owner = "completed", None
            self.replace_older(model.document, model.pipeline, model.generation, LIVE)
            self.show(job, model)

    @precondition(lambda self: any(self.believed.values()))
    @rule(worker=WORKERS)
    def fail(self, worker: str) -> None:
        def end(cx: Any, held: list[Job]) -> None:
            self.ledger.jobs.fail(cx, [failure(job.job) for job in held])

        for job in self.end(worker, end):
            self.jobs[job].status, self.jobs[job].owner = "parse_failed", None

    @precondition(lambda self: any(self.believed.values()))
    @rule(worker=WORKERS)
    def wait(self, worker: str) -> None:
        waiting: list[str] = []

        def end(cx: Any, held: list[Job]) -> None:
            waiting.extend(self.ledger.jobs.wait(cx, [job.job for job in held], "gate", 1))

        for job in self.end(worker, end):
            model = self.jobs[job]
            model.owner = None
            if self.outdated(model):
                model.status = "superseded"
            else:
                model.status, model.segment = "waiting", 1
            assert (job in waiting) == (model.status == "waiting")

    @precondition(lambda self: any(job.status == "waiting" for job in self.jobs.values()))
    @rule(pipeline=PIPELINES)
    def open_gate(self, pipeline: str) -> None:
        with self.ledger.begin() as cx:
            self.ledger.jobs.open_gate(cx, self.name(pipeline), "gate", "pdf_ir_ready", False)
        self.queue(lambda job: job.status == "waiting" and job.pipeline == pipeline)

    @precondition(lambda self: any(is_failure(job.status) for job in self.jobs.values()))
    @rule()
    def retry(self) -> None:
        with self.ledger.begin() as cx:
            self.ledger.jobs.requeue_failed(cx, sorted(self.jobs))
        self.queue(lambda job: is_failure(job.status))

    @rule(worker=WORKERS)
    def beat(self, worker: str) -> None:
        row = {"worker": self.name(worker), "host": "elsewhere", "pid": 1, "lease_expires_at": 9e9}
        with self.ledger.begin() as cx:
            cx.execute(self.ledger.database.upsert(workers, "worker"), [row])
        self.alive.add(worker)

    @precondition(lambda self: self.alive)
    @rule(worker=WORKERS)
    def expire(self, worker: str) -> None:
        with self.ledger.begin() as cx:
            cx.execute(workers.update().where(workers.c.worker == self.name(worker)).values(lease_expires_at=0.0))
        self.alive.discard(worker)

    @precondition(lambda self: any(job.status == "running" for job in self.jobs.values()))
    @rule()
    def recover(self) -> None:
        lost = [job for job in self.jobs.values() if job.status == "running" and job.owner not in self.alive]
        assert self.ledger.recover() == len([job for job in lost if not self.outdated(job)])
        self.queue(lambda job: job in lost)

    @rule(document=DOCUMENTS)
    @precondition(lambda self: self.documents)
    def delete(self, document: str) -> None:
        if document not in self.documents:
            return
        with self.ledger.begin() as cx:
            self.ledger.jobs.supersede(cx, self.example, document)
            self.ledger.documents.bury(cx, self.example, document)
        number = self.documents[document].generation + 1
        self.documents[document] = Shown(generation=number, active=number, deleted=True)
        for job in self.jobs.values():
            if job.document == document and job.status != "completed":
                job.status, job.owner = "superseded", None

    # ── what follows in the model ───────────────────────────────────────────────────────────────────────────────────

    def name(self, what: str) -> str:
        return f"{self.example}-{what}"

    def end(self, worker: str, action: Callable[[Any, list[Job]], None]) -> list[str]:
        """Let a worker end what it still holds of what it came to believe it holds, oldest belief first."""
        ended: list[str] = []
        for job in self.believed.pop(worker, []):
            model = self.jobs[job.job]
            truly = (model.status, model.owner, model.token) == ("running", worker, job.lease_token)
            with self.ledger.begin() as cx:
                held = self.ledger.jobs.held(cx, self.name(worker), {job.job: job.lease_token})
                assert held == ({job.job} if truly else set())
                action(cx, [job] if held else [])
            ended += sorted(held)
        return ended

    def outdated(self, job: Model) -> bool:
        return any(
            (other.document, other.pipeline) == (job.document, job.pipeline) and other.generation > job.generation
            for other in self.jobs.values()
        )

    def queue(self, chosen: Callable[[Model], bool]) -> None:
        for job in [each for each in self.jobs.values() if chosen(each)]:
            job.status, job.owner = "superseded" if self.outdated(job) else "queued", None

    def replace_older(self, document: str, pipeline: str, generation: int, live: tuple[str, ...]) -> None:
        for job in self.jobs.values():
            older = (job.document, job.pipeline) == (document, pipeline) and job.generation < generation
            if older and (job.status in live or is_failure(job.status)):
                job.status, job.owner = "superseded", None

    def show(self, build: str, job: Model) -> None:
        shown = self.documents[job.document]
        writes = WRITES[job.pipeline]
        if shown.active <= job.generation:
            same = shown.content == job.content
            shown.index = build
            shown.graph = build if "graph" in writes else (shown.graph if same else None)
            shown.active, shown.content, shown.deleted = job.generation, job.content, False
        elif shown.content == job.content:
            shown.index = shown.index or build
            shown.graph = shown.graph or (build if "graph" in writes else None)

    # ── what always holds ───────────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def the_ledger_holds_what_the_model_holds(self) -> None:
        columns = (jobs.c.job, jobs.c.status, jobs.c.lease_owner, jobs.c.lease_token, jobs.c.segment, jobs.c.generation)
        with self.ledger.read() as cx:
            rows = [tuple(row) for row in cx.execute(select(*columns).where(jobs.c.tenant == self.example))]
            found = self.ledger.documents.get(cx, self.example, ["a", "b"])
        assert sorted(rows) == sorted(
            (name, job.status, job.owner and self.name(job.owner), job.token, job.segment, job.generation)
            for name, job in self.jobs.items()
        )
        assert self.documents == {
            name: Shown(
                row.generation,
                row.active_generation,
                row.active_hash,
                row.index_build,
                row.graph_build,
                row.deleted_at is not None,
            )
            for name, row in found.items()
        }

    def teardown(self) -> None:
        with self.ledger.begin() as cx:
            cx.execute(delete(workers))
            cx.execute(jobs.update().where(jobs.c.status == "running").values(status="superseded", lease_owner=None))


def test_the_ledger_behaves_as_its_model(ledger: Ledger) -> None:
    machine = type("Machine", (LedgerMachine,), {"ledger": ledger})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]  # Hypothesis' stubs leave it untyped
        machine,
        settings=settings(
            max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("queued", "completed"),
        ("queued", "parse_failed"),
        ("waiting", "running"),
        ("completed", "queued"),
        ("completed", "superseded"),
        ("superseded", "queued"),
        ("parse_failed", "running"),
        ("parse_failed", "completed"),
    ],
)
def test_a_state_leads_to_no_other_than_its_own(before: str, after: str) -> None:
    assert not leads_to(before, after)
