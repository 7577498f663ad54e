"""Gates: any field of a job, several in a row, a time limit that fails closed, and a hand that opens them."""

import threading
from typing import Any

import pytest
from sqlalchemy import update
from tests.unit.execution.scene import INGEST, TENANT, Scene, gate, pipeline, stage

from penstock.errors import UsageError
from penstock.execution.gates import open_by_hand, tend_gates
from penstock.execution.retry import retry
from penstock.ledger.tables import jobs
from penstock.plan.topology import Topology

DAY = 86_400.0


def behind(condition: Any) -> Topology:
    """Parsing behind a gate."""
    return pipeline(INGEST, condition, stage("parse", "Parse", "ingest", segment=1), name="waits")


WAITS = behind(gate("gate", "ingest", "parse"))
LIMITED = behind(gate("gate", "ingest", "parse", timeout_seconds=DAY))
TWICE = pipeline(
    INGEST,
    gate("first", "ingest", "parse", field="pdf_downloaded"),
    stage("parse", "Parse", "ingest", segment=1),
    gate("second", "parse", "chunk", segment=1, timeout_seconds=DAY),
    stage("chunk", "Chunk", "parse", segment=2),
    name="twice",
)


def put(scene: Scene, name: str, **values: Any) -> None:
    """Set fields of a document's job, as a worker or time does."""
    with scene.ledger.begin() as cx:
        cx.execute(update(jobs).where(jobs.c.document == f"file:{name}.txt").values(**values))


def wait_long(scene: Scene, *names: str, seconds: float = DAY + 60) -> None:
    for name in names:
        put(scene, name, waiting_since=jobs.c.waiting_since - seconds)


@pytest.mark.parametrize(
    ("field", "equals", "passes"),
    [
        ("pdf_downloaded", False, ["a", "b"]),
        ("post_pdf_started", True, []),
        ("source", "file", ["a", "b"]),
        ("source", "slack", []),
        ("tenant", "default", ["a", "b"]),
        ("document", "file:b.txt", ["b"]),
        ("size", 7, ["a"]),
        ("generation", 1, ["a", "b"]),
    ],
)
def test_any_field_of_a_job_may_be_asked(scene: Scene, field: str, equals: Any, passes: list[str]) -> None:
    topology = behind(gate("gate", "ingest", "parse", field=field, equals=equals))
    scene.write(a="aspirin", b="bread")
    scene.run(topology)
    assert [name for name, status in scene.statuses().items() if status == "queued"] == passes
    assert tend_gates(scene.workspace) == 0, "what a job is does not change while it waits"


def test_a_flag_opens_a_gate_when_it_is_set(scene: Scene) -> None:
    scene.write(a="aspirin", b="bread")
    scene.run(WAITS)
    assert tend_gates(scene.workspace) == 0
    put(scene, "a", pdf_ir_ready=True)
    assert tend_gates(scene.workspace) == 1
    assert scene.statuses() == {"a": "queued", "b": "waiting"}
    (opened,) = [each for each in scene.events() if each["type"] == "toy.gate.opened"]
    assert (opened["subject"], opened["data"]["gate"]) == ("file:a.txt", "gate")
    assert opened["data"]["condition"] == "pdf_ir_ready = true"


def test_gates_in_a_row_open_one_after_the_other(scene: Scene) -> None:
    scene.write(a="aspirin")
    scene.run(TWICE)
    put(scene, "a", pdf_ir_ready=True)
    assert tend_gates(scene.workspace) == 0, "that is what the second one asks"
    put(scene, "a", pdf_downloaded=True)
    assert tend_gates(scene.workspace) == 1
    scene.go_on(TWICE, 1)
    scene.go_on(TWICE, 2)
    assert scene.job("a").status == "completed"
    assert scene.told("a", "gate.opened") == [("gate.opened", "first"), ("gate.opened", "second")]


def test_what_waits_too_long_fails_closed(scene: Scene) -> None:
    scene.write(a="aspirin", b="bread", c="cocoa")
    scene.run(LIMITED)
    wait_long(scene, "a", "b")
    put(scene, "b", pdf_ir_ready=True)
    assert tend_gates(scene.workspace) == 1
    assert scene.statuses() == {"a": "gate_timeout", "b": "queued", "c": "waiting"}, "what is ready is not too late"
    job = scene.job("a")
    assert (job.error_type, job.error_stage) == ("GateTimeoutError", "gate")
    assert job.error_message == "pdf_ir_ready = true did not come true within 86400 s"
    assert scene.told("a", "gate.timed_out", "job.failed") == [("gate.timed_out", "gate"), ("job.failed", "")]
    with scene.ledger.read() as cx:
        (letter,) = scene.ledger.dead_letters.of(cx, [job.job])
    assert (letter["stage"], letter["status"], letter["resolved_at"]) == ("gate", "gate_timeout", None)
    assert tend_gates(scene.workspace) == 0
    put(scene, "a", pdf_ir_ready=True)
    assert tend_gates(scene.workspace) == 0, "it stays closed"


