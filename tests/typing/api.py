"""What an adapter's author may rely on: type-checked by `make check`, never run."""

from pathlib import Path
from typing import Any, ClassVar, Protocol, assert_type

from pydantic import BaseModel, ConfigDict

import penstock
from penstock import (
    Chunk,
    ChunkStage,
    Contract,
    Document,
    Record,
    RejectedError,
    Resources,
    StageContext,
    StageType,
    TransientError,
)
from penstock.compiler.launch import Launcher
from penstock.execution.submit import Submission, submit
from penstock.execution.workspace import Workspace
from penstock.plan.load import load_topology
from penstock.plan.profiles import load_profile
from penstock.plan.topology import Topology
from penstock.stages.types import DOCUMENT


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    characters: int = 200


class Windows:
    """An adapter: satisfies its port by its shape alone."""

    settings_type: ClassVar[type[BaseModel]] = Settings
    version: ClassVar[str] = "1"

    def __init__(self, settings: Settings, resources: Resources) -> None:
        self._size = settings.characters
        self._home = resources.home

    def execute(self, ctx: StageContext, document: Document) -> list[Chunk]:
        if not document.text:
            raise RejectedError(f"`{ctx.doc_id}` holds no text")
        if ctx.attempt < 1:
            raise TransientError("the endpoint is busy", retry_after_seconds=1.5)
        return [
            Chunk(
                chunk_id=f"{ctx.doc_id}:{index}",
                document_id=ctx.doc_id,
                tenant_id=ctx.tenant_id,
                text=document.text[start : start + self._size],
                start=start,
                end=min(start + self._size, len(document.text)),
                index=index,
            )
            for index, start in enumerate(range(0, len(document.text), self._size))
        ]


class Summary(Record, frozen=True, kw_only=True):
    """An own record."""

    sentence: str


class SummaryStage(Protocol):
    """An own stage type's contract."""

    def execute(self, ctx: StageContext, document: Document) -> Summary: ...


SUMMARY = StageType(
    name="SummaryStage",
    protocol=SummaryStage,
    accepts=(DOCUMENT,),
    gives=Contract("Summary", Summary),
    failed_status="summary_failed",
    summary="says it in a sentence",
)


def make(resources: Resources) -> ChunkStage:
    """An adapter may stand where its port is asked for."""
    return Windows(Settings(), resources)


def run(home: Path, config: Path) -> None:
    """From a pipeline's name to documents done, without the command line."""
    topology = load_topology(config, "tiny", "auto")
    assert_type(topology, Topology)
    workspace = Workspace(home, config, load_profile(config, "tiny"))
    submission = submit(workspace, topology, ["docs"], tenant="default")
    assert_type(submission, Submission)
    assert_type(submission.jobs, list[str])
    report = Launcher(workspace, topology).run(submission.jobs)
    assert_type(report.runs, list[str])
    workspace.close()


def records(document: Document) -> None:
    """Records are typed and frozen."""
    assert_type(document.text, str)
    assert_type(document.sections, tuple[penstock.Section, ...])
    assert_type(document.metadata, dict[str, Any])
    document.text = "other"  # type: ignore[misc]  # the line must be an error
