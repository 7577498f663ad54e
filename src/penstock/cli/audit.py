"""The command that compares: audit."""

import os
from contextlib import closing
from typing import Annotated, Any

import typer

from penstock.cli import console
from penstock.cli.settings import settings

Json = Annotated[bool, typer.Option("--json", help="One JSON value on stdout, for scripts.")]

_COUNTS = ("expected", "found", "missing", "extra", "stale")
_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(audit)


def audit(json: Json = False) -> None:
    """Compare the ledger with every store: is all there that queries should see, and nothing else?

    Events that are owed are sent first. Ends with 1 where there is a difference.

    Example: `penstock audit`
    """
    from penstock.audit import audit as compare
    from penstock.audit import faults_of_ledger

    with closing(settings.workspace()) as workspace:
        if faults_of_ledger(workspace):
            pass  # nothing can be sent from a ledger that is damaged; the report says so
        elif workspace.existing_ledger is None:
            console.note(f"`{settings.home}` holds nothing yet; next: penstock run auto --input PATH")
        elif not os.access(settings.home, os.W_OK):
            console.note(f"`{settings.home}` cannot be written: events that are owed are not sent first")
        else:
            workspace.send_events()
        report = compare(workspace)
    if json:
        console.write_json(report)
    else:
        _show(report)
    raise typer.Exit(0 if report["consistent"] else 1)


def _show(report: dict[str, Any]) -> None:
    rows = [(name, *(count[each] for each in _COUNTS)) for name, count in report["stores"].items()]
    console.table(["store", *_COUNTS], rows, right=frozenset(_COUNTS))
    documents = report["documents"]
    console.write(f"\n{documents['active']} documents active, {documents['deleted']} deleted")
    if left := sum(report["leftovers"].values()):
        console.write(f"{left} files that nothing refers to, left by what died or is at work: penstock repair")
    if report["consistent"]:
        console.write("consistent: every store holds what the ledger says, and nothing else is visible")
        return
    for each in report["differences"][:_SHOWN]:
        whose = " ".join(filter(None, (each["tenant"], each["document"])))
        console.write(f"  {each['store']}: {each['what']} {each['item']}" + (f" ({whose})" if whose else ""))
    total = sum(count[each] for count in report["stores"].values() for each in ("missing", "extra", "stale"))
    if total > _SHOWN:
        console.write(f"  … {total - _SHOWN} more: penstock audit --json")
    for fault in report["faults"]:
        console.write(f"  {fault}")
    console.write("not consistent: " + (f"{total} differences" if total or not report["faults"] else "see above"))
    console.note("next: penstock repair")
