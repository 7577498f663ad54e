"""`penstock up`: what was submitted is worked on; one signal ends every process that it started."""

import signal
import socket
import time
from pathlib import Path

import pytest
from tests.command import Penstock, kill


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def processes_of(home: Path) -> list[int]:
    """The processes that work on a home, told by their environment."""
    mark = f"PENSTOCK_HOME={home}\0".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def wait_for(penstock: Penstock, status: str, count: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while penstock("status", "--json").ok().json["jobs"].get(status, 0) < count:
        assert time.monotonic() < deadline, penstock("status").out


@pytest.fixture
def penstock(tmp_path: Path) -> Penstock:
    made = Penstock.at(tmp_path)
    (tmp_path / "documents").mkdir()
    for name in ("bread", "tea"):
        (tmp_path / "documents" / f"{name}.md").write_text(f"# {name}\n\nHow {name} is made.\n")
    return made


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="tells processes apart by /proc")
def test_what_is_submitted_is_worked_on_and_a_signal_ends_every_process(penstock: Penstock, tmp_path: Path) -> None:
    up = penstock.start("up", "--port", free_port())
    try:
        penstock("submit", "auto", "--input", tmp_path / "documents").ok()
        wait_for(penstock, "completed", 2, seconds=150)
        assert penstock.found("how bread is made")[0] == "file:bread.md"
        up.send_signal(signal.SIGTERM)
        _, err = up.communicate(timeout=60)
    except BaseException:
        kill(up)
        raise
    assert up.returncode == 0, err[-3000:]
    assert "the Dagster UI is at http://127.0.0.1:" in err
    assert processes_of(penstock.home) == []
    assert penstock("status", "--json").ok().json["outbox"] == 0
    penstock.audit()


def test_a_port_that_is_taken_is_told_before_anything_starts(penstock: Penstock) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = penstock("up", "--port", port).ok(3)
    assert f"port {port} is taken by another process" in answer.err
    assert not (penstock.home / "dagster").exists()
