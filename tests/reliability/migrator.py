"""Bringing a ledger forward while being killed at each of its statements in turn, until it goes through.

python -m tests.reliability.migrator HOME URL: prints the revision that was found after each kill, and the last one.
"""

import json
import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, text

from penstock.ledger import migrate
from penstock.ledger.database import _engine
from penstock.ledger.ledger import Ledger


def revision(url: str) -> str:
    engine = _engine(url)
    with engine.connect() as connection:
        found = str(connection.execute(text("select version_num from alembic_version")).scalar())
    engine.dispose()
    return found


def migrate_until(number: int, home: Path, url: str) -> None:
    """Open the ledger, which brings it forward; killed before the statement of this number, counting its commit."""
    seen = count(1)

    def strike(*args: Any) -> None:
        if next(seen) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", strike)
    event.listen(Engine, "commit", strike)
    Ledger.open(home, url).close()


def main() -> None:
    home, url = Path(sys.argv[1]), sys.argv[2]
    assert migrate.head()  # imports what the children need
    found: list[str] = []
    for number in count(1):
        pid = os.fork()
        if not pid:
            migrate_until(number, home, url)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        found.append(revision(url))
        if os.waitstatus_to_exitcode(status) == 0:
            break
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, status
    print(json.dumps(found))


if __name__ == "__main__":
    main()
