"""Commands on the graph: show an entity, and decide which entities are the same."""

from contextlib import closing
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from penstock.cli import console
from penstock.cli.settings import settings

Tenant = Annotated[str, typer.Option(help="Whose graph; tenants never see each other's.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON value on stdout, for scripts.")]
One = Annotated[str, typer.Argument(help="An id, as in `drug:aspirin`.", show_default=False)]
Other = Annotated[str, typer.Argument(help="Another one.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why; it is recorded with your name.", show_default=False)]


class ShowByDefault(TyperGroup):
    """`penstock graph aspirin` is `penstock graph show aspirin`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["show", *args]
        return super().parse_args(ctx, args)


graph = typer.Typer(
    cls=ShowByDefault, no_args_is_help=True, help="The graph: what is said of an entity, and which are the same."
)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(graph, name="graph")


@graph.command()
def show(
    entity: Annotated[str, typer.Argument(help="A name, or an id as in `drug:aspirin`.", show_default=False)],
    tenant: Tenant = "default",
    json: Json = False,
) -> None:
    """Show an entity, those that are the same and why, and what active documents say of them, with the evidence.

    Example: `penstock graph aspirin`
    """
    from penstock.execution.tenants import check_tenant
    from penstock.retrieval.graph import around

    with closing(settings.workspace()) as workspace:
        found = around(workspace, entity, tenant=check_tenant(tenant))
    if found["others"]:
        console.note(f"of the same name: {', '.join(found['others'])}")
    if json:
        console.write_json(found)
    else:
        _show_entity(found)


@graph.command()
def merge(entity: One, other: Other, reason: Reason, tenant: Tenant = "default", json: Json = False) -> None:
    """Say that two entities are the same. Nothing in the stores changes; `split` and `undo` take it back.

    Example: `penstock graph merge drug:asa drug:aspirin --reason 'the same in our trials'`
    """
    _decide(entity, other, True, reason, tenant, json)


@graph.command()
def split(entity: One, other: Other, reason: Reason, tenant: Tenant = "default", json: Json = False) -> None:
    """Say that two entities are not the same, whatever links them.

    Example: `penstock graph split condition:cold condition:common-cold --reason 'one is the weather'`
    """
    _decide(entity, other, False, reason, tenant, json)


@graph.command()
def undo(entity: One, other: Other, reason: Reason, tenant: Tenant = "default", json: Json = False) -> None:
    """Take back what was decided on two entities; the rules alone count again.

    Example: `penstock graph undo drug:asa drug:aspirin --reason 'they differ after all'`
    """
    _decide(entity, other, None, reason, tenant, json)


def _decide(entity: str, other: str, same: bool | None, reason: str, tenant: str, json: bool) -> None:
    from penstock.execution.entities import decide
    from penstock.execution.tenants import check_tenant

    with closing(settings.workspace()) as workspace:
        decision = decide(workspace, check_tenant(tenant), entity, other, same, reason)
    if json:
        console.write_json({"entities": sorted((entity, other)), "decision": decision._asdict() if decision else None})
    else:
        verdict = {True: "are the same", False: "are not the same", None: "are left to the rules"}[same]
        console.write(f"{entity} and {other} {verdict}")
        console.note(f"next: penstock graph {entity}")


def _show_entity(found: dict[str, Any]) -> None:
    entity = found["entity"]
    console.write(f"{entity['name']} ({entity['type']}) {entity['id']}")
    if found["merged"]:
        links = [(each["first"], each["second"], each["rule"], each["because"]) for each in found["because"]]
        console.table(["entity", "is the same as", "by", "because"], links)
    rows = [
        (
            relation["subject"],
            relation["predicate"],
            relation["object"],
            relation["document"] + (f" {relation['start']}–{relation['end']}" if relation["start"] is not None else ""),
            f"{relation['extractor']} {relation['version']}",
        )
        for relation in found["relations"]
    ]
    if rows:
        console.table(["subject", "predicate", "object", "document", "by"], rows)
    else:
        console.write("no relations")
