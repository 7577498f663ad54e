"""A pipeline as Dagster jobs: names, graph, tags, what the UI shows; and a run of each kind."""

from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, JobDefinition, MetadataValue, TableMetadataValue
from tests.unit.execution.scene import (
    FULL,
    GATED,
    INGEST,
    PARSE,
    SMALL,
    Scene,
    gate,
    pipeline,
    stage,
)

from penstock.compiler.job import compile_job, job_name, op_name, run_config
from penstock.compiler.metadata import histogram, stage_metadata
from penstock.compiler.session import session_resource
from penstock.errors import RejectedError
from penstock.execution.report import StageOutcome
from penstock.execution.workspace import Workspace
from penstock.ledger.tables import batches
from penstock.plan.load import load_topology
from penstock.plan.topology import Topology

CONFIG = Path(__file__).parents[3] / "config"


def edges(job: JobDefinition) -> dict[str, list[str]]:
    """What each op waits for."""
    wiring = job.graph.dependency_structure
    return {
        node.name: sorted(output.node_name for output in wiring.all_upstream_outputs_from_node(node.name))
        for node in job.nodes
    }


def launched(scene: Scene, topology: Topology, segment: int = 0) -> JobDefinition:
    """The job as Dagster's daemon launches it: it opens the home and claims its batch by itself."""
    again = Workspace(scene.home, scene.workspace.config, scene.workspace.profile)
    return compile_job(topology, segment, session_resource(lambda: again, topology, segment))


def run(job: JobDefinition, instance: DagsterInstance, batch: str = "", **more: Any) -> Any:
    return job.execute_in_process(instance=instance, run_config=run_config(batch), raise_on_error=False, **more)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("auto",), "auto_pipeline_job"),
        (("pdf-two-phase",), "pdf_two_phase_job"),
        (("pdf-two-phase", 1, "pdf_gate"), "pdf_two_phase_after_pdf_gate_job"),
        (("auto", 1), "auto_pipeline_after_1_job"),
        (("auto", 0, None, "0123456789abcdef"), "auto_pipeline_job_01234567"),
    ],
)
def test_jobs_are_named_after_their_pipeline(arguments: tuple[Any, ...], name: str) -> None:
    assert job_name(*arguments) == name


def test_the_shipped_pipelines_are_compiled_as_they_are_declared() -> None:
    auto = load_topology(CONFIG, "tiny", "auto")
    job = compile_job(auto, 0)
    assert job.name == "auto_pipeline_job"
    assert edges(job) == {stage.name: sorted(stage.depends_on) for stage in auto.stages}
    two_phase = load_topology(CONFIG, "tiny", "pdf-two-phase")
    jobs = [compile_job(two_phase, segment) for segment in range(two_phase.segments)]
    assert [job.name for job in jobs] == ["pdf_two_phase_job", "pdf_two_phase_after_pdf_gate_job"]
    assert edges(jobs[0]) == {"ingest": [], "download_pdf": ["ingest"], "pdf_gate": ["download_pdf"]}
    assert edges(jobs[1]) == {
        "chunk": [],
        "embed": ["chunk"],
        "index": ["embed"],
        "extract": ["index"],
        "kg": ["extract"],
    }


def test_branches_and_names_with_hyphens_are_kept_as_they_are() -> None:
    topology = pipeline(
        INGEST,
        PARSE,
        stage("left-hand", "Chunk", "parse"),
        stage("right.hand", "Extract", "parse"),
        stage("both", "Validate", "parse", depends_on=("left-hand", "right.hand")),
        name="branched",
    )
    assert edges(compile_job(topology, 0)) == {
        "ingest": [],
        "parse": ["ingest"],
        "left_hand": ["parse"],
        "right_hand": ["parse"],
        "both": ["left_hand", "right_hand"],
    }
    assert op_name("left-hand") == "left_hand"


