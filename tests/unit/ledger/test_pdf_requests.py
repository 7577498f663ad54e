"""Requests to read a PDF: who gets them, in whose turn, and what ends them."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import update
from tests.unit.ledger.steps import add, claim_one, delete, expire, failure, statuses, wait

from penstock.ledger.ledger import Ledger
from penstock.ledger.pdf_requests import PDFRequest, RequestState
from penstock.ledger.tables import pdf_requests
from penstock.records import new_id

GATE = "gate"


def row(job: str, document: str, tenant: str = "default", **changes: Any) -> dict[str, Any]:
    return {
        "request": new_id(),
        "job": job,
        "gate": GATE,
        "tenant": tenant,
        "document": document,
        "path": f"tenants/{tenant}/pdfs/{document}.pdf",
        "sha256": "a" * 64,
        "size": 10,
        "work_key": f"key-{document}",
        **changes,
    }


def ask(ledger: Ledger, job: str, document: str, tenant: str = "default") -> list[PDFRequest]:
    with ledger.begin() as cx:
        return ledger.pdf_requests.ask(cx, [row(job, document, tenant)])


def waiting(ledger: Ledger, *documents: str, tenant: str = "default") -> list[str]:
    """Jobs that wait at their gate, with a request each."""
    ids = add(ledger, *documents, tenant=tenant)
    for job, document in zip(ids, documents, strict=True):
        wait(ledger, job, GATE)
        ask(ledger, job, document, tenant)
    return ids


def take(ledger: Ledger, worker: str = "w1", **which: str) -> PDFRequest | None:
    with ledger.begin() as cx:
        return ledger.pdf_requests.claim(cx, worker, **which)


def taken(ledger: Ledger, worker: str = "w1", **which: str) -> PDFRequest:
    found = take(ledger, worker, **which)
    assert found is not None
    return found


def state(ledger: Ledger, job: str) -> str:
    with ledger.read() as cx:
        (found,) = ledger.pdf_requests.of_jobs(cx, [job])
    return found.state


def is_held(ledger: Ledger, claimed: PDFRequest) -> bool:
    with ledger.read() as cx:
        return ledger.pdf_requests.is_held(cx, claimed)


def test_a_request_is_taken_once(ledger: Ledger) -> None:
    waiting(ledger, "a")
    first = taken(ledger)
    assert (first.document, first.state, first.token, first.deliveries, first.lease_owner) == (
        "a",
        "leased",
        1,
        1,
        "w1",
    )
    assert take(ledger, "w2") is None
    assert take(ledger, "w2", request=first.request) is None


def test_a_request_is_not_taken_before_its_job_waits(ledger: Ledger) -> None:
    (job,) = add(ledger, "a")
    claim_one(ledger, job)
    (asked,) = ask(ledger, job, "a")
    assert take(ledger) is None
    assert take(ledger, request=asked.request) is None
    with ledger.begin() as cx:
        ledger.jobs.wait(cx, [job], GATE, 1)
    assert taken(ledger, request=asked.request).request == asked.request


def test_asking_twice_is_asking_once(ledger: Ledger) -> None:
    (job,) = waiting(ledger, "a")
    assert ask(ledger, job, "a") == []
    claimed = taken(ledger)
    assert ask(ledger, job, "a") == []
    assert is_held(ledger, claimed)


def test_tenants_take_turns(ledger: Ledger) -> None:
    waiting(ledger, *(f"big{n}" for n in range(9)), tenant="big")
    waiting(ledger, "one", "two", tenant="small")
    waiting(ledger, "only", tenant="tiny")
    served: list[PDFRequest] = []
    while (found := take(ledger, after=served[-1].tenant if served else "")) is not None:
        served.append(found)
    order = [each.tenant for each in served]
    assert order == ["big", "small", "tiny", "big", "small", *["big"] * 7]
    assert [each.document for each in served if each.tenant == "big"] == [f"big{n}" for n in range(9)]


def test_a_result_counts_for_the_claim_that_it_was_read_under(ledger: Ledger) -> None:
    waiting(ledger, "a")
    old = taken(ledger, "w1")
    with ledger.begin() as cx:
        assert ledger.pdf_requests.requeue_of(cx, ["w1"]) == 1
    assert not is_held(ledger, old)
    new = taken(ledger, "w1")
    assert (new.token, new.deliveries, new.trouble) == (2, 2, "the worker that had it ended before it did")
    assert not is_held(ledger, old)
    assert is_held(ledger, new)
    assert not is_held(ledger, msgspec.structs.replace(new, lease_owner="w2"))


def test_what_is_given_back_counts_no_delivery(ledger: Ledger) -> None:
    waiting(ledger, "a")
    claimed = taken(ledger)
    with ledger.begin() as cx:
        ledger.pdf_requests.give_back(cx, claimed)
    again = taken(ledger)
    assert (again.token, again.deliveries) == (2, 1)


def test_what_is_put_off_is_not_taken_before_its_time(ledger: Ledger) -> None:
    waiting(ledger, "a")
    claimed = taken(ledger)
    with ledger.begin() as cx:
        ledger.pdf_requests.put_off(cx, claimed, "it crashed", 60.0)
    assert take(ledger) is None
    with ledger.read() as cx:
        count, seconds = ledger.pdf_requests.left(cx)
    assert count == 1
    assert seconds is not None
    assert 0 < seconds <= 60
    with ledger.begin() as cx:
        cx.execute(update(pdf_requests).values(available_at=0.0))
    again = taken(ledger)
    assert (again.deliveries, again.trouble) == (2, "it crashed")


def test_a_document_that_is_there_opens_the_gate(ledger: Ledger) -> None:
    (job,) = waiting(ledger, "a")
    claimed = taken(ledger)
    with ledger.begin() as cx:
        ledger.pdf_requests.done(cx, claimed)
    assert state(ledger, job) == RequestState.DONE
    with ledger.begin() as cx:
        assert ledger.jobs.open_gate(cx, "auto", GATE, "pdf_ir_ready", True) == [job]
    assert statuses(ledger, [job]) == ["queued"]
    assert state(ledger, job) == RequestState.DONE


@pytest.mark.parametrize("leased", [False, True])
def test_a_deleted_document_is_not_read(ledger: Ledger, leased: bool) -> None:
    (job,) = waiting(ledger, "a")
    claimed = taken(ledger) if leased else None
    delete(ledger, "a")
    assert state(ledger, job) == RequestState.SUPERSEDED
    assert take(ledger) is None
    assert claimed is None or not is_held(ledger, claimed)


def test_a_changed_document_is_read_as_it_is_now(ledger: Ledger) -> None:
    (old,) = waiting(ledger, "a")
    claimed = taken(ledger)
    (new,) = add(ledger, "a", content="c2")
    assert (state(ledger, old), is_held(ledger, claimed)) == (RequestState.SUPERSEDED, False)
    wait(ledger, new, GATE)
    ask(ledger, new, "a")
    assert taken(ledger).job == new


def test_a_job_that_is_let_through_by_hand_is_not_waited_for(ledger: Ledger) -> None:
    (job,) = waiting(ledger, "a")
    claimed = taken(ledger)
    with ledger.begin() as cx:
        ledger.jobs.pass_gate(cx, [job])
    assert (state(ledger, job), is_held(ledger, claimed)) == (RequestState.WITHDRAWN, False)


def test_a_gate_that_times_out_withdraws_what_was_asked_for(ledger: Ledger) -> None:
    (job,) = waiting(ledger, "a")
    with ledger.begin() as cx:
        ledger.jobs.fail(cx, [failure(job, "gate_timeout", stage=GATE)])
    assert (state(ledger, job), take(ledger)) == (RequestState.WITHDRAWN, None)


@pytest.mark.parametrize("end", [RequestState.FAILED, RequestState.QUARANTINED])
def test_what_could_not_be_read_is_asked_for_again_by_a_retry(ledger: Ledger, end: RequestState) -> None:
    (job,) = waiting(ledger, "a")
    claimed = taken(ledger)
    with ledger.begin() as cx:
        ledger.pdf_requests.end(cx, claimed, end, "broken")
        ledger.jobs.fail(cx, [failure(job, "parse_failed", stage=GATE)])
    assert (statuses(ledger, [job]), state(ledger, job)) == (["parse_failed"], end)
    with ledger.begin() as cx:
        assert ledger.jobs.requeue_failed(cx, [job]) == [job]
    assert (statuses(ledger, [job]), state(ledger, job)) == (["waiting"], RequestState.QUEUED)
    again = taken(ledger)
    assert (again.request, again.token, again.deliveries, again.trouble) == (claimed.request, 3, 1, None)


def test_a_retry_of_what_failed_elsewhere_goes_on_there(ledger: Ledger) -> None:
    (job,) = waiting(ledger, "a")
    claimed = taken(ledger)
    with ledger.begin() as cx:
        ledger.pdf_requests.done(cx, claimed)
        ledger.jobs.open_gate(cx, "auto", GATE, "pdf_ir_ready", True)
    claim_one(ledger, job, segment=1)
    with ledger.begin() as cx:
        ledger.jobs.fail(cx, [failure(job, "chunk_failed", stage="chunk")])
        ledger.jobs.requeue_failed(cx, [job])
    assert (statuses(ledger, [job]), state(ledger, job)) == (["queued"], RequestState.DONE)


def test_a_job_whose_run_died_before_the_gate_keeps_its_request(ledger: Ledger) -> None:
    (job,) = add(ledger, "a")
    claim_one(ledger, job, "w-dead")
    ask(ledger, job, "a")
    with ledger.begin() as cx:
        ledger.jobs.requeue_of(cx, ["w-dead"])
    assert (statuses(ledger, [job]), state(ledger, job)) == (["queued"], RequestState.QUEUED)
    wait(ledger, job, GATE)
    assert taken(ledger).job == job


def test_what_a_dead_worker_held_is_queued_again(ledger: Ledger, home: Path) -> None:
    (job,) = waiting(ledger, "a")
    with ledger.worker(60) as worker:
        claimed = taken(ledger, worker.id)
        ledger.recover()
        assert is_held(ledger, claimed)
        expire(ledger, worker.id)
    assert state(ledger, job) == RequestState.QUEUED


def test_what_an_unknown_worker_held_is_queued_again(ledger: Ledger) -> None:
    (job,) = waiting(ledger, "a")
    taken(ledger, "w-unknown")
    ledger.recover()
    assert state(ledger, job) == RequestState.QUEUED
