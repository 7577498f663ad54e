"""The migrations make the tables that `penstock.ledger.tables` defines, forward and back, also with rows in them."""

import re
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from tests.unit.ledger.steps import add, claim, fail, run, statuses, wait

from penstock.ledger import migrate
from penstock.ledger.database import REVISION
from penstock.ledger.ledger import Ledger
from penstock.ledger.tables import metadata

COLUMNS = """
    select table_name, column_name, data_type, character_maximum_length, is_nullable, column_default
    from information_schema.columns where table_schema = 'public'
"""
KEYS = """
    select conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    from pg_constraint where connamespace = 'public'::regnamespace
"""
NEWER = {"breakers", "rate_budgets", "pdf_requests", "releases", "cursors", "entity_decisions", "outbox_pending"}
"""The tables that the first revision did not have."""
INDEXES = "select tablename, indexname, indexdef from pg_indexes where schemaname = 'public'"


def structure(cx: Connection) -> dict[str, Any]:
    """Everything that the database says of its tables: columns, keys, checks and indexes, in whatever order."""
    if cx.dialect.name == "sqlite":
        rows = cx.execute(text("select type, name, sql from sqlite_master where sql is not null")).all()
        # where a column was dropped, the last bracket stands at the end of the line before
        sqls = {f"{kind} {name}": re.sub(r"\s*\)\s*\Z", "\n)", sql) for kind, name, sql in rows}
        found = {name: sorted(line.strip("\t ,") for line in sql.splitlines()) for name, sql in sqls.items()}
        return {name: lines for name, lines in found.items() if name != "table alembic_version"}
    return {
        query: sorted(map(str, (row for row in cx.execute(text(query)) if row[0] != "alembic_version")))
        for query in (COLUMNS, KEYS, INDEXES)
    }


def test_the_newest_migration_is_the_revision_of_the_tables() -> None:
    assert migrate.head() == REVISION


def test_the_migrations_make_the_tables_as_they_are_defined(home: Path, url: str) -> None:
    ledger = Ledger.open(home, url)
    with ledger.begin() as cx:
        defined = structure(cx)
        migrate.downgrade(cx, "base")
        assert inspect(cx).get_table_names() == ["alembic_version"]
        migrate.upgrade(cx, REVISION)
        assert structure(cx) == defined
        context = MigrationContext.configure(cx, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    ledger.close()


def test_a_ledger_in_use_stays_as_it_is_when_it_is_brought_to_the_revision_that_it_has(ledger: Ledger) -> None:
    ids = add(ledger, *(f"d{number}" for number in range(8)))
    claim(ledger, ids=ids[:2])
    fail(ledger, ids[2])
    wait(ledger, ids[3])
    run(ledger, "done", index_build="i1")

    def rows(cx: Connection) -> dict[str, list[Any]]:
        return {table.name: sorted(map(repr, cx.execute(table.select()))) for table in metadata.sorted_tables}

    with ledger.begin() as cx:
        before = rows(cx)
        migrate.upgrade(cx, REVISION)
        assert rows(cx) == before
        assert len(before["jobs"]) == 9


def test_a_ledger_of_the_first_revision_is_brought_forward_with_all_that_is_in_it(home: Path, url: str) -> None:
    old = Ledger.open(home, url)
    ids = add(old, *(f"d{number}" for number in range(8)))
    claim(old, ids=ids[:2])
    fail(old, ids[2])
    with old.begin() as cx:
        done = {"status": "completed", "attempts": 1, "seconds": 0.5, "reused": False, "run_id": None, "error": None}
        rows_of = [
            done | {"job": job, "stage": name, "work_key": f"{name}-{job}"} for job in ids for name in ("b", "a")
        ]
        old.stage_runs.record(cx, rows_of)
        migrate.downgrade(cx, "0001")

    def rows(cx: Connection) -> dict[str, list[Any]]:
        present = inspect(cx).get_table_names()
        return {
            table.name: sorted(map(repr, cx.execute(table.select())))
            for table in metadata.sorted_tables
            if table.name in present
        }

    with old.read() as cx:
        before = rows(cx)
    old.close()
    new = Ledger.open(home, url)
    with new.begin() as cx:
        assert rows(cx) == before | {name: [] for name in NEWER}
        assert before.keys() & NEWER == set()
        migrate.downgrade(cx, "0001")
        assert rows(cx) == before
    new.close()


def test_a_ledger_in_use_leaves_no_table_behind_when_it_is_taken_back_and_can_be_made_again(
    home: Path, url: str
) -> None:
    ledger = Ledger.open(home, url)
    fail(ledger, *add(ledger, "a"))
    with ledger.begin() as cx:
        migrate.downgrade(cx, "base")
    ledger.close()
    again = Ledger.open(home, url)
    with again.read() as cx:
        assert again.jobs.counts(cx) == []
    assert statuses(again, add(again, "a")) == ["queued"]
    again.close()


def test_a_migration_that_fails_half_way_changes_nothing(ledger: Ledger) -> None:
    (job,) = add(ledger, "a")

    def crash() -> None:
        with ledger.begin() as cx:
            migrate.downgrade(cx, "base")
            raise KeyError

    with pytest.raises(KeyError):
        crash()
    assert statuses(ledger, [job]) == ["queued"]
