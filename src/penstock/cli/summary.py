"""What people see at the end of a run."""

from collections import Counter
from pathlib import Path
from typing import Any

from penstock.cli import console

_FAILURES = 12


def summarise(result: dict[str, Any], home: Path) -> None:
    """The run's report as a table, its failures, and what to do next."""
    documents = result["documents"]
    counts = ", ".join(
        f"{documents[name]} {name}"
        for name in ("done", "unchanged", "failed", "waiting", "deleted")
        if documents[name] or name in ("done", "failed")
    )
    console.write(f"\n{result['pipeline']} {result['version']}: {documents['total']} documents: {counts}")
    if any(stage["executed"] or stage["failed"] for stage in result["stages"]):
        rows = [
            (
                stage["name"],
                stage["executed"],
                stage["reused"],
                stage["failed"],
                f"{stage['seconds']:.2f}",
                f"{stage['executed'] / stage['seconds']:.0f}" if stage["seconds"] and stage["executed"] else "",
            )
            for stage in result["stages"]
        ]
        columns = ["stage", "executed", "reused", "failed", "seconds", "documents/s"]
        console.table(columns, rows, right=frozenset(columns[1:]))
    if result["failures"]:
        _failures(result["failures"])
    seconds = result["seconds"]
    rate = f", {documents['done'] / seconds:.1f} documents/s" if documents["done"] and seconds else ""
    console.write(f"{seconds:.1f} s in all{rate}")
    if not result["runs"] and not documents["failed"]:
        console.write("nothing changed" if documents["unchanged"] == documents["total"] else "nothing to do")


def _failures(failures: list[dict[str, Any]]) -> None:
    by_reason = Counter((each["stage"], each["status"]) for each in failures)
    console.write("")
    console.write("failed: " + ", ".join(f"{n} at {stage} ({status})" for (stage, status), n in by_reason.items()))
    rows = [(each["document"], each["status"], each["message"]) for each in failures[:_FAILURES]]
    console.table(["document", "status", "reason"], rows)
    if len(failures) > _FAILURES:
        console.write(f"… and {len(failures) - _FAILURES} more: penstock run … --json has them all")
