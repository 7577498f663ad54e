"""The command that mends: repair."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli import console
from penstock.cli.settings import settings

if TYPE_CHECKING:
    from penstock.audit.mend import Repair
    from penstock.execution.workspace import Workspace

_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(repair)


def repair(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    tenant: Annotated[str | None, typer.Option(help="Mend only what is this tenant's.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON value on stdout, for scripts.")] = False,
) -> None:
    """Mend what an audit names, from the ledger and the raw store; what is damaged is set aside, not thrown away.

    Documents whose index, vectors, graph or outputs are damaged go through their pipeline again; what there was of
    them is served until then. Safe while others work, and to be run again. Ends with 1 where something is left.

    Example: `penstock repair --dry-run`
    """
    from penstock.audit.mend import repair as mend

    with closing(settings.workspace()) as workspace:
        found = mend(workspace, lambda jobs: _run(workspace, jobs), tenant=tenant, dry_run=dry_run)
    if json:
        console.write_json(found.to_json())
    else:
        _show(found)
    raise typer.Exit(1 if found.unmended else 0)


def _run(workspace: "Workspace", jobs: Sequence[str]) -> None:
    """Take jobs to their end, through Dagster, pipeline version after pipeline version."""
    from penstock.compiler.launch import Launcher

    with workspace.ledger.read() as cx:
        versions = {job.job: job.topology for job in workspace.ledger.jobs.get(cx, jobs).values()}
    for digest in sorted(set(versions.values())):
        Launcher(workspace, workspace.topology(digest)).run([job for job in jobs if versions[job] == digest])


def _show(found: "Repair") -> None:
    if not found.mended and not found.unmended:
        console.write("nothing to mend: every store holds what the ledger says")
        return
    would = "would be " if found.dry_run else ""
    if found.salvage:
        rows = sum(found.salvage.rows.values())
        console.write(f"ledger: {rows:,} rows salvaged; the damaged file is in {found.salvage.aside}")
        if found.salvage.incomplete:
            console.write(f"  not all could be read of: {', '.join(found.salvage.incomplete)}")
            console.write("  next: penstock run … with your inputs finds again what is lost")
    counts = Counter((each.store, each.what, f"{would}{each.action}") for each in found.mended)
    table = [(store, what, count, action) for (store, what, action), count in counts.items()]
    console.table(["store", "found", "count", "action"], table, right=frozenset({"count"}))
    for each in found.unmended[:_SHOWN]:
        whose = " ".join(filter(None, (each.tenant, each.document)))
        console.write(f"  {each.store}: {each.what} {each.item}" + (f" ({whose})" if whose else ""))
        console.write(f"    {each.action}")
        console.write(f"    next: {each.next}")
    if len(found.unmended) > _SHOWN:
        console.write(f"  … {len(found.unmended) - _SHOWN} more: penstock repair --json")
    if found.dry_run:
        console.note("next: penstock repair")
    elif found.unmended:
        console.write(f"{len(found.mended)} mended, {len(found.unmended)} left")
    else:
        console.write(f"{len(found.mended)} mended; every store holds what the ledger says")
