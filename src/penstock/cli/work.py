"""Commands that do work: plan, run, submit, retry, delete."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli import console
from penstock.cli.settings import settings
from penstock.errors import UsageError

if TYPE_CHECKING:
    from penstock.execution.workspace import Workspace
    from penstock.plan.topology import Topology

Pipeline = Annotated[str, typer.Argument(help="The pipeline's name, as in `config/pipelines`.", show_default=False)]
Inputs = Annotated[
    list[str],
    typer.Option(
        "--input",
        "-i",
        help="A file, a folder, a quoted glob, `packages:` or `SOURCE:QUERY`; once or more.",
        show_default=False,
    ),
]
Source = Annotated[str, typer.Option(help="What the documents are, where content and name do not tell.")]
Tenant = Annotated[str, typer.Option(help="Whose documents these are; tenants never see each other's.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON value on stdout, for scripts.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (plan, run, submit, retry, delete):
        app.command()(command)


def plan(
    pipeline: Pipeline, inputs: Inputs, source: Source = "", tenant: Tenant = "default", json: Json = False
) -> None:
    """Say what a run would process, reuse and delete, and what it would cost. Writes nothing.

    Example: `penstock plan auto --input docs/`
    """
    from penstock.execution.preview import preview

    topology, workspace = _open(pipeline, tenant, source)
    found = preview(workspace, topology, inputs, tenant=tenant, source=source)
    stages = [
        {
            "name": stage.name,
            "type": stage.type,
            "uses": stage.uses,
            "execute": found.execute[stage.name],
            "reuse": found.reuse[stage.name],
        }
        for stage in topology.stages
        if stage.gate is None
    ]
    if json:
        console.write_json(
            {
                "pipeline": topology.pipeline,
                "version": topology.version,
                "digest": topology.digest,
                "documents": found.documents,
                "stages": stages,
                "estimate": {"bytes": found.bytes, "seconds": found.seconds},
            }
        )
        return
    counts = ", ".join(f"{n} {name}" for name, n in found.documents.items() if n or name != "failed")
    console.write(f"{topology.pipeline} {topology.version} ({topology.digest[:12]}): {counts}")
    rows = [[s["name"], s["type"], s["uses"], s["execute"], s["reuse"]] for s in stages]
    console.table(["stage", "type", "adapter", "execute", "reuse"], rows, right=frozenset({"execute", "reuse"}))
    seconds = "unknown before the first run" if found.seconds is None else f"about {found.seconds:.1f} s of stage time"
    console.write(f"estimate: {found.bytes / 1e6:.1f} MB to read, {seconds}")


def run(
    pipeline: Pipeline,
    inputs: Inputs,
    source: Source = "",
    tenant: Tenant = "default",
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete what the inputs once held and no longer hold.")
    ] = False,
    workers: Annotated[
        int,
        typer.Option(
            min=1,
            max=64,
            envvar="PENSTOCK_WORKERS",
            help="How many processes share the work, each with its own models.",
        ),
    ] = 1,
    json: Json = False,
) -> None:
    """Run a pipeline over documents now, through Dagster, and wait for the end.

    What is unchanged is not touched; run it again after any crash and it finishes what is unfinished.

    Example: `penstock run auto --input docs/ --input 'papers/*.xml'`
    """
    began = time.perf_counter()
    topology, workspace = _open(pipeline, tenant, source)
    from penstock.cli.progress import Display
    from penstock.compiler.lanes import Lanes
    from penstock.execution.removal import prune as prune_documents
    from penstock.execution.result import run_result
    from penstock.execution.submit import submit as submit_documents
    from penstock.execution.sweep import sweep

    with Lanes(workspace, topology, workers - 1) as lanes, Display(topology) as display:
        display.say(f"looking for documents in {', '.join(inputs)}")

        def queued(jobs: Sequence[str]) -> None:
            if jobs:  # the adapters are made while more is looked for
                workspace.stages.prepare(stage for stage in topology.stages if stage.gate is None)
            lanes.feed(jobs)

        submission = submit_documents(
            workspace, topology, inputs, tenant=tenant, source=source, afresh=prune, on_jobs=queued
        )
        deleted = prune_documents(workspace, tenant, inputs, submission.seen) if prune else []
        if submission.duplicates:
            display.say(f"{submission.duplicates} found more than once with the same content: each is taken once")
        display.found(submission.total, submission.unchanged, len(submission.jobs))
        lanes.watch(display.passed)
        runs: list[str] = []
        stages: dict[str, Any] = {}
        try:
            if submission.jobs:
                from penstock.compiler.launch import Launcher  # takes a second

                launcher = Launcher(workspace, topology, display.stage, lanes=lanes)

                def batch_ended(done: int, total: int) -> None:
                    display.batch(done, total)
                    workspace.send_events()

                report = launcher.run(submission.jobs, batch_ended)
                runs, stages = report.runs, report.stages
        finally:
            sweep(workspace)
            workspace.send_events()
    result = run_result(workspace, topology, submission, stages)
    result |= {"runs": runs, "seconds": round(time.perf_counter() - began, 3)}
    result["documents"]["deleted"] = len(deleted)
    if json:
        console.write_json(result)
    else:
        from penstock.cli.summary import summarise

        summarise(result, workspace, tenant)
    workspace.close()
    raise typer.Exit(1 if result["documents"]["failed"] else 0)


def submit(
    pipeline: Pipeline, inputs: Inputs, source: Source = "", tenant: Tenant = "default", json: Json = False
) -> None:
    """Put documents into the ledger; the sensor of a running `penstock up` takes them from there.

    Example: `penstock submit auto --input docs/`
    """
    from penstock.execution.submit import submit as submit_documents

    topology, workspace = _open(pipeline, tenant, source)
    found = submit_documents(workspace, topology, inputs, tenant=tenant, source=source)
    if json:
        value = {"submitted": len(found.jobs), "unchanged": found.unchanged, "failed": len(found.failed)}
        console.write_json(value | {"jobs": found.jobs})
    else:
        console.write(f"{len(found.jobs)} submitted, {found.unchanged} unchanged, {len(found.failed)} failed before")
        console.note("next: penstock up    (or, without a server: penstock run … with the same input)")
    workspace.close()


def retry(
    documents: Annotated[list[str] | None, typer.Argument(help="Documents; none: all that failed.")] = None,
    stage: Annotated[str, typer.Option(help="Only what failed at this stage.")] = "",
    error: Annotated[str, typer.Option(help="Only what failed with this error type or status.")] = "",
    since: Annotated[str, typer.Option(help="Only what failed since: `2026-01-31`, `2h`, `3d`.")] = "",
    from_stage: Annotated[
        str, typer.Option("--from", help="Compute again from this stage on, not only what failed.")
    ] = "",
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    json: Json = False,
) -> None:
    """Queue failed documents again, from where they stopped or from a stage. `run` or the sensor takes them on.

    Example: `penstock retry --stage parse --since 2h`
    """
    from penstock.execution.retry import retry as retry_documents

    workspace = settings.workspace()
    queued = retry_documents(
        workspace, documents or [], stage=stage, error=error, since=since, from_stage=from_stage, tenant=tenant
    )
    if json:
        console.write_json({"retried": len(queued), "jobs": [job.job for job in queued]})
    else:
        for job in queued:
            console.write(f"{job.document}  {job.pipeline}  was {job.status} at {job.error_stage}")
        console.write(f"{len(queued)} queued again")
        if queued:
            console.note("next: penstock run … with the same input, or penstock up")
    workspace.close()


def delete(
    documents: Annotated[list[str], typer.Argument(help="Documents, as in `source:external-id`.", show_default=False)],
    tenant: Tenant = "default",
    json: Json = False,
) -> None:
    """Delete documents: gone from every answer at once, then from every store. A tombstone stays.

    Example: `penstock delete file:guides/old.md`
    """
    from penstock.execution.removal import delete as delete_documents
    from penstock.execution.sweep import sweep

    workspace = settings.workspace()
    with workspace.look() as (ledger, cx):
        known = ledger.documents.get(cx, tenant, documents)
        unknown = [each for each in documents if each not in known]
        if unknown:
            raise (
                UsageError.unknown("document", unknown[0], [], hint="penstock status")
                if not (close := _nearest_document(ledger, cx, unknown[0]))
                else UsageError(f"no document is named `{unknown[0]}`; did you mean `{close}`?")
            )
    deleted = delete_documents(workspace, tenant, documents)
    sweep(workspace)
    workspace.send_events()
    if json:
        console.write_json({"deleted": deleted, "tenant": tenant})
    else:
        console.write(f"{len(deleted)} deleted" + (": " + ", ".join(deleted) if deleted else ""))
    workspace.close()


def _open(pipeline: str, tenant: str, source: str) -> "tuple[Topology, Workspace]":
    from penstock.execution.tenants import check_tenant

    check_tenant(tenant)
    from penstock.execution.releases import rolled_back

    declared = settings.topology(pipeline)
    workspace = settings.workspace()
    topology = rolled_back(workspace, declared)
    if topology.digest != declared.digest:
        console.note(f"{pipeline} is rolled back to version {topology.version} ({topology.digest[:12]})")
    if source:
        _check_source(topology, source)
    return topology, workspace


def _check_source(topology: "Topology", source: str) -> None:
    """Refuse a kind that the pipeline's ingest does not know, where it says which it knows."""
    from penstock import registry

    for stage in topology.stages:
        kinds = getattr(registry.adapter(stage.type, stage.uses), "kinds", ()) if stage.input is None else ()
        if kinds and source not in kinds:
            raise UsageError.unknown("source", source, kinds)


def _nearest_document(ledger: Any, cx: Any, name: str) -> str | None:
    from penstock.errors import nearest

    return nearest(name, ledger.documents.nearest(cx))
