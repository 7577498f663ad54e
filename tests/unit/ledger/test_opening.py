import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.unit.ledger.steps import add

from penstock.errors import LedgerError, MissingDependencyError
from penstock.ledger.database import Database, sqlite_url
from penstock.ledger.ledger import Ledger


def test_a_new_ledger_is_empty(ledger: Ledger) -> None:
    with ledger.read() as cx:
        assert ledger.jobs.counts(cx) == []
        assert ledger.documents.counts(cx) == {"active": 0, "deleted": 0}
        assert ledger.outbox.pending_count(cx) == 0


def test_a_ledger_is_found_again(home: Path, url: str) -> None:
    first = Ledger.open(home, url)
    add(first, "a")
    first.close()
    second = Ledger.open(home, url)
    with second.read() as cx:
        assert second.jobs.counts(cx) == [("auto", "queued", 1)]
    second.close()


def test_a_home_without_a_ledger_is_left_alone(tmp_path: Path) -> None:
    assert Ledger.open_existing(tmp_path / "home") is None
    assert list(tmp_path.iterdir()) == []


def test_what_is_committed_to_sqlite_is_on_disk(home: Path) -> None:
    ledger = Ledger.open(home)
    with ledger.begin() as cx:
        pragmas = {
            name: cx.exec_driver_sql(f"pragma {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "page_size", "wal_autocheckpoint")
        }
    ledger.close()
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "page_size": 8192,
        "wal_autocheckpoint": 4096,
    }


def test_a_ledger_with_pages_of_another_size_keeps_them_and_logs_as_much(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(home / "ledger.db", isolation_level=None)) as older:
        older.execute("pragma page_size=4096")
        older.execute("pragma journal_mode=wal")
        older.execute("create table something (x)")
        older.execute("drop table something")
    ledger = Ledger.open(home)
    add(ledger, "a")
    with ledger.read() as cx:
        sizes = [cx.exec_driver_sql(f"pragma {name}").scalar() for name in ("page_size", "wal_autocheckpoint")]
    ledger.close()
    assert sizes == [4096, 8192]


def test_a_reader_sees_one_state_while_others_write(ledger: Ledger) -> None:
    with ledger.read() as cx:
        assert ledger.jobs.counts(cx) == []
        add(ledger, "a")
        assert ledger.jobs.counts(cx) == []
    with ledger.read() as cx:
        assert ledger.jobs.counts(cx) == [("auto", "queued", 1)]


def test_the_databases_clock_counts_seconds_since_1970(ledger: Ledger) -> None:
    add(ledger, "a")
    with ledger.read() as cx:
        early, late = cx.execute(text("select min(created_at), max(updated_at) from jobs")).one()
        seconds = "strftime('%s', 'now')" if ledger.database.is_sqlite else "extract(epoch from now())"
        now = cx.execute(text(f"select {seconds}")).scalar_one()
    assert abs(float(now) - early) < 3600
    assert abs(float(now) - late) < 3600


def test_a_ledger_of_a_newer_penstock_is_refused(home: Path, url: str) -> None:
    ledger = Ledger.open(home, url)
    with ledger.begin() as cx:
        cx.execute(text("update alembic_version set version_num = '9999'"))
    ledger.close()
    with pytest.raises(LedgerError) as caught:
        Ledger.open(home, url)
    assert str(caught.value) == "the ledger was written by a newer Penstock: its revision `9999` is not known here"
    assert caught.value.hint == "upgrade Penstock, or choose another home"


def test_a_file_that_is_no_database_is_refused(home: Path) -> None:
    path = home / "ledger.db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(LedgerError) as caught:
        Ledger.open(home)
    assert str(caught.value) == (
        f"the ledger `{path}` cannot be used: it is no SQLite database; nothing can be read from it"
    )


def test_a_folder_that_is_not_there_cannot_be_reached(tmp_path: Path) -> None:
    path = tmp_path / "absent" / "ledger.db"
    with pytest.raises(MissingDependencyError) as caught:
        Database.open(sqlite_url(path))
    assert str(caught.value) == f"the ledger at `{sqlite_url(path)}` cannot be reached: unable to open database file"
    assert caught.value.hint == "see that the home can be written to"


def test_a_server_that_is_not_there_cannot_be_reached_and_its_password_is_not_shown(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed (pip install 'penstock[postgres]')")
    with pytest.raises(MissingDependencyError) as caught:
        Database.open(f"postgresql://user:hidden@/ledger?host={tmp_path}")
    assert str(caught.value).startswith("the ledger at `postgresql://user:***@/ledger?host=")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("url", ["nonsense", "mysql://user@host/name", "unknown://host/name"])
def test_an_address_of_something_else_is_refused(url: str) -> None:
    with pytest.raises((LedgerError, MissingDependencyError)):
        Database.open(url)
