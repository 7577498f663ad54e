"""F12 to F15. PDF workers that die, are stopped, are asked to end, or are several: each PDF is read to one end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.reliability.test_processes import PATH, ROOT
from tests.unit.execution.scene import Scene
from tests.unit.ledger.steps import expire
from tests.unit.workers.papers import PAPERS, readings, request, resume, work

from penstock.ledger.pdf_requests import RequestState

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="readers die with their worker on Linux alone")

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path, url: str) -> Iterator[Start]:
    """Starts a worker that drains; it is gone when the test ends."""
    made: list[subprocess.Popen[str]] = []

    def begin(*more: object, **bounds: Any) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tests.unit.workers.papers", str(tmp_path), url, json.dumps(bounds)]
        process = subprocess.Popen(
            [*command, *map(str, more)],
            env=os.environ | {"PYTHONPATH": PATH},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        made.append(process)
        return process

    yield begin
    for process in made:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def ended(process: "subprocess.Popen[str]") -> tuple[int, dict[str, int]]:
    """Exit code, and what the worker says that it has done."""
    out, _ = process.communicate(timeout=200)
    return process.returncode, json.loads(out) if out else {}


def reader_of(scene: Scene, count: int = 1) -> int:
    """The process that reads, once so many readings have begun."""
    path = scene.home / "readings"
    until = time.monotonic() + 120
    while not path.exists() or len(path.read_text().splitlines()) < count:
        assert time.monotonic() < until, "nobody reads"
        time.sleep(0.05)
    return int(path.read_text().splitlines()[count - 1].split()[2])


def waiting(scene: Scene, **texts: str) -> None:
    scene.write(**texts)
    scene.run(PAPERS)


def check_whole(scene: Scene, status: str = "completed") -> None:
    """Every document has come to its end once, and has been told of once."""
    resume(scene)
    assert set(scene.statuses().values()) == {status}
    ids = [event["id"] for event in scene.events()]
    assert len(ids) == len(set(ids))
    for name in scene.statuses():
        assert scene.told(name, "stage.completed").count(("stage.completed", "gate")) == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("effect", "number"), [("ledger.commit", 1), ("pack.write", 1), ("ledger.commit", 2)])
def test_a_worker_that_is_killed_leaves_nothing_half_done(
    scene: Scene, start: Start, effect: str, number: int, when: str
) -> None:
    waiting(scene, a="one", b="two")
    code, _ = ended(start(effect, number, when))
    assert code == -signal.SIGKILL
    scene.ledger.recover()
    assert {request(scene, name).state for name in "ab"} <= {RequestState.QUEUED, RequestState.DONE}
    work(scene)
    check_whole(scene)


def test_a_reader_that_is_killed_is_followed_by_another(scene: Scene, start: Start) -> None:
    waiting(scene, a="sleep 4")
    process = start()
    os.kill(reader_of(scene), signal.SIGKILL)
    assert ended(process) == (0, {"read": 1, "refused": 0, "back": 0})
    assert (request(scene, "a").deliveries, readings(scene)) == (2, ["a", "a"])
    check_whole(scene)


def test_a_worker_that_was_taken_for_dead_is_refused_when_it_comes_back(scene: Scene, start: Start) -> None:
    waiting(scene, a="sleep 4")
    process = start()
    reader_of(scene)
    os.kill(process.pid, signal.SIGSTOP)
    with scene.ledger.read() as cx:
        owners = scene.ledger.pdf_requests.owners(cx)
    expire(scene.ledger, *owners)
    assert work(scene).read == 1
    os.kill(process.pid, signal.SIGCONT)
    assert ended(process) == (0, {"read": 0, "refused": 1, "back": 0})
    assert request(scene, "a").token == 2
    check_whole(scene)


def test_a_worker_that_is_asked_to_end_gives_back_what_it_has_not_read(scene: Scene, start: Start) -> None:
    waiting(scene, a="sleep 600", b="sleep 600", c="three")
    process = start(concurrency=2)
    reader = reader_of(scene, 2)
    os.kill(process.pid, signal.SIGTERM)
    assert ended(process) == (0, {"read": 0, "refused": 0, "back": 2})
    assert [(request(scene, name).state, request(scene, name).deliveries) for name in "abc"] == [("queued", 0)] * 3
    assert not Path(f"/proc/{reader}").exists()


def test_readers_die_with_their_worker(scene: Scene, start: Start) -> None:
    waiting(scene, a="sleep 600")
    process = start()
    reader = reader_of(scene)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until = time.monotonic() + 30
    while Path(f"/proc/{reader}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{reader}").exists()


def test_a_pdf_that_takes_its_workers_down_is_quarantined(scene: Scene, start: Start) -> None:
    waiting(scene, a="treason")
    for _ in range(2):
        assert ended(start(max_deliveries=2))[0] == -signal.SIGKILL
        scene.ledger.recover()
    tally = work(scene, max_deliveries=2)
    assert dict(tally.failed) == {"quarantined": 1}
    assert scene.job("a").error_message == "given up after 3 readers: the worker that had it ended before it did"
    assert readings(scene) == ["a", "a"]


@pytest.mark.parametrize("count", [2, 4])
def test_several_workers_share_the_work(scene: Scene, start: Start, count: int) -> None:
    names = [f"d{number:02}" for number in range(24)]
    waiting(scene, **dict.fromkeys(names, "sleep 0.2"))
    ends = [ended(each) for each in [start(concurrency=2) for _ in range(count)]]
    assert [code for code, _ in ends] == [0] * count
    assert sum(done["read"] for _, done in ends) == len(names)
    assert sorted(readings(scene)) == names
    check_whole(scene)
