"""The relay as a process: it drains, it goes on where a store fails, it ends when it is asked to."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.execution.conftest import scene, toys
from tests.unit.execution.scene import GRAPH_ONLY, TENANT, Scene

from penstock.execution.removal import delete

__all__ = ["scene", "toys"]

RELAY = """
import sys
from pathlib import Path
from tests.unit.execution.scene import Scene
from penstock.workers.relay import run_relay

print(run_relay(Scene(Path(sys.argv[1])).workspace, drain="drain" in sys.argv))
"""


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    path = str(Path(__file__).parents[3])
    return subprocess.Popen(
        [sys.executable, "-c", RELAY, str(folder), *more],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def owing(scene: Scene) -> Scene:
    """A home that owes events and a sweep."""
    scene.write(a="aspirin", b="bread")
    scene.run(GRAPH_ONLY)
    delete(scene.workspace, TENANT, ["file:b.txt"])
    return scene


def sent(home: Path) -> list[str]:
    path = home / "events" / "events.jsonl"
    return [json.loads(line)["id"] for line in path.read_text().splitlines()] if path.is_file() else []


def owed(scene: Scene) -> list[str]:
    return [event["id"] for event in scene.events()]


def test_it_drains_what_is_owed_and_sweeps_what_is_due(owing: Scene, tmp_path: Path) -> None:
    out, err = start(tmp_path, "drain").communicate(timeout=60)
    assert (out, err) == (f"{len(owed(owing))}\n", "")
    assert sent(owing.home) == owed(owing)
    assert [build for build, _ in owing.workspace.resources.graph.scan(TENANT)] == [owing.document("a").graph_build]


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_where_the_sink_is_down_it_goes_on_and_ends_when_asked_to(
    owing: Scene, tmp_path: Path, asked: signal.Signals
) -> None:
    sink = owing.home / "events"
    sink.write_text("in the way")
    process = start(tmp_path)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("trying again: ")
    sink.unlink()
    while sent(owing.home) != owed(owing):
        assert process.poll() is None
        os.sched_yield()
    process.send_signal(asked)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, f"{len(owed(owing))}\n")


def test_drained_where_the_sink_is_down_it_says_what_went_wrong(owing: Scene, tmp_path: Path) -> None:
    (owing.home / "events").write_text("in the way")
    process = start(tmp_path, "drain")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Error" in err
