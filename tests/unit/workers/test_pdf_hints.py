"""Requests by way of a queue, on a real ledger: what each message leads to, and what is settled when. See also
`tests/services/test_kafka_worker.py`, which has the real broker."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from tests.unit.execution.conftest import scene, toys
from tests.unit.execution.scene import TENANT, Scene
from tests.unit.workers.papers import PAPERS, request

from penstock.execution import pdf_results
from penstock.execution.pdf_results import Claim
from penstock.ledger.workers import Worker
from penstock.ports import Hint
from penstock.workers.pdf.hints import FOREIGN, OLD, TAKEN, UNKNOWN, HintedQueue

__all__ = ["scene", "toys"]


class Memory:
    """A `RequestQueue` in memory, which remembers what it was told."""

    def __init__(self, *hints: Hint) -> None:
        self.hints, self.settled, self.aside, self.closed = list(hints), [], [], False

    def publish(self, events: Sequence[Mapping[str, Any]]) -> None:
        raise AssertionError("a worker asks for nothing")

    def prepare(self) -> None: ...

    def receive(self, limit: int, seconds: float) -> list[Hint]:
        given, self.hints = self.hints[:limit], self.hints[limit:]
        time.sleep(0.01)
        return given

    def settle(self, hint: Hint) -> None:
        self.settled.append(hint.place)

    def set_aside(self, hint: Hint, reason: str) -> None:
        self.aside.append((hint.place, reason))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def worker(scene: Scene) -> Iterator[Worker]:
    scene.write(a="one", b="two")
    scene.run(PAPERS)
    with scene.ledger.worker(60) as made:
        yield made


def hint(scene: Scene, name: str, place: int, tenant: str = TENANT) -> Hint:
    return Hint(request(scene, name).request, tenant, place)


def hinted(scene: Scene, queue: Memory, *, scan: float = 1000.0) -> HintedQueue:
    return HintedQueue(scene.workspace, queue, 8, threading.Event(), scan)


def fail(scene: Scene, claim: Claim) -> None:
    """An end as any other, so far as the queue is concerned."""
    from penstock.errors import RejectedError

    assert pdf_results.fail(scene.workspace, claim, RejectedError("no text"), poison=False, seconds=0.1)


def test_a_message_is_settled_once_the_ledger_has_what_came_of_it(scene: Scene, worker: Worker) -> None:
    queue = Memory(hint(scene, "b", 1), hint(scene, "a", 2))
    made = hinted(scene, queue)
    with made.listening():
        claim = made.take(worker)
        assert claim is not None
        assert claim.job.document == "file:b.txt"
        fail(scene, claim)
        assert queue.settled == []
        made.settled(claim)
        other = made.take(worker)
        assert other is not None
    assert queue.settled == [1]
    assert queue.closed


def test_messages_that_lead_to_nothing_are_counted_and_forged_ones_set_aside(scene: Scene, worker: Worker) -> None:
    held = pdf_results.take(scene.workspace, worker, request=request(scene, "b").request)
    assert held is not None
    ended = pdf_results.take(scene.workspace, worker, request=request(scene, "a").request)
    assert ended is not None
    fail(scene, ended)
    queue = Memory(
        Hint("no-such-request", TENANT, 1), hint(scene, "b", 2, "other"), hint(scene, "a", 3), hint(scene, "b", 4)
    )
    made = hinted(scene, queue)
    with made.listening():
        assert made.take(worker) is None
    assert made.refused == {UNKNOWN: 1, FOREIGN: 1, OLD: 1, TAKEN: 1}
    assert queue.settled == [3, 4]
    assert queue.aside == [
        (1, f"the ledger has no such request of tenant `{TENANT}`"),
        (2, "the ledger has no such request of tenant `other`"),
    ]


def test_what_comes_twice_while_it_is_read_is_settled_with_the_first(scene: Scene, worker: Worker) -> None:
    queue = Memory(hint(scene, "a", 1), hint(scene, "a", 2))
    made = hinted(scene, queue)
    with made.listening():
        claim = made.take(worker)
        assert claim is not None
        assert made.take(worker) is None
        assert queue.settled == []
        fail(scene, claim)
        made.settled(claim)
    assert queue.settled == [1, 2]
    assert made.refused == {TAKEN: 1}


def test_what_no_message_came_for_is_found_at_a_scan(scene: Scene, worker: Worker) -> None:
    patient, eager = hinted(scene, Memory()), hinted(scene, Memory(), scan=0.0)
    assert patient.take(worker) is None
    found = {claim.job.document for claim in (eager.take(worker), eager.take(worker)) if claim is not None}
    assert found == {"file:a.txt", "file:b.txt"}
    assert eager.take(worker) is None


def test_what_is_given_back_at_the_end_is_left_to_others(scene: Scene, worker: Worker) -> None:
    queue, ending = Memory(hint(scene, "a", 1)), threading.Event()
    made = HintedQueue(scene.workspace, queue, 8, ending, 1000.0)
    with made.listening():
        claim = made.take(worker)
        assert claim is not None
        ending.set()
        pdf_results.give_back(scene.workspace, claim)
        made.settled(claim)
    assert queue.settled == []
    assert queue.closed


def test_a_message_is_not_lost_to_a_ledger_that_is_away(
    scene: Scene, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = hinted(scene, Memory(hint(scene, "a", 1)))
    with made.listening():
        with monkeypatch.context() as away:

            def gone(*_: object, **__: object) -> None:
                raise OperationalError("select", {}, Exception("the server is gone"))

            away.setattr(pdf_results, "take", gone)
            with pytest.raises(OperationalError):
                made.take(worker)
        assert made.take(worker) is not None
