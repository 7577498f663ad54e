"""Commands that stay: up, worker, gate."""

from typing import Annotated

import typer

from penstock.cli import console
from penstock.cli.settings import settings


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(up)
    app.add_typer(worker, name="worker")


worker = typer.Typer(no_args_is_help=True, help="Long-running processes; each ends cleanly on SIGTERM.")


def up(
    port: Annotated[int, typer.Option(help="The port of the Dagster UI on 127.0.0.1.")] = 3000,
) -> None:
    """Run everything that the profile needs, in the foreground: the Dagster UI and daemon, and the outbox relay.

    Documents that `penstock submit` queues are picked up by the queue sensor. Ctrl-C ends all of it.
    """
    from penstock.workers.up import run_everything

    raise typer.Exit(run_everything(settings.workspace(), settings.home, settings.config, settings.profile, port))


@worker.command()
def relay(
    drain: Annotated[bool, typer.Option("--drain", help="Send what is owed, then end.")] = False,
) -> None:
    """Send what the outbox owes to the profile's event sink, as it comes."""
    from penstock.workers.relay import run_relay

    sent = run_relay(settings.workspace(), drain=drain)
    console.note(f"{sent} events sent")
