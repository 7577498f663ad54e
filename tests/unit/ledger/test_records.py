"""Stage runs, outbox, dead letters and pipeline versions: rows that are written once and read back."""

import pytest
from sqlalchemy import select
from tests.unit.ledger.steps import TENANT, add, claim_one, complete, fail, statuses

from penstock.ledger.ledger import Ledger
from penstock.ledger.status import JobStatus
from penstock.ledger.tables import dead_letters


def test_the_latest_run_of_a_stage_counts(ledger: Ledger) -> None:
    (job,) = add(ledger, "a")
    first = {"job": job, "stage": "parse", "status": "parse_failed", "attempts": 3, "seconds": 1.5, "reused": False}
    first |= {"work_key": None, "run_id": "r1", "error": "no text in it"}
    second = first | {"status": "completed", "attempts": 1, "work_key": "k1", "error": None}
    with ledger.begin() as cx:
        ledger.stage_runs.record(cx, [first])
        ledger.stage_runs.record(cx, [second])
        ledger.stage_runs.record(cx, [])
        found = ledger.stage_runs.of(cx, [job, "absent"])
    (run,) = found[job]
    assert {name: run[name] for name in second} == second
    assert found["absent"] == []


def test_facts_are_owed_until_they_are_relayed_and_kept_for_ever(ledger: Ledger) -> None:
    with ledger.begin() as cx:
        ledger.outbox.add(cx, b"one", 2)
        ledger.outbox.add(cx, b"", 0)
        ledger.outbox.add(cx, b"\x00\xff", 3)
        (first, at, facts), (second, _, others) = ledger.outbox.pending(cx, 10)
        assert (facts, others, first < second, at > 1.6e9) == (b"one", b"\x00\xff", True, True)
        assert ledger.outbox.pending_count(cx) == 5
        ledger.outbox.mark_relayed(cx, [first])
        assert [row[0] for row in ledger.outbox.pending(cx, 10)] == [second]
        assert ledger.outbox.pending_count(cx) == 3
    with ledger.read() as cx:
        assert [row[2] for row in ledger.outbox.all(cx)] == [b"one", b"\x00\xff"]


def test_what_is_owed_comes_in_parts_of_so_many_facts(ledger: Ledger) -> None:
    with ledger.begin() as cx:
        for facts in (b"one", b"two", b"three"):
            ledger.outbox.add(cx, facts, 4)
        parts = {limit: [row[2] for row in ledger.outbox.pending(cx, limit)] for limit in (1, 7, 8, 12)}
    assert parts == {1: [b"one"], 7: [b"one"], 8: [b"one", b"two"], 12: [b"one", b"two", b"three"]}


def test_facts_of_a_transaction_that_fails_are_not_owed(ledger: Ledger) -> None:
    (job,) = add(ledger, "a")

    def crash() -> None:
        with ledger.begin() as cx:
            ledger.jobs.supersede(cx, TENANT, "a")
            ledger.outbox.add(cx, b"one", 1)
            raise KeyError

    with pytest.raises(KeyError):
        crash()
    assert statuses(ledger, [job]) == ["queued"]
    with ledger.read() as cx:
        assert ledger.outbox.pending(cx, 10) == []


def test_a_dead_letter_is_closed_and_never_erased(ledger: Ledger) -> None:
    (job,) = add(ledger, "a")
    fail(ledger, job, chain=("ValueError",))
    with ledger.begin() as cx:
        assert ledger.dead_letters.open_count(cx) == 1
        ledger.dead_letters.resolve(cx, [job], "retried")
        assert ledger.jobs.requeue_failed(cx, [job]) == [job]
    complete(ledger, claim_one(ledger, job))
    with ledger.begin() as cx:
        ledger.dead_letters.resolve(cx, [job], "completed")
        assert ledger.dead_letters.open_count(cx) == 0
        (row,) = cx.execute(select(dead_letters)).all()
    assert (row.job, row.stage, row.status, row.chain, row.raw, row.resolution) == (
        job,
        "parse",
        "parse_failed",
        '["ValueError"]',
        "c1",
        "retried",
    )


def test_a_pipeline_version_is_kept_as_it_was(ledger: Ledger) -> None:
    with ledger.begin() as cx:
        ledger.keep_topology(cx, "d1", "auto", "1.0", "{}")
        ledger.keep_topology(cx, "d1", "auto", "1.0", "changed")
        assert ledger.topology(cx, "d1") == "{}"
        assert ledger.topology(cx, "d2") is None
        assert ledger.versions_in_flight(cx) == []
    add(ledger, "a", topology="d1")
    with ledger.read() as cx:
        assert ledger.versions_in_flight(cx) == ["d1"]
        assert ledger.versions_in_flight(cx, JobStatus.WAITING) == []
