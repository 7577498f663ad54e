"""Commands that do work: plan, run, submit, retry, delete."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli import console
from penstock.cli.settings import settings
from penstock.errors import UsageError

if TYPE_CHECKING:
    from penstock.execution.submit import Submission
    from penstock.execution.workspace import Workspace
    from penstock.plan.topology import Topology

Pipeline = Annotated[str, typer.Argument(help="The pipeline's name, as in `config/pipelines`.", show_default=False)]
Inputs = Annotated[
    list[str],
    typer.Option(
        "--input", "-i", help="A file, a folder, a quoted glob, or `packages:`; once or more.", show_default=False
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

    topology, workspace = _open(pipeline, tenant)
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
    json: Json = False,
) -> None:
    """Run a pipeline over documents now, through Dagster, and wait for the end.

    What is unchanged is not touched; run it again after any crash and it finishes what is unfinished.

    Example: `penstock run auto --input docs/ --input 'papers/*.xml'`
    """
    began = time.perf_counter()
    topology, workspace = _open(pipeline, tenant)
    from penstock.cli.progress import Display
    from penstock.events.relay import relay
    from penstock.execution.removal import prune as prune_documents
    from penstock.execution.submit import submit as submit_documents
    from penstock.execution.sweep import sweep

    with Display(topology) as display:
        display.say(f"looking for documents in {', '.join(inputs)}")
        submission = submit_documents(workspace, topology, inputs, tenant=tenant, source=source)
        deleted = prune_documents(workspace, tenant, inputs, submission.seen) if prune else []
        display.found(submission.total, submission.unchanged, len(submission.jobs))
        runs: list[str] = []
        stages: dict[str, Any] = {}
        try:
            if submission.jobs:
                from penstock.compiler.launch import Launcher

                launcher = Launcher(workspace, topology, display.stage)
                report = launcher.run(submission.jobs, display.batch)
                runs, stages = report.runs, report.stages
        finally:
            sweep(workspace)
            relay(workspace.ledger, workspace.resources.events, workspace.profile.events.type_prefix)
    result = _result(workspace, topology, submission, stages)
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

    topology, workspace = _open(pipeline, tenant)
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
    from penstock.events.relay import relay
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
    relay(workspace.ledger, workspace.resources.events, workspace.profile.events.type_prefix)
    if json:
        console.write_json({"deleted": deleted, "tenant": tenant})
    else:
        console.write(f"{len(deleted)} deleted" + (": " + ", ".join(deleted) if deleted else ""))
    workspace.close()


def _open(pipeline: str, tenant: str) -> "tuple[Topology, Workspace]":
    from penstock.execution.tenants import check_tenant

    check_tenant(tenant)
    return settings.topology(pipeline), settings.workspace()


def _nearest_document(ledger: Any, cx: Any, name: str) -> str | None:
    from penstock.errors import nearest

    return nearest(name, ledger.documents.nearest(cx))


def _result(
    workspace: "Workspace", topology: "Topology", submission: "Submission", stages: dict[str, Any]
) -> dict[str, Any]:
    from penstock.ledger.status import JobStatus, is_failure

    with workspace.ledger.read() as cx:
        jobs = workspace.ledger.jobs.get(cx, submission.jobs + submission.failed)
    failed = [job for job in jobs.values() if is_failure(job.status)]
    waiting = sum(job.status == JobStatus.WAITING for job in jobs.values())
    failures = [
        {
            "document": job.document,
            "stage": job.error_stage,
            "status": job.status,
            "error_type": job.error_type,
            "message": job.error_message,
        }
        for job in failed
    ]
    first = topology.stages[0].name
    for name, locator in submission.clashes:
        message = f"`{Path(locator).name}` has the same id as another document of the input, with other content"
        failures.append(
            {
                "document": name,
                "stage": first,
                "status": "rejected",
                "error_type": "DuplicateIdError",
                "message": message,
            }
        )
    total = submission.total
    return {
        "pipeline": topology.pipeline,
        "version": topology.version,
        "runs": [],
        "documents": {
            "total": total,
            "done": total - submission.unchanged - len(failures) - waiting,
            "unchanged": submission.unchanged,
            "failed": len(failures),
            "waiting": waiting,
            "deleted": 0,
        },
        "stages": [
            {
                "name": stage.name,
                "type": stage.type,
                "executed": stages[stage.name].executed if stages else 0,
                "reused": submission.unchanged + (stages[stage.name].reused if stages else 0),
                "failed": stages[stage.name].failed if stages else 0,
                "seconds": round(stages[stage.name].seconds, 3) if stages else 0.0,
            }
            for stage in topology.stages
            if stage.gate is None
        ],
        "failures": failures,
        "seconds": 0.0,
    }
