"""The command line. Each command imports what it needs when it is called, so that `validate` never pays for Dagster."""


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    from penstock.cli.app import app

    app()
