"""The PDF worker: whatever a PDF does to its reader, the worker goes on, and each job comes to one end."""

from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from tests.unit.execution.conftest import scene, toys
from tests.unit.execution.scene import Scene, counts
from tests.unit.workers.papers import PAPERS, papers, readings, request, resume, work

from penstock.execution.retry import retry
from penstock.ledger.pdf_requests import RequestState

__all__ = ["scene", "toys"]

ENDS = [
    ("encrypted", "pdf_encrypted", "RejectedError", "rejected"),
    ("gpu", "gpu_unavailable", "UnavailableError", "unavailable"),
    ("odd", "parse_failed", "ValueError", "permanent"),
]
"""What a reader says of a PDF: it is said once."""

DOWN = [
    ("segfault", "it crashed (SIGSEGV)"),
    ("killed", "it was killed (SIGKILL)"),
    ("exits 3", "exit code 3"),
    ("exits", "exit code 0"),
    ("garbage", "makes no sense"),
    ("another", "that of another document"),
]
"""What takes a reader down, or makes it say what cannot be: it is tried again, and then quarantined."""


def commands() -> list[str]:
    """The command lines of all processes."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(entry.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def ended(scene: Scene, name: str) -> tuple[str, str | None, str | None]:
    job = scene.job(name)
    return job.status, job.error_type, job.error_recovery


def test_what_waits_is_read_and_goes_on(scene: Scene) -> None:
    scene.write(a="one", b="two")
    assert counts(scene.run(PAPERS)) == {"ingest": (2, 0, 0), "fetch": (2, 0, 0)}
    assert scene.statuses() == {"a": "waiting", "b": "waiting"}
    tally = work(scene)
    assert (tally.read, dict(tally.failed), tally.refused) == (2, {}, 0)
    assert request(scene, "a").state == RequestState.DONE
    resume(scene)
    assert scene.statuses() == {"a": "completed", "b": "completed"}
    assert scene.told("a") == [
        ("stage.started", "ingest"),
        ("stage.completed", "ingest"),
        ("stage.started", "fetch"),
        ("stage.completed", "fetch"),
        ("pdf.requested", "gate"),
        ("job.waiting", "gate"),
        ("stage.started", "gate"),
        ("stage.completed", "gate"),
        ("gate.opened", "gate"),
        ("stage.started", "chunk"),
        ("stage.completed", "chunk"),
        ("job.completed", ""),
    ]
    assert not scene.stage_runs("a")["gate"]["reused"]


def test_what_was_read_is_not_asked_for_again(scene: Scene) -> None:
    scene.write(a="one")
    scene.run(PAPERS)
    work(scene)
    resume(scene)
    assert scene.submit(PAPERS).unchanged == 1
    assert readings(scene) == ["a"]


def test_another_setting_of_the_reader_reads_anew(scene: Scene) -> None:
    scene.write(a="one")
    scene.run(PAPERS)
    work(scene)
    resume(scene)
    scene.run(papers("careful"))
    assert (scene.job("a").status, request(scene, "a").state) == ("waiting", RequestState.QUEUED)
    assert work(scene).read == 1
    resume(scene, papers("careful"))
    assert scene.job("a").status == "completed"
    assert readings(scene) == ["a", "a"]


def test_a_document_that_is_there_already_opens_the_gate_at_once(scene: Scene) -> None:
    scene.write(a="one")
    scene.run(PAPERS)
    work(scene)
    resume(scene)
    *before, chunk = PAPERS.stages
    changed = msgspec.structs.replace(PAPERS, stages=(*before, msgspec.structs.replace(chunk, settings={"note": "x"})))
    scene.run(changed)
    with scene.ledger.read() as cx:
        assert scene.ledger.pdf_requests.of_jobs(cx, [scene.job("a").job]) == []
    scene.go_on(changed, 1)
    assert scene.job("a").status == "completed"
    assert readings(scene) == ["a"]
    assert scene.stage_runs("a")["gate"]["reused"]


@pytest.mark.parametrize(("deed", "status", "kind", "recovery"), ENDS)
def test_a_pdf_that_its_reader_refuses_ends_its_job_and_no_other(
    scene: Scene, deed: str, status: str, kind: str, recovery: str
) -> None:
    scene.write(a="one", b=deed, c="three")
    scene.run(PAPERS)
    tally = work(scene)
    assert (tally.read, dict(tally.failed)) == (2, {status: 1})
    assert ended(scene, "b") == (status, kind, recovery)
    assert (request(scene, "b").state, request(scene, "b").deliveries) == (RequestState.FAILED, 1)
    assert ("job.failed", "gate") in scene.told("b")
    with scene.ledger.read() as cx:
        assert scene.ledger.dead_letters.open_count(cx) == 1
    resume(scene)
    assert scene.statuses() == {"a": "completed", "b": status, "c": "completed"}


@pytest.mark.parametrize(("deed", "how"), DOWN)
def test_a_pdf_that_takes_its_readers_down_is_quarantined(scene: Scene, deed: str, how: str) -> None:
    scene.write(a="one", b=deed, c="three")
    scene.run(PAPERS)
    tally = work(scene, max_deliveries=2)
    assert (tally.read, dict(tally.failed), tally.tried_again) == (2, {"quarantined": 1}, 1)
    assert ended(scene, "b") == ("quarantined", "StageCrashError", "permanent")
    found = request(scene, "b")
    assert (found.state, found.deliveries) == (RequestState.QUARANTINED, 2)
    assert how in (scene.job("b").error_message or "")
    assert readings(scene).count("b") == 2
    assert [each for each in scene.told("b") if each[0] == "stage.retrying"] == [("stage.retrying", "gate")]


@pytest.mark.parametrize("deed", ["sleep 600", "spawn 600"])
def test_a_reader_that_hangs_is_ended_with_all_that_it_has_started(scene: Scene, deed: str) -> None:
    scene.write(a=deed, b="two")
    scene.run(PAPERS)
    tally = work(scene, base_seconds=2.0, page_seconds=0.0, max_deliveries=1)
    assert (tally.read, dict(tally.failed)) == (1, {"quarantined": 1})
    assert ended(scene, "a") == ("quarantined", "StageTimeoutError", "permanent")
    assert [line for line in commands() if "time.sleep(600)" in line] == []


def test_a_reader_that_takes_too_much_memory_is_ended(scene: Scene) -> None:
    scene.write(a="eat 700", b="two")
    scene.run(PAPERS)
    tally = work(scene, most_megabytes=400)
    assert (tally.read, dict(tally.failed)) == (1, {"pdf_too_large": 1})
    assert ended(scene, "a") == ("pdf_too_large", "RejectedError", "rejected")


def test_a_reader_that_takes_too_much_of_the_cpu_is_ended(scene: Scene) -> None:
    scene.write(a="spin 600")
    scene.run(PAPERS)
    tally = work(scene, base_seconds=100.0, page_seconds=0.0, most_cores=0.01, max_deliveries=1)
    assert dict(tally.failed) == {"quarantined": 1}
    assert "of CPU time" in (scene.job("a").error_message or "")


def test_what_a_reader_prints_is_in_nobodys_way(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.write(a="prints water")
    scene.run(PAPERS)
    assert work(scene).read == 1
    assert "water" not in capfd.readouterr().out


def test_a_reader_that_is_busy_is_asked_again(scene: Scene) -> None:
    scene.write(a="busy 0.01", b="two")
    scene.run(PAPERS)
    tally = work(scene, max_deliveries=3)
    assert (tally.read, dict(tally.failed), tally.tried_again) == (1, {"parse_failed": 1}, 2)
    assert ended(scene, "a") == ("parse_failed", "TransientError", "transient")


def test_a_retry_reads_again(scene: Scene) -> None:
    scene.write(a="encrypted")
    scene.run(PAPERS)
    work(scene)
    (queued,) = retry(scene.workspace, ["file:a.txt"])
    assert (queued.document, scene.job("a").status) == ("file:a.txt", "waiting")
    assert scene.told("a", "pdf.requested") == [("pdf.requested", "gate")] * 2
    work(scene)
    assert readings(scene) == ["a", "a"]
    assert scene.job("a").status == "pdf_encrypted"
    ids = [event["id"] for event in scene.events()]
    assert len(ids) == len(set(ids))


def test_a_run_tries_again_by_itself_what_was_not_the_documents_fault(scene: Scene) -> None:
    scene.write(a="gpu", b="encrypted")
    scene.run(PAPERS)
    work(scene)
    scene.submit(PAPERS)
    assert scene.statuses() == {"a": "waiting", "b": "pdf_encrypted"}


def test_a_stored_pdf_that_is_gone_ends_its_job(scene: Scene) -> None:
    scene.write(a="one", b="two")
    scene.run(PAPERS)
    scene.workspace.resources.objects.remove([request(scene, "a").path])
    scene.workspace.resources.objects.put(request(scene, "b").path, b"something else")
    tally = work(scene, max_deliveries=1)
    assert dict(tally.failed) == {"pdf_download_failed": 1, "parse_failed": 1}
    assert ended(scene, "b")[1] == "TransientError"


def test_no_tenant_waits_for_another(scene: Scene, tmp_path: Path) -> None:
    for number in range(6):
        scene.write(**{f"big{number}": f"number {number}"})
    scene.submit(PAPERS, tenant="big")
    small = tmp_path / "small"
    small.mkdir()
    (small / "only.txt").write_text("one")
    scene.submit(PAPERS, str(small), tenant="small")
    scene.go_on(PAPERS)
    order: list[str] = []
    work(scene, told=lambda claim, outcome: order.append(claim.request.tenant))
    assert order == ["big", "small", *["big"] * 5]
