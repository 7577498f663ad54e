"""F39. Ledgers of every released revision, full of jobs in every state, are brought forward whole, whatever happens."""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, inspect, select, text, update
from tests.reliability.dump import JOBS, populate
from tests.unit.ledger.steps import claim, expire

from penstock.errors import LedgerError
from penstock.ledger import database, migrate
from penstock.ledger.database import REVISION
from penstock.ledger.ledger import Ledger

ROOT = Path(__file__).parents[2]
RELEASED = sorted(each.revision for each in ScriptDirectory.from_config(migrate._config(None)).walk_revisions())


def rows_of(cx: Connection, tables: Sequence[str]) -> dict[str, list[str]]:
    """The rows by table; of the outbox the facts, and which of them are owed, wherever that stands."""
    queries = {name: f'select * from "{name}"' for name in tables}
    queries["outbox"] = "select sequence, facts, count, created_at from outbox"
    is_beside = inspect(cx).has_table("outbox_pending")
    owed = "outbox_pending" if is_beside else "outbox where relayed_at is null"
    queries["outbox_pending"] = f"select sequence from {owed}"
    return {name: sorted(map(repr, cx.execute(text(query)))) for name, query in queries.items()}


@pytest.fixture(params=RELEASED)
def old(request: pytest.FixtureRequest, home: Path, url: str) -> dict[str, list[str]]:
    """A full ledger of a released revision; its rows by table."""
    ledger = Ledger.open(home, url)
    with ledger.begin() as cx:
        migrate.downgrade(cx, "base")
        migrate.upgrade(cx, RELEASED[0], to=request.param)
        populate(cx)
        found = rows_of(cx, [name for name in inspect(cx).get_table_names() if name != "alembic_version"])
    ledger.close()
    assert len(found["jobs"]) == JOBS
    return found


def check_brought_forward(home: Path, url: str, before: dict[str, list[str]]) -> None:
    """Every row is there as it was, and the ledger is in use again."""
    ledger = Ledger.open(home, url)
    with ledger.read() as cx:
        assert rows_of(cx, list(before)) == before
        assert cx.execute(text("select version_num from alembic_version")).scalars().all() == [REVISION]
    expire(ledger)
    running = sum(" 'running'," in each for each in before["jobs"])
    assert ledger.recover() == running
    assert len(claim(ledger, "w-new", "t0")) > 0
    ledger.close()


def test_a_full_ledger_is_brought_forward_whole_by_four_at_once(
    home: Path, url: str, old: dict[str, list[str]]
) -> None:
    script = "import sys; from pathlib import Path; from penstock.ledger.ledger import Ledger\n"
    script += "Ledger.open(Path(sys.argv[1]), sys.argv[2]).close()"
    four = [subprocess.Popen([sys.executable, "-c", script, str(home), url], stderr=subprocess.PIPE) for _ in range(4)]
    ends = [process.communicate()[1] for process in four]
    assert [process.returncode for process in four] == [0] * 4, ends
    check_brought_forward(home, url, old)


def test_killed_at_any_statement_a_migration_has_not_begun_or_is_done(
    home: Path, url: str, old: dict[str, list[str]], request: pytest.FixtureRequest
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.reliability.migrator", str(home), url], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    *killed, last = json.loads(done.stdout)
    begun = request.node.callspec.params["old"]
    assert (set(killed), last) == ({begun}, REVISION)
    assert len(killed) >= (1 if begun == REVISION else 6), "at its statements, and at its commit"
    check_brought_forward(home, url, old)


def test_a_worker_of_the_old_revision_that_is_still_writing_is_waited_for(
    home: Path, url: str, old: dict[str, list[str]]
) -> None:
    found: list[Ledger] = []
    engine = database._engine(url)
    writer = database.Database(engine)
    with writer.begin() as cx:
        known = MetaData()
        known.reflect(cx, only=["jobs"])
        cx.execute(update(known.tables["jobs"]).where(known.tables["jobs"].c.job == "j0").values(lease_token=99))
        migrating = threading.Thread(target=lambda: found.append(Ledger.open(home, url)))
        migrating.start()
        migrating.join(0.3)
    migrating.join()
    with found[0].read() as cx:
        assert cx.execute(select(known.tables["jobs"].c.lease_token).where(text("job = 'j0'"))).scalar() == 99
    with writer.begin() as cx:  # its statements still fit, too
        cx.execute(update(known.tables["jobs"]).where(known.tables["jobs"].c.job == "j0").values(lease_token=100))
    found[0].close()
    writer.close()


def test_a_ledger_that_a_newer_penstock_has_brought_forward_is_refused_by_this_one_and_left_alone(
    home: Path, url: str, old: dict[str, list[str]]
) -> None:
    engine = database._engine(url)
    with engine.begin() as cx:
        cx.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(LedgerError, match="was written by a newer Penstock: its revision `9999` is not known here"):
        Ledger.open(home, url)
    with engine.connect() as cx:
        assert rows_of(cx, list(old)) == old
    engine.dispose()