def test_a_job_says_which_pipeline_version_it_is() -> None:
    topology = Topology(
        pipeline="toys", version="1.0 beta!", stages=SMALL.stages, description="A toy.", yaml="name: toys\n"
    )
    job = compile_job(topology, 0)
    assert dict(job.tags) == {
        "penstock/pipeline": "toys",
        "penstock/version": "1.0 beta!",
        "penstock/digest": topology.digest,
        "penstock/segment": "0",
    }
    assert job.description == (f"A toy.\n\nVersion 1.0 beta!, digest `{topology.digest}`.\n\n```yaml\nname: toys\n```")
    assert job.metadata["version"] == MetadataValue.text("1.0 beta!")
    table = job.metadata["stages"].value
    assert isinstance(table, str)
    assert table.splitlines()[2] == "| `ingest` | IngestStage | `toy` | `quick` |  |"
    node = job.get_node_named("parse")
    assert dict(node.tags) == {
        "penstock/type": "ParseStage",
        "penstock/stage": "parse",
        "penstock/uses": "toy",
        "penstock/policy": "quick",
    }
    assert node.definition.description == "ParseStage: reads raw payloads into the IR"
    assert "segment 2 of 2" in (compile_job(GATED, 1).description or "")


def test_ops_of_many_pipelines_live_in_one_code_location() -> None:
    jobs = [compile_job(topology, 0) for topology in (SMALL, FULL, GATED)]
    ops = [node.definition for job in jobs for node in job.nodes]
    assert len({op.name for op in ops}) == len({id(op) for op in ops})


# ── what the UI shows of a stage ────────────────────────────────────────────────────────────────────────────────────


def test_a_table_tells_what_failed_and_why(scene: Scene, toys: Any, instance: DagsterInstance) -> None:
    def fail(ctx: Any, value: Any) -> None:
        if ctx.doc_id == "file:b.txt":
            raise RejectedError("no text")

    scene.write(a="aspirin", b="bread", c="cocoa")
    toys.on["parse"] = fail
    scene.submit()
    result = run(launched(scene, SMALL), instance)
    assert result.success, "a document's failure is not the run's"
    output = next(each for each in result.all_events if each.is_successful_output and each.step_key == "parse")
    metadata = output.step_output_data.metadata
    assert [metadata[name].value for name in ("executed", "reused", "failed", "outputs")] == [2, 0, 1, 2]
    failures = metadata["failures"]
    assert isinstance(failures, TableMetadataValue)
    assert [record.data for record in failures.records] == [
        {
            "document": "file:b.txt",
            "status": "parse_failed",
            "error": "RejectedError",
            "message": "no text",
            "attempts": 1,
        }
    ]
    assert result.output_for_node("parse", "manifest") == {
        "batch": scene_batch(scene),
        "documents": 2,
        "failed": 1,
    }


def scene_batch(scene: Scene) -> str:
    with scene.ledger.read() as cx:
        return str(cx.execute(batches.select()).one().batch)


def test_only_what_there_is_to_say_is_said() -> None:
    idle = stage_metadata(StageOutcome("parse", "ParseStage", reused=3))
    assert set(idle) == {"executed", "reused", "failed", "seconds"}
    busy = StageOutcome("parse", "ParseStage", executed=4, skipped=1, retries=2, outputs=9, seconds=2.0)
    busy.durations += [0.1, 0.2, 0.2, 0.9]
    shown = stage_metadata(busy)
    assert [shown[name].value for name in ("skipped", "retries", "outputs", "documents_per_second")] == [1, 2, 9, 2.0]
    assert "durations" in shown


def test_durations_are_drawn_as_bars() -> None:
    assert histogram([0.0, 0.001, 0.008]) == (
        "```\n"
        "      0.0 –       1.0 ms │ ████████████████████████ 1\n"
        "      1.0 –       2.0 ms │ ████████████████████████ 1\n"
        "      7.0 –       8.0 ms │ ████████████████████████ 1\n"
        "```"
    )
    assert histogram([0.002, 0.002]).count("\n") == 2


# ── gates ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_at_a_gate_a_run_ends_and_the_documents_wait_as_rows(
    scene: Scene, toys: Any, instance: DagsterInstance
) -> None:
    waits = pipeline(*GATED.stages[:2], gate("gate", "fetch", "more"), GATED.stages[3], name="gated")
    scene.write(a="aspirin", b="bread")
    scene.submit(waits)
    result = run(launched(scene, waits), instance)
    assert result.success
    assert result.output_for_node("gate", "manifest") == {"waiting": 2}
    assert scene.statuses() == {"a": "waiting", "b": "waiting"}
    assert [each["type"] for each in scene.workspace.resources.events.read()][-2:] == [
        "org.medicalkg.orchestration.job.waiting"
    ] * 2
