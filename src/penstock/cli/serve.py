"""Commands that stay: up, worker, gate."""

from typing import Annotated

import typer

from penstock.cli import console
from penstock.cli.settings import settings


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(up)
    app.add_typer(worker, name="worker")
    app.add_typer(gate, name="gate")


worker = typer.Typer(no_args_is_help=True, help="Long-running processes; each ends cleanly on SIGTERM.")


def up(
    port: Annotated[int, typer.Option(help="The port of the Dagster UI on 127.0.0.1.")] = 3000,
) -> None:
    """Run everything that the profile needs, in the foreground: the Dagster UI and daemon, and the outbox relay.

    Documents that `penstock submit` queues are picked up by the queue sensor. Ctrl-C ends all of it.
    """
    from penstock.workers.up import run_everything

    raise typer.Exit(run_everything(settings.workspace(), settings.home, settings.config, settings.profile, port))


gate = typer.Typer(no_args_is_help=True, help="Gates, and what waits at them.")


@gate.command("open")
def open_gate(
    document: Annotated[str, typer.Argument(help="A document, as in `source:external-id`.", show_default=False)],
    name: Annotated[str, typer.Option("--gate", help="The gate's name in the pipeline.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why; it is recorded with your name.", show_default=False)],
    tenant: Annotated[str, typer.Option(help="Whose document.")] = "default",
    json: Annotated[bool, typer.Option("--json", help="One JSON value on stdout, for scripts.")] = False,
) -> None:
    """Let a waiting document through a gate whose condition does not hold. Recorded: who, when and why.

    Example: `penstock gate open file:paper.pdf --gate pdf_gate --reason 'read by hand'`
    """
    from penstock.execution.gates import open_by_hand

    workspace = settings.workspace()
    with workspace.look():
        jobs = open_by_hand(workspace, tenant, document, name, reason)
    if json:
        console.write_json({"document": document, "gate": name, "jobs": [job.job for job in jobs]})
    else:
        console.write(f"{document} goes on behind {name}")
        console.note("next: penstock run … with the same input, or penstock up")
    workspace.close()


@worker.command()
def dispatch(
    drain: Annotated[bool, typer.Option("--drain", help="Work off what is queued, then end.")] = False,
) -> None:
    """Take queued documents through Dagster at once, in a warm process beside the sensors; start several for more.

    Each batch is a run that the Dagster UI shows. Dispatchers, sensors and `penstock run` share the work by the ledger.
    """
    from penstock.workers.dispatch import run_dispatcher

    workspace = settings.workspace()
    taken = run_dispatcher(workspace, drain=drain)
    workspace.close()
    console.note(f"{taken} documents taken on")


@worker.command()
def pdf(
    drain: Annotated[bool, typer.Option("--drain", help="Read what waits now, then end.")] = False,
    concurrency: Annotated[
        int, typer.Option(min=0, max=64, help="PDFs read at a time; 0: as the profile says.", show_default=False)
    ] = 0,
    json: Annotated[bool, typer.Option("--json", help="One JSON value on stdout at the end, for scripts.")] = False,
) -> None:
    """Read the PDFs that jobs wait for at a gate, each in a process that may die of it.

    With `--drain` it ends with 1 where some could not be read.

    Example: `penstock worker pdf --drain`
    """
    from penstock.cli.reading import read_pdfs

    raise typer.Exit(read_pdfs(settings.workspace(), drain=drain, concurrency=concurrency, json=json))


@worker.command()
def relay(
    drain: Annotated[bool, typer.Option("--drain", help="Send what is owed, then end.")] = False,
) -> None:
    """Send what the outbox owes to the profile's event sink, as it comes."""
    from penstock.workers.relay import run_relay

    sent = run_relay(settings.workspace(), drain=drain)
    console.note(f"{sent} events sent")
