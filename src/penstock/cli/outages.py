"""A disk or a database that fails under a command, told as any other error."""

import sys

from penstock.errors import LedgerError, PenstockError

_HINT = "what was done is kept: mend that, and run it again"


def outage(exc: Exception) -> PenstockError | None:
    """What a failure of the machine is told as; None for any other exception."""
    if isinstance(exc, OSError) and not isinstance(exc, BrokenPipeError):  # a pipe that is closed is the shell's way
        where = f"`{exc.filename}`: " if exc.filename else ""
        return PenstockError(f"{where}{exc.strerror or type(exc).__name__}", hint=_HINT)
    database = sys.modules.get("sqlalchemy.exc")  # not imported for commands that only look at YAML
    if database is not None and isinstance(exc, (database.OperationalError, database.InterfaceError)):
        lines = str(exc.orig).strip().splitlines()
        return LedgerError(f"the ledger: {lines[0] if lines else type(exc).__name__}", hint=_HINT)
    return None
