"""Commands about pipeline versions: versions, rollback."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli import console
from penstock.cli.settings import settings
from penstock.errors import SpecError

if TYPE_CHECKING:
    from penstock.ledger.releases import Version

Json = Annotated[bool, typer.Option("--json", help="One JSON value on stdout, for scripts.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (versions, rollback):
        app.command()(command)


def versions(
    pipeline: Annotated[str, typer.Argument(help="Only this pipeline's.")] = "",
    json: Json = False,
) -> None:
    """List the pipeline versions that the ledger keeps: which is in force, since when it is known, jobs in flight.

    A version is known once documents were submitted to it, or while `penstock up` runs.

    Example: `penstock versions auto`
    """
    workspace = settings.workspace()
    found: list[Version] = []
    if workspace.existing_ledger is not None:
        with workspace.existing_ledger.read() as cx:
            found = workspace.existing_ledger.releases.versions(cx, pipeline or None)
    if json:
        console.write_json({"versions": [_shown(each) for each in found]})
        return
    rows = [
        (
            each.pipeline,
            each.version,
            each.digest[:12],
            _time(each.created_at),
            each.in_flight or "",
            "in force" if each.in_force else "",
        )
        for each in found
    ]
    console.table(["pipeline", "version", "digest", "since", "in flight", ""], rows, right=frozenset({"in flight"}))


def rollback(
    pipeline: Annotated[str, typer.Argument(help="The pipeline's name.", show_default=False)],
    to: Annotated[
        str, typer.Option(help="A digest, or its beginning, or a version; without it, the one before this.")
    ] = "",
    json: Json = False,
) -> None:
    """Put an older version of a pipeline in force, until its file declares another one. No job in flight is touched.

    Example: `penstock rollback auto --to 1.0`
    """
    from penstock.execution.releases import roll_back

    workspace = settings.workspace()
    try:
        declared = settings.topology(pipeline)
    except SpecError:
        declared = None
    chosen = roll_back(workspace, pipeline, to, declared)
    workspace.close()
    if json:
        console.write_json(_shown(chosen) | {"in_force": True})
        return
    console.write(f"{pipeline} {chosen.version} ({chosen.digest[:12]}) is in force")
    console.note(f"next: penstock plan {pipeline} --input …    (an edit of its file ends this)")


def _shown(version: "Version") -> dict[str, Any]:
    return {
        "pipeline": version.pipeline,
        "version": version.version,
        "digest": version.digest,
        "since": _time(version.created_at),
        "in_force": version.in_force,
        "in_flight": version.in_flight,
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
