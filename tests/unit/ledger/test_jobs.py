import msgspec
import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from tests.unit.ledger.steps import add, claim, claim_one, complete, delete, fail, failure, job_row, run, statuses, wait

from penstock.errors import IllegalTransitionError
from penstock.ledger.ledger import Ledger
from penstock.ledger.tables import jobs


def test_a_new_job_is_read_back_as_it_was_added(ledger: Ledger) -> None:
    (added,) = add(ledger, "a", metadata={"year": 2020, "tags": ["x"]})
    with ledger.read() as cx:
        job = ledger.jobs.get(cx, [added])[added]
        assert ledger.jobs.latest(cx, "default", "auto", ["a", "b"]) == {"a": job}
        assert ledger.jobs.of_document(cx, "default", "a") == [job]
    assert (job.status, job.generation, job.lease_token, job.metadata) == (
        "queued",
        1,
        0,
        {"year": 2020, "tags": ["x"]},
    )


def test_a_new_job_supersedes_the_older_ones_that_nobody_works_on(ledger: Ledger) -> None:
    older = add(ledger, "queued", "waiting", "failed", "running", "completed")
    wait(ledger, older[1])
    fail(ledger, older[2])
    claim_one(ledger, older[3])
    complete(ledger, claim_one(ledger, older[4]))
    newer = add(ledger, "queued", "waiting", "failed", "running", "completed", content="c2")
    assert statuses(ledger, older) == ["superseded", "superseded", "superseded", "running", "completed"]
    assert statuses(ledger, newer) == ["queued"] * 5
    with ledger.read() as cx:
        assert ledger.dead_letters.open_count(cx) == 0


def test_a_new_job_leaves_other_pipelines_documents_and_tenants_alone(ledger: Ledger) -> None:
    older = [*add(ledger, "a", pipeline="pdf"), *add(ledger, "b"), *add(ledger, "a", tenant="other")]
    add(ledger, "a", content="c2")
    assert statuses(ledger, older) == ["queued"] * 3


def test_the_newer_job_of_a_document_waits_until_the_running_one_has_ended(ledger: Ledger) -> None:
    (older,) = add(ledger, "a")
    running = claim_one(ledger, older)
    (newer,) = add(ledger, "a", content="c2")
    assert claim(ledger) == []
    complete(ledger, running)
    assert [job.job for job in claim(ledger)] == [newer]


def test_a_job_may_be_added_as_failed_beside_queued_ones(ledger: Ledger) -> None:
    ledger_rows = [
        job_row("a", 1, "c1"),
        job_row("b", 1, "c1", status="ingest_failed", error_type="RejectedError", error_message="cannot be read"),
    ]
    add(ledger, "c")
    with ledger.begin() as cx:
        ledger.jobs.add(cx, ledger_rows)
        (found,) = ledger.jobs.failed(cx, since=1.0)
    assert (found.document, found.error_type, found.error_message) == ("b", "RejectedError", "cannot be read")


def test_jobs_are_claimed_oldest_first_and_once(ledger: Ledger) -> None:
    first, second, third = [add(ledger, name)[0] for name in "cab"]
    assert [job.job for job in claim(ledger, limit=2)] == [first, second]
    taken = claim(ledger, "w2")
    assert [(job.job, job.status, job.lease_token) for job in taken] == [(third, "running", 1)]
    assert claim(ledger) == []


def test_a_claim_is_narrowed_by_ids_batch_topology_and_segment(ledger: Ledger) -> None:
    ids = add(ledger, *(f"d{number}" for number in range(1200)))
    assert claim(ledger, ids=[]) == []
    assert claim(ledger, pipeline="auto", segment=1) == []
    assert claim(ledger, batch="none") == []
    assert {job.job for job in claim(ledger, ids=ids[:1100], limit=1000)} <= set(ids[:1100])
    assert len(claim(ledger, ids=ids[:1100], limit=1000)) == 100
    assert len(claim(ledger, limit=1000)) == 100


def test_two_jobs_of_a_document_are_never_claimed_at_once(ledger: Ledger) -> None:
    add(ledger, "a", pipeline="auto")
    add(ledger, "a", pipeline="pdf")
    (held,) = claim(ledger, pipeline="auto")
    assert claim(ledger, pipeline="pdf") == []
    complete(ledger, held)
    assert len(claim(ledger, pipeline="pdf")) == 1


