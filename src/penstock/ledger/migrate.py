"""Moving a ledger from one revision of its tables to another, with Alembic and the scripts in `migrations/`.

The scripts run inside the caller's transaction, on SQLite as on PostgreSQL: a crash on the way leaves what was there.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

import penstock
from penstock.errors import LedgerError


def upgrade(connection: Connection, found: str, to: str = "head") -> None:
    """Bring a ledger that is at revision `found` forward. Raises `LedgerError` when a newer Penstock has written it."""
    config = _config(connection)
    try:
        ScriptDirectory.from_config(config).get_revision(found)
    except CommandError as exc:
        raise LedgerError(
            f"the ledger was written by a newer Penstock: its revision `{found}` is not known here",
            hint="upgrade Penstock, or choose another home",
        ) from exc
    command.upgrade(config, to)


def downgrade(connection: Connection, to: str) -> None:
    """Bring a ledger back to an older revision; to `base`, nothing of it is left."""
    command.downgrade(_config(connection), to)


def head() -> str | None:
    """The newest revision there is a script for."""
    return ScriptDirectory.from_config(_config(None)).get_current_head()


def _config(connection: Connection | None) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _scripts() -> Path:
    """The scripts of an installed package, or those of the checkout that the package is imported from."""
    package = Path(penstock.__file__).parent
    installed = package / "_migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"
