"""A ledger that is damaged is told from a sound one, and what can be read of it is salvaged."""

import hashlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.unit.ledger.steps import add

from penstock.errors import LedgerError
from penstock.ledger.database import REVISION
from penstock.ledger.health import ledger_faults
from penstock.ledger.ledger import Ledger
from penstock.ledger.salvage import salvage
from penstock.ledger.tables import metadata

PAGE = 8192
JOBS = 400


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A ledger of 400 jobs, as bytes."""
    home = tmp_path_factory.mktemp("sound")
    ledger = Ledger.open(home)
    with ledger.begin():
        pass
    for number in range(JOBS):
        add(ledger, f"document-{number:04d}")
    ledger.close()
    return (home / "ledger.db").read_bytes()


@pytest.fixture
def path(tmp_path: Path, sound: bytes) -> Path:
    path = tmp_path / "ledger.db"
    path.write_bytes(sound)
    return path


def counts(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        return {
            name: connection.execute(f'select count(*) from "{name}"').fetchone()[0] for name in sorted(metadata.tables)
        }


def pages_of(path: Path, table: str) -> list[int]:
    """The pages that a table lies in, the first one counted as 0."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("select pageno from dbstat where name = ?", (table,)).fetchall()
    return [row[0] - 1 for row in rows]


def overwrite(path: Path, page: int) -> None:
    with path.open("rb+") as file:
        file.seek(PAGE * page)
        file.write(b"\xa5" * PAGE)


def test_a_sound_ledger_has_no_faults_and_is_not_touched_by_looking(path: Path, sound: bytes) -> None:
    assert ledger_faults(path.parent) == []
    assert path.read_bytes() == sound


def test_a_home_without_a_ledger_has_no_faults(tmp_path: Path) -> None:
    assert ledger_faults(tmp_path) == []


def test_a_ledger_of_an_older_revision_is_not_called_damaged(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("drop table breakers")
        connection.execute("update alembic_version set version_num = '0001'")
    assert ledger_faults(path.parent) == []


def test_a_table_that_is_gone_is_told(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("drop table sweeps")
    assert ledger_faults(path.parent) == ["the table `sweeps` is gone"]


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_ledger_that_is_cut_off_is_read_as_far_as_it_goes(path: Path, share: float, sound: bytes) -> None:
    os.truncate(path, int(len(sound) * share))
    damaged = hashlib.sha256(path.read_bytes()).hexdigest()
    assert ledger_faults(path.parent) != []
    found = salvage(path.parent)
    assert found.incomplete != []
    assert hashlib.sha256((found.aside / "ledger.db").read_bytes()).hexdigest() == damaged
    assert [each.name for each in found.aside.iterdir()] == ["ledger.db"]
    assert ledger_faults(path.parent) == []
    Ledger.open(path.parent).close()


def test_rows_on_either_side_of_a_broken_page_are_salvaged(path: Path) -> None:
    before = counts(path)
    overwrite(path, pages_of(path, "jobs")[10])
    assert ledger_faults(path.parent) != []
    found = salvage(path.parent)
    assert found.incomplete == ["jobs"]
    after = counts(path)
    assert JOBS - 60 < after["jobs"] < JOBS
    kept = {name: count for name, count in after.items() if name not in ("jobs", "sweeps", "outbox")}
    assert kept == {name: count for name, count in before.items() if name in kept}


def test_a_broken_index_costs_no_row(path: Path) -> None:
    before = counts(path)
    with closing(sqlite3.connect(path)) as connection:
        root = connection.execute(
            "select rootpage from sqlite_schema where name = 'ix_jobs_pipeline_status'"
        ).fetchone()[0]
    overwrite(path, root - 1)
    assert ledger_faults(path.parent) != []
    found = salvage(path.parent)
    assert found.incomplete == []
    assert {**counts(path), "sweeps": 0} == {**before, "sweeps": 0}


def test_what_follows_from_the_jobs_is_brought_back(path: Path) -> None:
    before = counts(path)
    for page in pages_of(path, "documents"):
        overwrite(path, page)
    found = salvage(path.parent)
    assert "documents" in found.incomplete
    assert counts(path)["documents"] == before["documents"]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("select distinct generation, active_job from documents").fetchall() == [(1, None)]


def test_every_single_page_may_be_broken(path: Path, sound: bytes) -> None:
    pages = len(sound) // PAGE
    for page in range(1, pages, 7):
        path.write_bytes(sound)
        overwrite(path, page)
        if ledger_faults(path.parent):
            salvage(path.parent)
            assert ledger_faults(path.parent) == [], page
            Ledger.open(path.parent).close()


def test_numbers_of_events_are_not_given_twice(path: Path) -> None:
    ledger = Ledger.open(path.parent)
    with ledger.begin() as cx:
        for _ in range(300):
            ledger.outbox.add(cx, b"facts" * 50, 1)
    ledger.close()
    last = pages_of(path, "outbox")[-1]
    overwrite(path, last)
    salvage(path.parent)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("select max(sequence) from outbox").fetchone()[0] < 300
        assert connection.execute("select seq from sqlite_sequence where name = 'outbox'").fetchone() == (300,)


def test_what_stands_in_the_log_is_salvaged_too(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("pragma wal_autocheckpoint = 0")
        writer.execute("update documents set source = 'later'")
        files = {each.name: each.read_bytes() for each in path.parent.iterdir()}
    for name, content in files.items():
        (path.parent / name).write_bytes(content)
    (path.parent / "ledger.db-shm").unlink()
    overwrite(path, pages_of_copy(path, "stage_runs"))
    found = salvage(path.parent)
    assert sorted(each.name for each in found.aside.iterdir()) == ["ledger.db", "ledger.db-wal"]
    assert (found.aside / "ledger.db-wal").read_bytes() == files["ledger.db-wal"]
    assert not path.with_name("ledger.db-wal").exists()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("select distinct source from documents").fetchall() == [("later",)]


def pages_of_copy(path: Path, table: str) -> int:
    """The root page of a table, read from a copy: the log beside the file stays as it is."""
    copy = path.with_name("copy.db")
    copy.write_bytes(path.read_bytes())
    try:
        return pages_of(copy, table)[0]
    finally:
        for each in path.parent.glob("copy.db*"):
            each.unlink()


@pytest.mark.parametrize("content", [b"not a database" * 500, b"x"])
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="it is no SQLite database; nothing can be read from it") as caught:
        ledger_faults(tmp_path)
    assert "move it and `ledger.db-wal` away" in str(caught.value.hint)
    with pytest.raises(LedgerError, match="it is no SQLite database"):
        salvage(tmp_path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("look", [ledger_faults, Ledger.open, Ledger.open_existing])
def test_a_ledger_of_no_bytes_is_refused_where_the_home_holds_documents(
    tmp_path: Path, look: Callable[[Path], object]
) -> None:
    (tmp_path / "ledger.db").touch()
    (tmp_path / "raw").mkdir()
    with pytest.raises(LedgerError, match="it is empty, though the home holds documents"):
        look(tmp_path)


def test_a_ledger_of_a_newer_penstock_is_not_salvaged(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    overwrite(path, pages_of(path, "jobs")[3])
    with pytest.raises(LedgerError, match="newer Penstock: its revision `9999`"):
        salvage(path.parent)
    assert REVISION < "9999"
    assert path.exists()


def test_a_ledger_that_another_process_has_open_is_not_salvaged(path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('select count(*) from jobs').fetchone();"
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        assert other.stdin
        other.stdout.readline()
        with pytest.raises(LedgerError, match="another process has it open"):
            salvage(path.parent)
        other.stdin.close()
    salvage(path.parent)
