"""Many rows under one compiled statement leave the same as SQLAlchemy's own executemany, on both databases."""

from typing import Any

import pytest
from sqlalchemy import bindparam, delete, select, update
from tests.unit.ledger.steps import TENANT, add, claim

from penstock.ledger.ledger import Ledger
from penstock.ledger.tables import jobs, origins, stage_runs, versions

RUN = {"stage": "parse", "status": "completed", "attempts": 1, "seconds": 1, "reused": True, "run_id": None}
ODD = {"work_key": "k", "error": "a lone surrogate \ud800 and a NUL \0 that no database holds"}


def _rows(ledger: Ledger, table: Any) -> list[dict[str, Any]]:
    clocks = {"created_at", "updated_at", "finished_at"}
    with ledger.read() as cx:
        found = [dict(row._mapping) for row in cx.execute(select(table))]
    return sorted(({k: v for k, v in row.items() if k not in clocks} for row in found), key=str)


def test_rows_converted_and_with_defaults_are_what_sqlalchemy_writes(ledger: Ledger) -> None:
    ids = add(ledger, "a", "b")
    rows = [RUN | ODD | {"job": job} for job in ids]
    insert = stage_runs.insert()
    with ledger.begin() as cx:
        cx.execute(insert, rows)
    theirs = _rows(ledger, stage_runs)
    with ledger.begin() as cx:
        cx.execute(delete(stage_runs))
        assert ledger.database.execute_many(cx, insert, rows).rowcount == 2
    assert _rows(ledger, stage_runs) == theirs
    assert theirs[0]["error"].endswith("that no database holds")


def test_defaults_of_columns_fill_in_what_a_row_leaves_out(ledger: Ledger) -> None:
    (job,) = add(ledger, "a")
    (first,) = _rows(ledger, jobs)
    given = ("tenant", "source", "pipeline", "version", "topology", "work_digest", "content_hash", "size", "locator")
    copy = {name: first[name] for name in (*given, "correlation_id")}
    with ledger.begin() as cx:
        ledger.database.execute_many(
            cx, jobs.insert(), [copy | {"job": f"{job}x", "document": "b", "generation": 1, "status": "queued"}]
        )
    second = next(row for row in _rows(ledger, jobs) if row["document"] == "b")
    defaults = ("kind_hint", "metadata", "segment", "pdf_ir_ready", "retry_count_per_stage", "lease_token")
    assert [second[name] for name in defaults] == ["", "{}", 0, False, "{}", 0]


def test_constants_of_a_statement_stand_beside_what_a_row_says(ledger: Ledger) -> None:
    ids = add(ledger, "a", "b", "c")
    where = (jobs.c.job == bindparam("in_job"), jobs.c.status == "queued")
    change = update(jobs).where(*where).values(status="running", current_stage=bindparam("in_stage"))
    rows = [{"in_job": job, "in_stage": f"to-{job}"} for job in ids[:2]]
    with ledger.begin() as cx:
        assert ledger.database.execute_many(cx, change, rows).rowcount == 2
        assert ledger.database.execute_many(cx, change, rows).rowcount == 0, "they are queued no more"
    found = {row["job"]: (row["status"], row["current_stage"]) for row in _rows(ledger, jobs)}
    assert found == {job: ("running", f"to-{job}") for job in ids[:2]} | {ids[2]: ("queued", None)}


@pytest.mark.parametrize("table", [origins, versions])
def test_new_rows_leave_those_alone_that_are_there(ledger: Ledger, table: Any) -> None:
    row: dict[str, Any] = {"tenant": "t", "document": "a"}
    row |= {"origin": "o"} if table is origins else {"content_hash": "0" * 64, "size": 1}
    statement = ledger.database.insert_new(table)
    assert ledger.database.insert_new(table) is statement, "compiled once"
    with ledger.begin() as cx:
        ledger.database.execute_many(cx, statement, [row, row | {"document": "b"}])
        ledger.database.execute_many(cx, statement, [row | ({"size": 2} if table is versions else {})])
    assert [each["document"] for each in _rows(ledger, table)] == ["a", "b"]
    assert all(each.get("size", 1) == 1 for each in _rows(ledger, table))


def test_a_batch_counts_what_its_worker_holds_until_others_take_it(ledger: Ledger) -> None:
    add(ledger, "a", "b", "c")
    taken = [job.job for job in claim(ledger, "w1")]
    with ledger.begin() as cx:
        cx.execute(update(jobs).where(jobs.c.job.in_(taken)).values(batch="mine"))
        count = [ledger.jobs.count_held(cx, worker, "mine") for worker in ("w1", "w2")]
        cx.execute(update(jobs).where(jobs.c.job == taken[0]).values(lease_owner="w2"))
        ledger.jobs.supersede(cx, TENANT, "b")
        assert [*count, ledger.jobs.count_held(cx, "w1", "mine")] == [3, 0, 1]
