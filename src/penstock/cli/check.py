"""Commands that check: validate, schema. They import neither Dagster nor a database."""

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli import console
from penstock.cli.settings import settings

Json = Annotated[bool, typer.Option("--json", help="One JSON value on stdout, for scripts.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (validate, schema):
        app.command()(command)


def validate(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files or folders; none: the whole config folder.")] = None,
    json: Json = False,
) -> None:
    """Check all that is configured: every problem at once, with its place and what would be right.

    Example: `penstock validate config/pipelines/auto.yaml`
    """
    from penstock.plan.load import load_config
    from penstock.plan.load import validate as validate_paths

    if paths:
        loaded = validate_paths(paths, settings.config, settings.profile)
    else:
        loaded = load_config(settings.config, settings.profile)
    sound = [
        {
            "name": each.pipeline,
            "version": each.version,
            "digest": each.digest,
            "stages": [stage.name for stage in each.stages],
        }
        for each in loaded.topologies.values()
    ]
    if json:
        problems = [problem.to_dict() for problem in loaded.problems]
        console.write_json({"valid": not problems, "pipelines": sound, "problems": problems})
    else:
        for problem in loaded.problems:
            console.note(problem.render() + "\n")
        for each in loaded.topologies.values():
            console.write(
                f"{each.pipeline} {each.version} ({each.digest[:12]}): {' → '.join(s.name for s in each.stages)}"
            )
        count = len(loaded.problems)
        verdict = "all is well" if not count else f"{count} problem{'s' if count > 1 else ''}"
        console.write(f"{len(sound)} pipeline{'s' if len(sound) != 1 else ''} sound, {verdict}")
    raise typer.Exit(1 if loaded.problems else 0)


def schema(
    kind: Annotated[str, typer.Argument(help="pipeline, resilience, profile, source or ontology", show_default=False)],
) -> None:
    """Print the JSON Schema of a kind of file, for editors and other tools.

    Example: `penstock schema pipeline > pipeline.schema.json`
    """
    from penstock.spec.schema import json_schema

    console.write_json(json_schema(kind))
