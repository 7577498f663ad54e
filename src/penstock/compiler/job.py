"""Plan → Dagster job: one job a segment, one op a stage, named as in the YAML.

Ops pass a small manifest (counts); what stages give each other goes through the artifact store. Op definitions are
shared by stage type and aliased: Dagster wants their names unique in a code location, and builds shared ones once.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from dagster import (
    DependencyDefinition,
    Field,
    GraphDefinition,
    In,
    InitLoggerContext,
    JobDefinition,
    LoggerDefinition,
    MetadataValue,
    MultiDependencyDefinition,
    NodeInvocation,
    OpDefinition,
    OpExecutionContext,
    Out,
    Output,
    ResourceDefinition,
    in_process_executor,
    mem_io_manager,
)

from penstock.compiler.lost_runs import DIGEST_TAG
from penstock.compiler.metadata import stage_metadata
from penstock.compiler.session import RESOURCE, Session
from penstock.plan.topology import PlannedStage, Topology
from penstock.registry import stage_type

_STAGE_METADATA = "penstock_stage"


def job_name(pipeline: str, segment: int = 0, gate: str | None = None, digest: str | None = None) -> str:
    """What a pipeline's job is called in Dagster: `auto_pipeline_job`, `pdf_two_phase_job`, and after a gate
    `pdf_two_phase_after_pdf_gate_job`. A version that is no longer in the YAML bears its digest."""
    stem = op_name(pipeline)
    stem = stem if "_" in stem else f"{stem}_pipeline"
    if segment:
        stem += f"_after_{op_name(gate or str(segment))}"
    return f"{stem}_job" + (f"_{digest[:8]}" if digest else "")


def op_name(stage: str) -> str:
    """What a stage is called in Dagster, whose names have no hyphens."""
    return stage.replace("-", "_").replace(".", "_")


def run_config(batch: str = "", console: str = "ERROR") -> dict[str, Any]:
    """The run config of a job: the batch it takes, and a console that says only what went wrong.

    Dagster uses a job's loggers only where the run config names them.
    """
    resources = {"resources": {RESOURCE: {"config": {"batch": batch}}}} if batch else {}
    return {"loggers": {"console": {"config": {"level": console}}}, **resources}


def gate_before(topology: Topology, segment: int) -> PlannedStage | None:
    """The gate that a segment stands behind."""
    return topology.gate_after(segment - 1) if segment else None


def compile_job(
    topology: Topology, segment: int, session: ResourceDefinition | None = None, *, superseded: bool = False
) -> JobDefinition:
    """The Dagster job of one segment of a pipeline version.

    Args:
        session: the resource that claims the batch; left out where the run is given its session in process.
        superseded: the version is no longer in the YAML; its name bears the digest.
    """
    stages = list(topology.segment(segment))
    gate = topology.gate_after(segment)
    nodes = {op_name(stage.name): stage for stage in stages}
    if gate is not None:
        nodes[op_name(gate.name)] = gate
    dependencies: dict[NodeInvocation, Mapping[str, Any]] = {}
    definitions: dict[str, OpDefinition] = {}
    for alias, stage in nodes.items():
        before = [op_name(name) for name in stage.depends_on if op_name(name) in nodes]
        definition = _op(stage.type, bool(before))
        definitions[definition.name] = definition
        invocation = NodeInvocation(definition.name, alias=alias, tags=_op_tags(stage))
        sources = [DependencyDefinition(name, "manifest") for name in before]
        dependencies[invocation] = {"before": MultiDependencyDefinition(list(sources))} if sources else {}
    before_gate = gate_before(topology, segment)
    name = job_name(
        topology.pipeline, segment, before_gate.name if before_gate else None, topology.digest if superseded else None
    )
    resources: dict[str, Any] = {"io_manager": mem_io_manager}
    resources[RESOURCE] = session or ResourceDefinition.hardcoded_resource(Session(None))
    return GraphDefinition(name, node_defs=list(definitions.values()), dependencies=dependencies).to_job(
        description=_description(topology, segment),
        resource_defs=resources,
        executor_def=in_process_executor,
        logger_defs={"console": quiet_console},
        tags=_job_tags(topology, segment),
        metadata={
            "pipeline": MetadataValue.text(topology.pipeline),
            "version": MetadataValue.text(topology.version),
            "digest": MetadataValue.text(topology.digest),
            "stages": MetadataValue.md(_stage_table(topology, segment)),
        },
    )


@cache
def _op(kind: str, has_input: bool) -> OpDefinition:
    def compute(context: OpExecutionContext, inputs: Mapping[str, Any]) -> Iterator[Output[Mapping[str, Any]]]:
        session: Session = getattr(context.resources, RESOURCE)
        stage = context.op_handle.name
        if kind == "Gate":
            waiting = session.waiting
            context.log.info("%d documents wait at `%s`", waiting, stage)
            yield Output({"waiting": waiting}, "manifest", metadata={"waiting": MetadataValue.int(waiting)})
            return
        outcome = session.run(_declared_name(session, stage))
        summary = "%s: %d executed, %d reused, %d failed in %.1f s"
        context.log.info(summary, stage, outcome.executed, outcome.reused, outcome.failed, outcome.seconds)
        batch = session.batch
        manifest = {
            "batch": batch.batch if batch else "",
            "documents": len(batch.jobs) if batch else 0,
            "failed": outcome.failed,
        }
        yield Output(manifest, "manifest", metadata=stage_metadata(outcome))

    summary = (
        "lets documents through when a field of the ledger says so" if kind == "Gate" else stage_type(kind).summary
    )
    return OpDefinition(
        compute,
        name=f"{kind}" if has_input else f"{kind}_first",
        ins={"before": In(list)} if has_input else {},
        outs={"manifest": Out(dict)},
        description=f"{kind}: {summary}",
        required_resource_keys={RESOURCE},
        tags={"penstock/type": kind},
    )


def _declared_name(session: Session, alias: str) -> str:
    if session.batch is None:
        return alias
    return next(stage.name for stage in session.batch.stages if op_name(stage.name) == alias)


def _op_tags(stage: PlannedStage) -> dict[str, str]:
    tags = {"penstock/stage": stage.name}
    if stage.gate is None:
        tags |= {"penstock/uses": stage.uses, "penstock/policy": stage.policy.name}
    return tags


def _job_tags(topology: Topology, segment: int) -> dict[str, str]:
    return {
        "penstock/pipeline": topology.pipeline,
        "penstock/version": topology.version,
        DIGEST_TAG: topology.digest,
        "penstock/segment": str(segment),
    }


def _description(topology: Topology, segment: int) -> str:
    where = f" (segment {segment + 1} of {topology.segments})" if topology.segments > 1 else ""
    text = f"{topology.description}{where}\n\nVersion {topology.version}, digest `{topology.digest}`."
    declared = re.sub(r"\A(?:#.*\n|\s*\n)+", "", topology.yaml).rstrip()  # what stands above is for editors and authors
    return f"{text}\n\n```yaml\n{declared}\n```" if declared else text


def _stage_table(topology: Topology, segment: int) -> str:
    rows = [
        f"| `{s.name}` | {s.type} | `{s.uses}` | `{s.policy.name}` | {s.input or ''} |"
        for s in topology.segment(segment)
    ]
    return "\n".join(["| stage | type | adapter | policy | input from |", "|---|---|---|---|---|", *rows])


def _console(context: InitLoggerContext) -> logging.Logger:
    logger = logging.getLogger("penstock.dagster")
    logger.setLevel(context.logger_config["level"])
    return logger


quiet_console = LoggerDefinition(
    _console,
    config_schema={"level": Field(str, default_value="ERROR")},
    description="What goes to the console of the process; progress and reports are Penstock's own.",
)