def test_the_database_itself_refuses_two_running_jobs_of_a_document(ledger: Ledger) -> None:
    add(ledger, "a", pipeline="auto")
    add(ledger, "a", pipeline="pdf")
    with pytest.raises(IntegrityError), ledger.begin() as cx:
        cx.execute(update(jobs).values(status="running"))
    with pytest.raises(IntegrityError), ledger.begin() as cx:
        ledger.jobs.add(cx, [job_row("a", 1, "c1")])


def test_a_worker_holds_nothing_after_its_jobs_were_taken_over(ledger: Ledger) -> None:
    ids = add(ledger, "a", "b")
    tokens = {job.job: job.lease_token for job in claim(ledger, "w1")}
    with ledger.begin() as cx:
        assert ledger.jobs.held(cx, "w1", tokens) == set(ids)
        assert ledger.jobs.held(cx, "w2", tokens) == set()
        assert ledger.jobs.requeue_of(cx, ["w1"]) == 2
        assert ledger.jobs.held(cx, "w1", tokens) == set()
    claim(ledger, "w2")
    with ledger.read() as cx:
        assert ledger.jobs.held(cx, "w1", tokens) == set()


def test_a_worker_that_claims_its_lost_job_again_does_not_hold_it_by_the_old_token(ledger: Ledger) -> None:
    (job,) = add(ledger, "a")
    old = claim_one(ledger, job)
    with ledger.begin() as cx:
        ledger.jobs.release(cx, "w1")
    new = claim_one(ledger, job)
    with ledger.begin() as cx:
        assert ledger.jobs.held(cx, "w1", {job: old.lease_token}) == set()
        ledger.jobs.complete(cx, [old])
    assert statuses(ledger, [job]) == ["running"]
    complete(ledger, new)
    assert statuses(ledger, [job]) == ["completed"]


def test_a_lost_job_gives_way_to_a_newer_one(ledger: Ledger) -> None:
    (older,) = add(ledger, "a")
    claim_one(ledger, older)
    (newer,) = add(ledger, "a", content="c2")
    with ledger.begin() as cx:
        assert ledger.jobs.requeue_of(cx, ["w1"]) == 0
    assert statuses(ledger, [older, newer]) == ["superseded", "queued"]


def test_a_job_that_a_newer_one_has_replaced_does_not_wait_at_a_gate(ledger: Ledger) -> None:
    (older, other) = add(ledger, "a", "b")
    claim(ledger)
    (newer,) = add(ledger, "a", content="c2")
    with ledger.begin() as cx:
        assert ledger.jobs.wait(cx, [older, other], "gate", 1) == [other]
    assert statuses(ledger, [older, other, newer]) == ["superseded", "waiting", "queued"]


def test_a_gate_opens_for_the_jobs_whose_field_has_the_value(ledger: Ledger) -> None:
    ready, unready, elsewhere = add(ledger, "a", "b", "c")
    for job in (ready, unready):
        wait(ledger, job)
    wait(ledger, elsewhere, "other-gate")
    with ledger.begin() as cx:
        cx.execute(update(jobs).where(jobs.c.job != unready).values(pdf_ir_ready=True))
        assert [(gate, count) for _, gate, count, _ in ledger.jobs.waiting(cx)] == [("gate", 2), ("other-gate", 1)]
        assert ledger.jobs.open_gate(cx, "auto", "gate", "pdf_ir_ready", True) == [ready]
    assert statuses(ledger, [ready, unready, elsewhere]) == ["queued", "waiting", "waiting"]
    assert claim(ledger, segment=0) == []
    assert [(job.job, job.segment) for job in claim(ledger, segment=1)] == [(ready, 1)]


def test_a_gate_that_times_out_fails_the_jobs_that_wait(ledger: Ledger) -> None:
    waiting, queued = add(ledger, "a", "b")
    wait(ledger, waiting)
    with ledger.begin() as cx:
        ledger.jobs.fail(cx, [failure(waiting, "gate_timeout"), failure(queued, "gate_timeout")])
    assert statuses(ledger, [waiting, queued]) == ["gate_timeout", "queued"]


def test_a_state_that_is_no_failure_is_refused(ledger: Ledger) -> None:
    with pytest.raises(IllegalTransitionError) as caught, ledger.begin() as cx:
        ledger.jobs.fail(cx, [failure("j1", "completed")])
    assert str(caught.value) == "job `j1` cannot fail as `completed`: that is no failure"


