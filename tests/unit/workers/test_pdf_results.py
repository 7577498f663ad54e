"""A result is taken from whoever holds the request, for the PDF that was asked for; any other is refused."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from tests.unit.execution.conftest import scene, toys
from tests.unit.execution.scene import TENANT, Scene
from tests.unit.workers.papers import PAPERS, request

from penstock.errors import RejectedError, StageCrashError
from penstock.execution import pdf_results
from penstock.execution.gates import open_by_hand
from penstock.execution.messages import Reading, Result
from penstock.execution.pdf_results import Claim
from penstock.execution.removal import delete
from penstock.ledger.pdf_requests import RequestState
from penstock.ledger.workers import Worker
from penstock.records import Document, Provenance

__all__ = ["scene", "toys"]


@pytest.fixture
def worker(scene: Scene) -> Iterator[Worker]:
    with scene.worker() as made:
        yield made


@pytest.fixture
def claim(scene: Scene, worker: Worker) -> Claim:
    """A document that waits, and its request, taken."""
    scene.write(a="one")
    scene.run(PAPERS)
    found = pdf_results.take(scene.workspace, worker)
    assert found is not None
    return found


def document(claim: Claim, **changes: Any) -> Document:
    provenance = Provenance(source="file", raw=claim.request.sha256, adapter="rough", adapter_version="1")
    values = {"document_id": claim.request.document, "title": "A", "text": "one", "provenance": provenance}
    return Document(**values | changes)


def reading(claim: Claim, output: bytes | None = None, **changes: Any) -> Reading:
    encoded = msgspec.msgpack.encode(document(claim)) if output is None else output
    made = Reading(claim.request.request, claim.request.token, claim.request.sha256, 0.5, Result(encoded, 1))
    return msgspec.structs.replace(made, **changes)


def is_kept(scene: Scene, claim: Claim) -> bool:
    with scene.ledger.read() as cx:
        return bool(scene.ledger.artifacts.existing(cx, [claim.request.work_key]))


def test_what_was_asked_for_is_taken(scene: Scene, worker: Worker, claim: Claim) -> None:
    assert pdf_results.accept(scene.workspace, worker, claim, reading(claim), pages=3)
    assert is_kept(scene, claim)
    assert (request(scene, "a").state, request(scene, "a").pages) == (RequestState.DONE, 3)
    run = scene.stage_runs("a")["gate"]
    assert (run["status"], run["attempts"], run["seconds"], run["work_key"]) == (
        "completed",
        1,
        0.5,
        claim.request.work_key,
    )


def test_the_same_result_twice_is_taken_once(scene: Scene, worker: Worker, claim: Claim) -> None:
    assert pdf_results.accept(scene.workspace, worker, claim, reading(claim))
    assert not pdf_results.accept(scene.workspace, worker, claim, reading(claim))
    assert scene.told("a", "stage.completed").count(("stage.completed", "gate")) == 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"request": "another"}, "another request"),
        ({"token": 7}, "another request"),
        ({"sha256": "0" * 64}, "other bytes"),
        ({"result": Result(b"", 1)}, "no Document"),
        ({"result": Result(b"\xc1", 1)}, "no Document"),
        ({"result": Result(msgspec.msgpack.encode({"document_id": 7}), 1)}, "no Document"),
        ({"result": Result(b"\xdd\xff\xff\xff\xff", 1)}, "no Document"),
    ],
)
def test_a_result_that_cannot_be_that_of_the_pdf_is_refused(
    scene: Scene, worker: Worker, claim: Claim, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(StageCrashError, match=problem):
        pdf_results.accept(scene.workspace, worker, claim, reading(claim, **changes))
    assert not is_kept(scene, claim)
    assert (scene.job("a").status, request(scene, "a").state) == ("waiting", RequestState.LEASED)


@pytest.mark.parametrize(
    "changes",
    [
        {"document_id": "file:b.txt"},
        {"provenance": Provenance(source="file", raw="0" * 64, adapter="rough", adapter_version="1")},
    ],
)
def test_a_document_of_something_else_is_refused(
    scene: Scene, worker: Worker, claim: Claim, changes: dict[str, Any]
) -> None:
    forged = msgspec.msgpack.encode(document(claim, **changes))
    with pytest.raises(StageCrashError, match="another document"):
        pdf_results.accept(scene.workspace, worker, claim, reading(claim, forged))
    assert not is_kept(scene, claim)


def deleted(scene: Scene, claim: Claim) -> None:
    delete(scene.workspace, TENANT, [claim.request.document])


def changed(scene: Scene, claim: Claim) -> None:
    scene.write(a="two")
    scene.submit(PAPERS)


def let_through(scene: Scene, claim: Claim) -> None:
    open_by_hand(scene.workspace, TENANT, claim.request.document, "gate", "read by hand")


def taken_over(scene: Scene, claim: Claim) -> None:
    with scene.ledger.begin() as cx:
        scene.ledger.pdf_requests.requeue_of(cx, [claim.request.lease_owner or ""])
        assert scene.ledger.pdf_requests.claim(cx, "w-other") is not None


def freed(scene: Scene, claim: Claim) -> None:
    with scene.ledger.begin() as cx:
        scene.ledger.pdf_requests.requeue_of(cx, [claim.request.lease_owner or ""])


HAPPENINGS = [deleted, changed, let_through, taken_over, freed]


@pytest.mark.parametrize("happening", HAPPENINGS, ids=lambda each: each.__name__)
def test_a_result_that_nobody_waits_for_changes_nothing(
    scene: Scene, worker: Worker, claim: Claim, happening: Any
) -> None:
    happening(scene, claim)
    before = (scene.job("a").status, len(scene.events()))
    packs = set(scene.workspace.resources.packs.names())
    assert not pdf_results.accept(scene.workspace, worker, claim, reading(claim))
    assert set(scene.workspace.resources.packs.names()) == packs
    assert not pdf_results.fail(scene.workspace, claim, RejectedError("broken"))
    assert not pdf_results.put_off(scene.workspace, claim, StageCrashError("died"), 1.0)
    pdf_results.give_back(scene.workspace, claim)
    assert not is_kept(scene, claim)
    assert (scene.job("a").status, len(scene.events())) == before


def test_a_result_under_the_name_of_another_worker_changes_nothing(scene: Scene, worker: Worker, claim: Claim) -> None:
    other = claim._replace(request=msgspec.structs.replace(claim.request, lease_owner="w-other"))
    assert not pdf_results.accept(scene.workspace, worker, other, reading(claim))
    assert request(scene, "a").state == RequestState.LEASED


def test_what_another_job_has_had_read_is_not_read_again(scene: Scene, worker: Worker, claim: Claim) -> None:
    twin = msgspec.structs.replace(PAPERS, pipeline="twin")
    scene.submit(twin)
    scene.go_on(twin)
    assert scene.job("a").status == "waiting"
    assert pdf_results.accept(scene.workspace, worker, claim, reading(claim))
    assert pdf_results.take(scene.workspace, worker) is None
    found = {job.pipeline: request_of(scene, job.job) for job in scene.jobs("a")}
    assert found == {"papers": RequestState.DONE, "twin": RequestState.DONE}


def request_of(scene: Scene, job: str) -> str:
    with scene.ledger.read() as cx:
        return scene.ledger.pdf_requests.of_jobs(cx, [job])[0].state
