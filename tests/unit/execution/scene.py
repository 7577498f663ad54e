"""A home, a folder of documents, pipelines of toy stages, and what tests do with them over and over."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from penstock.events.cloudevents import render
from penstock.events.facts import decode
from penstock.execution.batch import BatchRun, claim_batch
from penstock.execution.report import StageOutcome
from penstock.execution.runner import run_stage
from penstock.execution.submit import Submission, submit
from penstock.execution.workspace import Workspace
from penstock.ledger.jobs import Job
from penstock.ledger.workers import Worker
from penstock.plan.topology import GateRule, PlannedStage, Policy, Topology
from penstock.spec.profile import BatchSpec, LedgerSpec, ProfileSpec

PLUGIN = Path(__file__).parent / "plugin"
TENANT = "default"
QUICK = Policy(name="quick", max_attempts=3, timeout_seconds=20.0)

Stage = Callable[..., PlannedStage]


def stage(name: str, kind: str, after: str | None = None, uses: str = "toy", **more: Any) -> PlannedStage:
    """A stage of type `<kind>Stage` that takes the output of `after`."""
    values = {"policy": QUICK, "depends_on": (after,) if after else ()} | more
    return PlannedStage(name=name, type=f"{kind}Stage", uses=uses, input=after, code_version="1", **values)


def gate(
    name: str, after: str, resume: str, field: str = "pdf_ir_ready", segment: int = 0, equals: Any = True, **more: Any
) -> PlannedStage:
    rule = GateRule(ledger_field=field, equals=equals, resume_stage=resume, **more)
    return PlannedStage(name=name, type="Gate", gate=rule, depends_on=(after,), input=after, segment=segment)


def pipeline(*stages: PlannedStage, name: str = "toys", version: str = "1.0", **more: Any) -> Topology:
    return Topology(pipeline=name, version=version, stages=stages, **more)


INGEST = stage("ingest", "Ingest")
PARSE = stage("parse", "Parse", "ingest")
CHUNK = stage("chunk", "Chunk", "parse")
EMBED = stage("embed", "Embed", "chunk")
INDEX = stage("index", "Index", "embed")
EXTRACT = stage("extract", "Extract", "parse")
GRAPH = stage("graph", "KG", "extract", uses="store")
SMALL = pipeline(INGEST, PARSE, CHUNK)
FULL = pipeline(INGEST, PARSE, CHUNK, EMBED, INDEX, EXTRACT, GRAPH)
GRAPH_ONLY = pipeline(INGEST, PARSE, EXTRACT, GRAPH, name="facts")
INDEX_ONLY = pipeline(INGEST, PARSE, CHUNK, EMBED, INDEX, name="words")
GATED = pipeline(
    INGEST,
    stage("fetch", "Download", "ingest"),
    gate("gate", "fetch", "more", field="pdf_downloaded"),
    stage("more", "Parse", "ingest", segment=1),
    name="gated",
)


class Scene:
    """A home with a worker or two."""

    def __init__(
        self, folder: Path, isolation: Literal["process", "inline"] = "inline", url: str | None = None
    ) -> None:
        self.url = url
        self.home = folder / "home"
        self.documents = folder / "documents"
        self.documents.mkdir(exist_ok=True)
        ledger = LedgerSpec(url=url)
        profile = ProfileSpec(name="toys", batch=BatchSpec(documents=50), isolation=isolation, ledger=ledger)
        self.workspace = Workspace(self.home, folder / "config", profile)
        self.ledger = self.workspace.ledger

    def write(self, **texts: str) -> None:
        """Documents by name, without `.txt`."""
        for name, text in texts.items():
            (self.documents / f"{name}.txt").write_text(text)

    def submit(self, topology: Topology = SMALL, *targets: str, tenant: str = TENANT) -> Submission:
        return submit(self.workspace, topology, targets or [str(self.documents)], tenant=tenant)

    @contextmanager
    def batch(self, topology: Topology = SMALL, segment: int = 0, **more: Any) -> Iterator[BatchRun]:
        """What is queued, claimed by a worker of its own, which gives it back in the end."""
        with self.worker() as worker:
            yield self.claim(worker, topology, segment, **more)

    @contextmanager
    def another(self) -> Iterator["Scene"]:
        """The same home, as another process would open it."""
        other = Scene(self.home.parent, url=self.url)
        yield other
        other.workspace.close()

    def worker(self) -> Worker:
        return self.ledger.worker(60)

    def claim(self, worker: Worker, topology: Topology = SMALL, segment: int = 0, **more: Any) -> BatchRun:
        found = claim_batch(self.workspace, worker, topology, segment, run_id="run-1", **more)
        assert found is not None
        return found

    def run(self, topology: Topology = SMALL, segment: int = 0) -> dict[str, StageOutcome]:
        """Submit the documents and take what is queued through a segment."""
        if segment == 0:
            self.submit(topology)
        return self.go_on(topology, segment)

    def go_on(self, topology: Topology = SMALL, segment: int = 0) -> dict[str, StageOutcome]:
        """Take what is queued through a segment, as one batch."""
        with self.batch(topology, segment) as batch:
            return run_batch(batch)

    def jobs(self, name: str, tenant: str = TENANT) -> list[Job]:
        """All jobs of a document, newest first."""
        with self.ledger.read() as cx:
            return self.ledger.jobs.of_document(cx, tenant, f"file:{name}.txt")

    def job(self, name: str) -> Job:
        return self.jobs(name)[0]

    def statuses(self) -> dict[str, str]:
        """The state of each document's newest job, by the document's name."""
        names = [path.stem for path in sorted(self.documents.iterdir())]
        return {name: self.job(name).status for name in names}

    def stage_runs(self, name: str) -> dict[str, dict[str, Any]]:
        job = self.job(name).job
        with self.ledger.read() as cx:
            return {run["stage"]: run for run in self.ledger.stage_runs.of(cx, [job])[job]}

    def document(self, name: str) -> Any:
        full = f"file:{name}.txt"
        with self.ledger.read() as cx:
            return self.ledger.documents.get(cx, TENANT, [full])[full]

    def events(self) -> list[dict[str, Any]]:
        """Every event that the outbox holds, sent or not."""
        with self.ledger.read() as cx:
            rows = list(self.ledger.outbox.all(cx))
        return [event for sequence, at, facts in rows for event in render(decode(facts), sequence, at, "toy")]

    def told(self, name: str, *kinds: str) -> list[tuple[str, str]]:
        """(type, stage) of the events about a document."""
        found = [event for event in self.events() if event["subject"] == f"file:{name}.txt"]
        pairs = [(event["type"].removeprefix("toy."), event["data"].get("stage", "")) for event in found]
        return [pair for pair in pairs if not kinds or pair[0] in kinds]

    def packs(self, stage: str, name: str) -> Path:
        """The file that holds what a stage gave for a document."""
        key = self.stage_runs(name)[stage]["work_key"]
        with self.ledger.read() as cx:
            (row,) = self.ledger.artifacts.find(cx, [key]).values()
        (path,) = (self.home / "artifacts").rglob(f"{row.pack}.pack")
        return path

    def raw(self, name: str) -> Path:
        (path,) = (self.home / "raw").rglob(self.job(name).content_hash)
        return path

    def chunks(self, name: str) -> list[str]:
        """The texts of the document's visible chunks."""
        build = self.document(name).index_build
        return [each.text for each in self.workspace.resources.lexical.build_chunks(TENANT, build)] if build else []

    def entities(self, name: str) -> list[str]:
        """The names of the document's visible entities."""
        build = self.document(name).graph_build
        return [each.name for each in self.workspace.resources.graph.facts(TENANT, build).entities] if build else []


def run_batch(batch: BatchRun, stop_before: str = "") -> dict[str, StageOutcome]:
    """The outcomes by stage; those of stages that were executed again are added."""
    outcomes: dict[str, StageOutcome] = {}
    for each in batch.stages:
        if each.name == stop_before:
            break
        outcomes[each.name] = run_stage(batch, each)
        for again in batch.recomputed:
            outcomes[again.stage].add(again)
        batch.recomputed.clear()
    return outcomes


def counts(outcomes: dict[str, StageOutcome]) -> dict[str, tuple[int, int, int]]:
    """(executed, reused, failed) by stage."""
    return {name: (each.executed, each.reused, each.failed) for name, each in outcomes.items()}


def names(documents: Sequence[str]) -> list[str]:
    return [each.removeprefix("file:").removesuffix(".txt") for each in documents]