def test_a_gate_without_a_limit_waits_for_ever(scene: Scene) -> None:
    scene.write(a="aspirin")
    scene.run(WAITS)
    wait_long(scene, "a", seconds=1000 * DAY)
    tend_gates(scene.workspace)
    assert scene.statuses() == {"a": "waiting"}


def test_what_has_waited_too_long_waits_anew_when_it_is_retried(scene: Scene) -> None:
    scene.write(a="aspirin")
    scene.run(LIMITED)
    for _ in range(2):
        wait_long(scene, "a")
        tend_gates(scene.workspace)
        assert [job.document for job in retry(scene.workspace, [])] == ["file:a.txt"]
        assert scene.statuses() == {"a": "waiting"}, "and not behind its gate"
        tend_gates(scene.workspace)
        assert scene.statuses() == {"a": "waiting"}, "its time begins anew"
    ids = [each["id"] for each in scene.events()]
    assert len(ids) == len(set(ids)), "a second failure is told, too"
    put(scene, "a", pdf_ir_ready=True)
    tend_gates(scene.workspace)
    scene.go_on(LIMITED, 1)
    assert scene.statuses() == {"a": "completed"}
    with scene.ledger.read() as cx:
        assert scene.ledger.dead_letters.open_count(cx) == 0


def test_a_job_that_was_replaced_while_it_had_failed_does_not_wait_again(scene: Scene) -> None:
    scene.write(a="aspirin")
    scene.run(LIMITED)
    wait_long(scene, "a")
    tend_gates(scene.workspace)
    old = scene.job("a").job
    scene.write(a="aspirin, and more of it")
    scene.submit(LIMITED)
    with scene.ledger.begin() as cx:
        assert scene.ledger.jobs.requeue_failed(cx, [old]) == []
        assert scene.ledger.jobs.outlines(cx, [old])[old].status == "superseded"


def test_a_hand_opens_one_of_several_gates(scene: Scene) -> None:
    scene.write(a="aspirin", b="bread")
    scene.run(TWICE)
    with pytest.raises(UsageError, match="no gate that the document waits at is named `second`"):
        open_by_hand(scene.workspace, TENANT, "file:a.txt", "second", "in a hurry")
    open_by_hand(scene.workspace, TENANT, "file:a.txt", "first", "read by hand")
    scene.go_on(TWICE, 1)
    assert (scene.job("a").current_stage, scene.job("a").status) == ("second", "waiting")
    open_by_hand(scene.workspace, TENANT, "file:a.txt", "second", "read by hand")
    scene.go_on(TWICE, 2)
    assert scene.statuses() == {"a": "completed", "b": "waiting"}


def test_a_hand_opens_a_gate_that_has_timed_out(scene: Scene) -> None:
    scene.write(a="aspirin")
    scene.run(LIMITED)
    wait_long(scene, "a")
    tend_gates(scene.workspace)
    (job,) = open_by_hand(scene.workspace, TENANT, "file:a.txt", "gate", "late is better than never")
    assert (job.status, scene.job("a").status) == ("gate_timeout", "queued")
    with scene.ledger.read() as cx:
        (letter,) = scene.ledger.dead_letters.of(cx, [job.job])
    assert letter["resolution"] == "opened"
    scene.go_on(LIMITED, 1)
    assert scene.statuses() == {"a": "completed"}


def test_what_failed_behind_a_gate_is_not_let_through_it_again(scene: Scene, toys: Any) -> None:
    def fail(ctx: Any, value: Any) -> None:
        raise ValueError("no")

    toys.on["parse"] = fail
    scene.write(a="aspirin")
    scene.run(WAITS)
    put(scene, "a", pdf_ir_ready=True)
    tend_gates(scene.workspace)
    scene.go_on(WAITS, 1)
    with pytest.raises(UsageError, match=r"`file:a\.txt` waits at no gate"):
        open_by_hand(scene.workspace, TENANT, "file:a.txt", "gate", "again")


def test_many_that_tend_a_gate_at_once_open_it_once(scene: Scene) -> None:
    scene.write(**{f"d{number}": str(number) for number in range(30)})
    scene.run(LIMITED)
    for number in range(30):
        wait_long(scene, f"d{number}")
        if number % 2:
            put(scene, f"d{number}", pdf_ir_ready=True)
    opened: list[int] = []
    together = threading.Barrier(4)

    def tend() -> None:
        with scene.another() as other:
            together.wait()
            opened.append(tend_gates(other.workspace))

    threads = [threading.Thread(target=tend) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sum(opened) == 15
    told = [each["type"] for each in scene.events()]
    assert (told.count("toy.gate.opened"), told.count("toy.gate.timed_out"), told.count("toy.job.failed")) == (15,) * 3
