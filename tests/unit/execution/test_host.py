"""Adapters in a process of their own: whatever they do to it, the run goes on, and only the document pays."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.execution.scene import INGEST, PLUGIN, Scene, counts, pipeline, stage

from penstock.adapters.stores.durable import PARTIAL
from penstock.execution.journal import Journal
from penstock.execution.lines import framed, start_host
from penstock.execution.messages import Prepare
from penstock.execution.sweep import sweep
from penstock.plan.topology import Policy, Topology

BRISK = Policy(name="brisk", max_attempts=2, backoff_strategy="none", timeout_seconds=2.0)
CHUNK = stage("chunk", "Chunk", "parse")


def rough(uses: str = "rough", policy: Policy = BRISK) -> Topology:
    return pipeline(INGEST, stage("parse", "Parse", "ingest", uses=uses, policy=policy), CHUNK)


@pytest.fixture
def home(tmp_path: Path, toys: Any) -> Iterator[Scene]:
    """A scene whose adapters work in a stage host."""
    made = Scene(tmp_path, "process")
    yield made
    made.workspace.close()


def unfinished(scene: Scene) -> Path:
    """A file of the object store that its writer has not finished, and does not write on."""
    path = scene.home / "objects" / "tenants" / "default" / "pdfs" / f".paper.pdf.1{PARTIAL}"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"%PDF-1.7")
    return path


def failed(scene: Scene, name: str) -> tuple[str, str | None, str | None]:
    job = scene.job(name)
    return job.status, job.error_type, job.error_message


def attempts(scene: Scene) -> list[str]:
    return (scene.home / "attempts").read_text().split()


@pytest.mark.parametrize("deed", ["sleep 60", "backtrack"])
@pytest.mark.parametrize("uses", ["rough", "rough-together"])
def test_a_call_that_hangs_in_native_code_is_ended_and_the_others_are_done(home: Scene, deed: str, uses: str) -> None:
    home.write(a="one", b=deed, c="three")
    policy = Policy(name="brisk", max_attempts=1, timeout_seconds=1.0)
    outcomes = home.run(rough(uses, policy))
    assert counts(outcomes) == {"ingest": (3, 0, 0), "parse": (2, 0, 1), "chunk": (2, 0, 0)}
    assert failed(home, "b") == ("parse_failed", "StageTimeoutError", "no answer within 1 s (policy `brisk`)")


def test_an_attempt_that_was_ended_leaves_nothing_behind(home: Scene) -> None:
    home.write(a="sleep 2.5")
    home.run(rough(policy=Policy(name="brisk", max_attempts=2, timeout_seconds=1.0)))
    time.sleep(2)  # longer than what was left of the last attempt
    assert failed(home, "a")[1] == "StageTimeoutError"
    assert (attempts(home), (home.home / "late").exists()) == (["sleep", "sleep"], False)


@pytest.mark.parametrize(("deed", "is_left"), [("killed", False), ("two", True)])
def test_what_a_host_that_died_has_not_finished_is_looked_for(home: Scene, deed: str, is_left: bool) -> None:
    home.write(a="one", b=deed)
    path = unfinished(home)
    home.run(rough())
    sweep(home.workspace)
    assert path.exists() == is_left, "who dies is looked after; where all ends well, nothing is looked for"


@pytest.mark.parametrize(
    ("deed", "how"),
    [
        ("segfault", "it crashed (SIGSEGV)"),
        ("killed", "it was killed (SIGKILL), as when the machine is out of memory"),
        ("exits", "it ended with exit code 3"),
    ],
)
@pytest.mark.parametrize("uses", ["rough", "rough-together"])
def test_a_document_that_takes_the_process_down_is_tried_again_and_set_aside(
    home: Scene, deed: str, how: str, uses: str
) -> None:
    home.write(a="one", b="two", c=deed, d="four")
    outcomes = home.run(rough(uses))
    assert counts(outcomes) == {"ingest": (4, 0, 0), "parse": (3, 0, 1), "chunk": (3, 0, 0)}
    assert failed(home, "c") == ("parse_failed", "StageCrashError", f"the stage host died: {how}")
    assert home.job("c").error_recovery == "crash"
    assert set(attempts(home)) == {deed}
    assert home.stage_runs("c")["parse"]["attempts"] == len(attempts(home))


def test_an_adapter_that_cannot_even_be_made_fails_its_documents_and_not_the_run(home: Scene) -> None:
    home.write(a="one")
    home.run(pipeline(stage("ingest", "Ingest", uses="fatal"), stage("parse", "Parse", "ingest")))
    assert failed(home, "a") == (
        "ingest_failed",
        "UnavailableError",
        "adapter `fatal` of `IngestStage` could not be made: the stage host died: it crashed (SIGSEGV)",
    )


def test_what_later_stages_take_survives_the_host(home: Scene) -> None:
    home.write(a="one", b="two")
    home.submit(rough())
    with home.batch(rough()) as batch:
        from penstock.execution.runner import run_stage

        pids = set()
        for each in batch.stages:
            run_stage(batch, each)
            pids.add(home.workspace.stages._line._process.pid)  # type: ignore[attr-defined]  # it is a ProcessLine
            os.kill(max(pids), signal.SIGKILL)
    assert home.statuses() == {"a": "completed", "b": "completed"}
    assert len(pids) == 3


def test_what_an_adapter_prints_does_not_stand_in_the_command_s_output(
    home: Scene, capfd: pytest.CaptureFixture[str]
) -> None:
    home.write(a="prints nonsense")
    home.run(rough())
    home.workspace.close()
    out, err = capfd.readouterr()
    assert (out, err) == ("", "nonsense")


def test_a_transient_error_keeps_what_the_endpoint_asked_for_on_its_way(home: Scene) -> None:
    home.write(a="busy")
    home.run(rough(policy=Policy(name="brisk", max_attempts=2, backoff_strategy="none", timeout_seconds=5.0)))
    assert failed(home, "a") == ("parse_failed", "TransientError", "busy")
    told = [each["data"] for each in home.events() if each["type"] == "toy.stage.retrying"]
    assert [(each["attempt_number"], each["backoff_ms"]) for each in told] == [(1, 100.0)]


def test_a_cancellation_of_the_adapter_s_own_is_its_document_s_error(scene: Scene) -> None:
    scene.write(a="cancels", b="two")
    assert counts(scene.run(rough()))["parse"] == (1, 0, 1)
    assert failed(scene, "a") == ("parse_failed", "CancelledError", "the adapter was cancelled: CancelledError")


@pytest.mark.parametrize("isolation", ["process", "inline"])
def test_calls_of_an_async_adapter_are_under_way_together(tmp_path: Path, toys: Any, isolation: Any) -> None:
    scene = Scene(tmp_path, isolation)
    scene.write(a="one", b="two", c="three", d="odd", e="hang")
    policy = Policy(name="brisk", max_attempts=1, timeout_seconds=2.0)
    scene.run(rough("async", policy))
    assert failed(scene, "d")[:2] == ("parse_failed", "ValueError")
    assert failed(scene, "e") == ("parse_failed", "StageTimeoutError", "no answer within 2 s (policy `brisk`)")
    texts = {name: scene.packs("parse", name).read_bytes() for name in "abc"}
    scene.workspace.close()
    assert all(b"title\xa14" in text for text in texts.values()), "four at once, as the adapter says"


def test_an_async_adapter_that_blocks_its_loop_is_ended_too(home: Scene) -> None:
    home.write(a="one", b="block", c="three")
    outcomes = home.run(rough("async", Policy(name="brisk", max_attempts=1, timeout_seconds=1.0)))
    assert counts(outcomes)["parse"] == (2, 0, 1)
    assert failed(home, "b")[1] == "StageTimeoutError"


VICTIM = """
import signal
import sys
from pathlib import Path
from tests.unit.execution.scene import Scene
from tests.unit.execution.test_host import rough

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
scene = Scene(Path(sys.argv[1]), "process")
scene.write(a=sys.argv[2])
scene.run(rough())
"""


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def begun(folder: Path, deed: str) -> tuple[subprocess.Popen[bytes], int]:
    """A run in a process of its own, in the middle of a call, and the id of its host."""
    path = os.pathsep.join([str(PLUGIN), str(Path(__file__).parents[3])])
    run = subprocess.Popen([sys.executable, "-c", VICTIM, str(folder), deed], env=os.environ | {"PYTHONPATH": path})
    while not (folder / "home" / "attempts").exists():
        assert run.poll() is None
        time.sleep(0.02)
    (host,) = children(run.pid)
    return run, host


def wait_for_the_end_of(pid: int) -> None:
    while (
        Path(f"/proc/{pid}/stat").exists()
        and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    ):
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("deed", ["sleep 60", "backtrack"])
def test_a_host_dies_with_its_run(tmp_path: Path, toys: Any, deed: str) -> None:
    run, host = begun(tmp_path, deed)
    run.kill()
    run.wait()
    wait_for_the_end_of(host)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_an_interrupt_ends_a_call_at_once(tmp_path: Path, toys: Any) -> None:
    run, host = begun(tmp_path, "sleep 60")
    run.send_signal(signal.SIGINT)
    assert run.wait(20) != 0
    wait_for_the_end_of(host)


def test_a_host_whose_run_ends_without_listening_ends_in_silence(
    home: Scene, capfd: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = socket.socketpair()
    journal = Journal.make()
    with theirs:
        host = start_host(theirs, journal.descriptor)
    with ours:
        ours.sendall(framed(home.workspace.opening()) + framed(Prepare(1, INGEST)))
        assert select.select([ours], [], [], 60)[0], "it has answered, and nobody reads it"
    assert host.wait(20) == 0
    journal.close()
    assert capfd.readouterr().err == ""
