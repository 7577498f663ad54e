from collections.abc import Sequence
from typing import Any

from tests.unit.ledger.steps import add, claim, claim_one, complete, failure, statuses, wait

from penstock.ledger.batches import Batch
from penstock.ledger.ledger import Ledger


def plan(ledger: Ledger, name: str, jobs: Sequence[str], **changes: Any) -> Batch:
    values = {"pipeline": "auto", "topology": "auto", "segment": 0, "generation": 0, "status": "planned"}
    batch = Batch(**values | {"batch": name, "size": len(jobs)} | changes)
    with ledger.begin() as cx:
        ledger.batches.add(cx, batch, jobs)
    return batch


def test_queued_jobs_are_batched_once_and_oldest_first(ledger: Ledger) -> None:
    first, second = [add(ledger, name)[0] for name in "ba"]
    with ledger.read() as cx:
        assert ledger.batches.unbatched(cx, "auto", 0, 10) == [first, second]
    batch = plan(ledger, "b1", [first])
    with ledger.read() as cx:
        assert ledger.batches.unbatched(cx, "auto", 0, 10) == [second]
        assert ledger.batches.planned(cx) == [batch]
        assert ledger.batches.get(cx, "b1") == batch
        assert ledger.batches.get(cx, "b2") is None
    assert [job.job for job in claim(ledger, batch="b1")] == [first]


def test_a_batch_counts_as_started_by_the_run_that_came_first(ledger: Ledger) -> None:
    batch = plan(ledger, "b1", add(ledger, "a"))
    with ledger.begin() as cx:
        ledger.batches.started(cx, "b1", "r1")
        ledger.batches.started(cx, "b1", "r2")
        found = ledger.batches.get(cx, "b1")
        assert found is not None
        assert (found.status, found.run_id) == ("started", "r1")
        assert ledger.batches.planned(cx) == []
        ledger.batches.ended(cx, "b1")
        ledger.batches.started(cx, "b1", "r3")
        ended = ledger.batches.get(cx, "b1")
    assert ended == Batch(
        **{name: getattr(batch, name) for name in ("batch", "pipeline", "topology", "segment", "size")},
        generation=0,
        status="ended",
        run_id="r1",
    )


def test_a_batch_whose_run_ended_before_it_began_asks_for_another_run_once(ledger: Ledger) -> None:
    plan(ledger, "b1", add(ledger, "a"))
    with ledger.begin() as cx:
        for _ in range(2):
            ledger.batches.raise_generation(cx, "b1", 0)
        assert [batch.generation for batch in ledger.batches.planned(cx)] == [1]
        ledger.batches.started(cx, "b1", "r1")
        ledger.batches.raise_generation(cx, "b1", 1)
        found = ledger.batches.get(cx, "b1")
    assert found is not None
    assert found.generation == 1


def test_a_batch_whose_jobs_are_gone_is_ended(ledger: Ledger) -> None:
    job, other = add(ledger, "a", "b")
    plan(ledger, "b1", [job])
    plan(ledger, "b2", [other])
    claim_one(ledger, job)
    with ledger.begin() as cx:
        ledger.batches.close_empty(cx)
        assert [batch.batch for batch in ledger.batches.planned(cx)] == ["b2"]


def test_jobs_that_a_batch_left_in_the_queue_are_batched_again(ledger: Ledger) -> None:
    left, planned = add(ledger, "a", "b")
    plan(ledger, "b1", [left])
    plan(ledger, "b2", [planned])
    with ledger.begin() as cx:
        ledger.batches.ended(cx, "b1")
        ledger.batches.drop_stale(cx)
        assert ledger.batches.unbatched(cx, "auto", 0, 10) == [left]


def test_a_job_that_was_taken_meanwhile_stays_out_of_a_planned_batch(ledger: Ledger) -> None:
    taken, queued = add(ledger, "a", "b")
    held = claim_one(ledger, taken)
    plan(ledger, "b1", [taken, queued])
    plan(ledger, "b2", [taken], status="started", run_id="r1")
    complete(ledger, held)
    assert [job.job for job in claim(ledger, batch="b1")] == [queued]


def test_a_job_leaves_its_batch_when_it_waits_or_is_queued_again(ledger: Ledger) -> None:
    ids = add(ledger, "a", "b", "c")
    plan(ledger, "b1", ids)
    wait(ledger, ids[0])
    claim_one(ledger, ids[1])
    claim_one(ledger, ids[2])
    with ledger.begin() as cx:
        ledger.jobs.fail(cx, [failure(ids[2])])
        ledger.jobs.open_gate(cx, "auto", "gate", "pdf_ir_ready", False)
        ledger.jobs.release(cx, "w1")
        ledger.jobs.requeue_failed(cx, [ids[2]])
        assert set(ledger.batches.unbatched(cx, "auto", 0, 10)) == {ids[1], ids[2]}
        assert ledger.batches.unbatched(cx, "auto", 1, 10) == [ids[0]]
    assert statuses(ledger, ids) == ["queued"] * 3