def test_only_failed_jobs_are_retried(ledger: Ledger) -> None:
    failed, running, completed = add(ledger, "a", "b", "c")
    fail(ledger, failed)
    claim_one(ledger, running)
    complete(ledger, claim_one(ledger, completed))
    with ledger.begin() as cx:
        assert ledger.jobs.requeue_failed(cx, [completed, failed, running, "absent"]) == [failed]
        assert ledger.jobs.get(cx, [failed])[failed].error_type == "RejectedError"
    assert statuses(ledger, [failed, running, completed]) == ["queued", "running", "completed"]
    complete(ledger, claim_one(ledger, failed))
    with ledger.read() as cx:
        assert ledger.jobs.get(cx, [failed])[failed].error_type is None


def test_of_two_failed_jobs_of_a_document_only_the_newer_is_retried(ledger: Ledger) -> None:
    (older,) = add(ledger, "a")
    claim_one(ledger, older)
    (newer,) = add(ledger, "a", content="c2")
    with ledger.begin() as cx:
        ledger.jobs.fail(cx, [failure(older)])
    fail(ledger, newer)
    with ledger.begin() as cx:
        assert ledger.jobs.requeue_failed(cx, [older, newer]) == [newer]
    assert statuses(ledger, [older, newer]) == ["superseded", "queued"]


def test_a_completed_job_supersedes_the_older_ones_that_failed(ledger: Ledger) -> None:
    (older,) = add(ledger, "a")
    claim_one(ledger, older)
    (newer,) = add(ledger, "a", content="c2")
    with ledger.begin() as cx:
        taken = ledger.jobs.get(cx, [older])[older]
        ledger.jobs.fail(cx, [failure(older)])
        ledger.dead_letters.add(cx, [(taken, failure(older))])
    complete(ledger, claim_one(ledger, newer))
    assert statuses(ledger, [older, newer]) == ["superseded", "completed"]
    with ledger.read() as cx:
        assert ledger.dead_letters.open_count(cx) == 0


def test_a_deleted_document_takes_its_jobs_out_of_the_way(ledger: Ledger) -> None:
    running, waiting, failed, queued = [add(ledger, "a", pipeline=name)[0] for name in ("auto", "pdf", "x", "y")]
    wait(ledger, waiting)
    fail(ledger, failed)
    tokens = {running: claim_one(ledger, running).lease_token}
    delete(ledger, "a")
    assert statuses(ledger, [running, waiting, failed, queued]) == ["superseded"] * 4
    with ledger.begin() as cx:
        assert ledger.jobs.held(cx, "w1", tokens) == set()
        assert ledger.jobs.requeue_failed(cx, [failed]) == []
        assert ledger.dead_letters.open_count(cx) == 0


def test_a_job_from_before_the_deletion_is_not_retried(ledger: Ledger) -> None:
    (job,) = add(ledger, "a")
    fail(ledger, job)
    with ledger.begin() as cx:
        ledger.documents.bury(cx, "default", "a")
        assert ledger.jobs.requeue_failed(cx, [job]) == []
    assert statuses(ledger, [job]) == ["superseded"]


def test_failed_jobs_are_found_by_document_stage_error_and_age(ledger: Ledger) -> None:
    first, second = add(ledger, "a", "b")
    fail(ledger, first)
    fail(ledger, second, "gpu_unavailable", stage="embed", error_type="UnavailableError")
    run(ledger, "c")

    def found(**narrowed: object) -> list[str]:
        with ledger.read() as cx:
            return [job.job for job in ledger.jobs.failed(cx, **narrowed)]  # type: ignore[arg-type]  # any of its filters

    assert found() == [first, second]
    assert found(documents=["b", "c"]) == [second]
    assert found(tenant="other") == []
    assert found(stage="embed") == found(error="UnavailableError") == found(error="gpu_unavailable") == [second]
    assert found(since=4e9) == []


def test_a_message_that_no_database_can_hold_is_mended(ledger: Ledger) -> None:
    (job,) = add(ledger, "a")
    fail(ledger, job, message="bad byte \x00 and half a pair \ud800")
    with ledger.read() as cx:
        assert ledger.jobs.get(cx, [job])[job].error_message == "bad byte � and half a pair ?"


@pytest.mark.parametrize(
    ("field", "value"), [("job", ""), ("document", ""), ("tenant", ""), ("document", "d" * 513), ("content_hash", "")]
)
def test_an_empty_or_endless_id_is_refused_by_the_database(ledger: Ledger, field: str, value: str) -> None:
    (job,) = add(ledger, "a")
    with ledger.read() as cx:
        row = msgspec.structs.asdict(ledger.jobs.get(cx, [job])[job])
    with pytest.raises(Exception, match=r"CHECK|check|too long"), ledger.begin() as cx:
        ledger.jobs.add(cx, [row | {"job": "j2", "document": "b", field: value}])
