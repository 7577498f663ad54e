"""What people see at the end of a run: counts by stage, what failed and why, what is there now, what to do next."""

import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.cli import console
from penstock.cli.settings import Settings, settings

if TYPE_CHECKING:
    from penstock.execution.workspace import Workspace

_FAILURES = 12
_COUNTED = 20_000
"""Above so many documents the receipts are not summed up: it would take longer than looking for changes did."""


def summarise(result: dict[str, Any], workspace: "Workspace", tenant: str) -> None:
    """The run's report for people; `result` is what `--json` prints."""
    documents = result["documents"]
    name = f"{result['pipeline']} {result['version']}"
    if documents["unchanged"] == documents["total"] and not documents["deleted"]:
        console.write(f"\n{name}: nothing changed; {_count(documents['total'], 'document')} checked{_seconds(result)}")
    else:
        counts = ", ".join(
            f"{documents[each]:,} {each}"
            for each in ("done", "unchanged", "failed", "waiting", "deleted")
            if documents[each] or each in ("done", "failed")
        )
        console.write(f"\n{name}: {_count(documents['total'], 'document')}: {counts}{_seconds(result)}")
    if any(stage["executed"] or stage["failed"] for stage in result["stages"]):
        _stages(result["stages"])
    if result["failures"]:
        _failures(result["failures"])
    console.write("")
    if documents["total"] <= _COUNTED:
        console.write(_holdings(workspace, tenant))
    _next(result, workspace)


def _stages(stages: list[dict[str, Any]]) -> None:
    rows = [
        (
            stage["name"],
            f"{stage['executed']:,}",
            f"{stage['reused']:,}",
            f"{stage['failed']:,}",
            f"{stage['seconds']:.2f}",
            _rate(stage["executed"], stage["seconds"]),
        )
        for stage in stages
    ]
    columns = ["stage", "executed", "reused", "failed", "seconds", "documents/s"]
    console.write("")
    console.table(columns, rows, right=frozenset(columns[1:]))


def _failures(failures: list[dict[str, Any]]) -> None:
    by_reason = Counter((each["stage"], each["status"]) for each in failures)
    console.write("")
    console.write("failed: " + ", ".join(f"{n} at {stage} ({status})" for (stage, status), n in by_reason.items()))
    rows = [(each["document"], each["status"], each["message"]) for each in failures[:_FAILURES]]
    console.table(["document", "status", "reason"], rows)
    if len(failures) > _FAILURES:
        console.write(f"… and {len(failures) - _FAILURES} more: penstock run … --json has them all")


def _holdings(workspace: "Workspace", tenant: str) -> str:
    """What queries see now, by the receipts of what is active."""
    from penstock.audit.receipts import active_builds
    from penstock.records import GraphWriteReceipt, IndexReceipt

    packs = workspace.resources.packs
    with workspace.ledger.read() as cx:
        indexed = [
            len(each.receipt.marks) for each in active_builds(cx, packs, tenant, "index", IndexReceipt) if each.receipt
        ]
        graphed = [
            each.receipt for each in active_builds(cx, packs, tenant, "graph", GraphWriteReceipt) if each.receipt
        ]
    entities, relations = sum(each.entities for each in graphed), sum(each.relations for each in graphed)
    return (
        f"in {workspace.home}: {_count(max(len(indexed), len(graphed)), 'document')} to search, "
        f"{_count(sum(indexed), 'chunk')}, {_count(entities, 'entity', 'entities')} found in them, "
        f"{_count(relations, 'relation')} between these"
    )


def _next(result: dict[str, Any], workspace: "Workspace") -> None:
    run = f"/{result['runs'][-1]}" if result["runs"] else ""
    steps = {
        "ask it": command("search", "'a question in plain words'", "--explain"),
        "see it in the Dagster UI": f"{command('up')}    then http://127.0.0.1:3000/runs{run}",
    }
    if result["documents"]["waiting"] and _unread(workspace):
        steps["read the PDFs that wait"] = f"{command('worker', 'pdf', '--drain')}    then the same run"
    if result["failures"]:
        steps["try the failed again"] = f"{command('retry')}    then the same run"
    width = max(map(len, steps))
    for what, how in steps.items():
        console.write(f"  {what:<{width}}  {how}")


def _unread(workspace: "Workspace") -> int:
    with workspace.ledger.read() as cx:
        return workspace.ledger.pdf_requests.left(cx)[0]


def command(*words: str) -> str:
    """A command as the user can type it here: where `penstock` is found, and with the options in force."""
    own = Path(sys.executable).with_name("penstock")
    near = own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own
    program = "penstock" if shutil.which("penstock") else str(near)
    given = {"home": "PENSTOCK_HOME", "config": "PENSTOCK_CONFIG", "profile": "PENSTOCK_PROFILE"}
    options = [
        f"--{name} {getattr(settings, name)}"
        for name, variable in given.items()
        if getattr(settings, name) != getattr(Settings(), name) and variable not in os.environ
    ]
    return " ".join([program, *options, *words])


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _seconds(result: dict[str, Any]) -> str:
    rate = _rate(result["documents"]["done"], result["seconds"])
    return f" in {result['seconds']:.1f} s" + (f", {rate} documents/s" if rate else "")


def _rate(count: int, seconds: float) -> str:
    if not count or not seconds:
        return ""
    rate = count / seconds
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
