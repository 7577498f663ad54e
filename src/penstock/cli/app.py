"""The `penstock` command: its options, its commands, and what happens to errors."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from penstock.cli import audit, check, console, find, graph, look, repair, serve, versions, work
from penstock.cli.outages import outage
from penstock.cli.settings import settings
from penstock.errors import PenstockError


class Commands(TyperGroup):
    """The commands, with errors told as people want them: no traceback, what to do next, the exit code that fits."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except PenstockError as exc:
            if console.debugging():
                raise
            raise typer.Exit(console.report_error(outage(exc, settings.home) or exc)) from exc
        except KeyboardInterrupt as exc:
            console.note("penstock: interrupted; what was done is kept, run it again to finish")
            raise typer.Exit(130) from exc
        except Exception as exc:
            error = outage(exc, settings.home)
            if error is None or console.debugging():
                raise
            raise typer.Exit(console.report_error(error)) from exc


app = typer.Typer(
    cls=Commands,
    name="penstock",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Document pipelines declared in YAML, compiled to Dagster jobs.\n\n"
    "Start with `penstock run auto --input PATH`, then ask: `penstock search 'a question in plain words'`.",
)


@app.callback()
def options(
    home: Annotated[
        Path, typer.Option(envvar="PENSTOCK_HOME", help="The state folder: ledger, stores, Dagster's own storage.")
    ] = Path(".penstock"),
    config: Annotated[
        Path, typer.Option(envvar="PENSTOCK_CONFIG", help="The config folder: pipelines, profiles, policies.")
    ] = Path("config"),
    profile: Annotated[
        str, typer.Option(envvar="PENSTOCK_PROFILE", help="Which parts do the work: a file of `config/profiles`.")
    ] = "local",
) -> None:
    """Options that every command shares."""
    settings.home = home
    settings.config = config
    settings.profile = profile


for _module in (check, work, look, find, graph, audit, repair, versions, serve):
    _module.register(app)
