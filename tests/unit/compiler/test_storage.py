"""Files of Dagster's history: made alike by us and by Dagster, also by several processes at once."""

import multiprocessing
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path

from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from penstock.compiler.instance import open_instance, prepare
from penstock.compiler.storage import EventHistory


def tables(path: Path) -> tuple[list[tuple[str, str]], list[tuple[str]], str]:
    """The schema of a file, its revision, and its journal mode."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("select name, sql from sqlite_master order by name").fetchall()
        revision = connection.execute("select version_num from alembic_version").fetchall()
        return found, revision, connection.execute("pragma journal_mode").fetchone()[0]


def touch(base: str, run: str) -> None:
    storage = EventHistory(base)
    with storage.run_connection(run):
        pass
    storage.dispose()


def test_a_new_file_is_as_dagster_would_make_it(tmp_path: Path) -> None:
    touch(str(tmp_path / "ours"), "run")
    dagsters = SqliteEventLogStorage(str(tmp_path / "dagsters"))
    with dagsters.run_connection("run"):
        pass
    dagsters.dispose()
    for name in ("run.db", "index.db"):
        assert tables(tmp_path / "ours" / name) == tables(tmp_path / "dagsters" / name)


def test_processes_that_make_one_file_at_once_agree(tmp_path: Path) -> None:
    touch(str(tmp_path), "first")
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(4, mp_context=spawned) as pool:
        made = [pool.submit(touch, str(tmp_path), f"run{number}") for number in range(3) for _ in range(4)]
    for each in made:
        each.result()
    for number in range(3):
        assert tables(tmp_path / f"run{number}.db") == tables(tmp_path / "first.db")


def test_a_file_of_an_older_revision_is_left_as_it_is(tmp_path: Path) -> None:
    touch(str(tmp_path), "run")
    with closing(sqlite3.connect(tmp_path / "run.db")) as connection:
        connection.execute("update alembic_version set version_num = 'older'")
        connection.commit()
    touch(str(tmp_path), "run")
    assert tables(tmp_path / "run.db")[1] == [("older",)], "taking it further is `dagster instance migrate`'s"


def test_an_instance_is_opened_again_with_its_runs(tmp_path: Path) -> None:
    folder = prepare(tmp_path)
    before = (folder / "history" / "runs.db").stat().st_ino
    with open_instance(folder) as instance:
        assert instance.get_runs_count() == 0
    assert (folder / "history" / "runs.db").stat().st_ino == before


def test_where_the_pattern_was_never_finished_a_file_is_made_by_dagster_itself(tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    ours.mkdir()
    (ours / "index.db").touch()  # who made it was killed before it had tables
    touch(str(ours), "run")
    dagsters = SqliteEventLogStorage(str(tmp_path / "dagsters"))
    with dagsters.run_connection("run"):
        pass
    dagsters.dispose()
    assert tables(ours / "run.db") == tables(tmp_path / "dagsters" / "run.db")
