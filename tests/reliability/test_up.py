"""F12, F49. Runs that `penstock up` has launched, killed or terminated: their documents go on in others."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from dagster import DagsterRunStatus
from tests.command import Penstock, kill
from tests.unit.workers.test_up import free_port, processes_of

from penstock.compiler.instance import dagster_home, open_instance

PLUGIN = Path(__file__).parent / "plugin"
PROFILE = "name: held\nextends: tiny\nstages: {ParseStage: {uses: poison}}\nlease_seconds: 5\ndispatch: false\n"
TERMINATE = "mutation($run: String!) { terminateRun(runId: $run) { __typename } }"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="tells processes apart by /proc"),
]


class Up:
    """A running `penstock up`, and documents that hold its runs until they are cured."""

    def __init__(self, penstock: Penstock, port: int, process: subprocess.Popen[str]) -> None:
        self.penstock, self.port, self.process = penstock, port, process

    def hold(self, name: str) -> None:
        """Submit a document whose parsing hangs, and wait until a run hangs in it."""
        (self.penstock.home / "cured").unlink(missing_ok=True)
        (self.penstock.home.parent / "documents" / f"{name}.md").write_text(f"# {name}\n\nSome words.\n\ndeed: hang\n")
        self.penstock("submit", "auto", "--input", "documents").ok()
        self.wait(lambda: f"file:{name}.md" in self.attempts())

    def attempts(self) -> list[str]:
        path = self.penstock.home / "attempts"
        return path.read_text().split() if path.exists() else []

    def cure(self) -> None:
        (self.penstock.home / "cured").touch()

    def wait(self, holds: Callable[[], bool], seconds: float = 150) -> float:
        """Wait until something holds; returns how long that took."""
        began = time.monotonic()
        while not holds():
            assert time.monotonic() < began + seconds, self.penstock("status").out
            assert self.process.poll() is None, "a part of `up` has ended"
            time.sleep(0.1)
        return time.monotonic() - began

    def completed(self) -> int:
        return int(self.penstock("status", "--json").ok().json["jobs"].get("completed", 0))

    def run_process(self) -> int:
        """The process of the one run that is under way: the one that has started a stage host."""
        hosts = [
            pid
            for pid in processes_of(self.penstock.home)
            if b"penstock.execution.host" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        (host,) = hosts
        return int(Path(f"/proc/{host}/stat").read_text().rpartition(")")[2].split()[1])

    def runs(self) -> dict[str, DagsterRunStatus]:
        """The state of each Dagster run."""
        with open_instance(dagster_home(self.penstock.home)) as instance:
            return {run.run_id: run.status for run in instance.get_runs()}

    def started(self) -> str:
        (run,) = [each for each, status in self.runs().items() if status == DagsterRunStatus.STARTED]
        return run

    def terminate(self, run: str) -> Any:
        """What the UI's button does."""
        body = json.dumps({"query": TERMINATE, "variables": {"run": run}}).encode()
        address = f"http://127.0.0.1:{self.port}/graphql"
        with urlopen(Request(address, body, {"Content-Type": "application/json"})) as answer:
            return json.load(answer)["data"]["terminateRun"]["__typename"]


@pytest.fixture
def up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Up]:
    penstock = Penstock.at(tmp_path, PENSTOCK_PROFILE="held", PYTHONPATH=str(PLUGIN))
    (penstock.config / "profiles" / "held.yaml").write_text(PROFILE)
    (tmp_path / "documents").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", "set by open_instance, and taken back after the test")
    port = free_port()
    process = penstock.start("up", "--port", port)
    try:
        yield Up(penstock, port, process)
    finally:
        for pid in processes_of(penstock.home):
            if pid != os.getpid():
                os.kill(pid, signal.SIGKILL)
        kill(process)


def test_a_run_that_is_killed_and_one_that_is_terminated_lose_no_document(
    up: Up, record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
) -> None:
    up.hold("bread")
    killed = up.started()
    os.kill(up.run_process(), signal.SIGKILL)
    up.cure()
    resumed = up.wait(lambda: up.completed() == 1)
    noticed = up.wait(lambda: up.runs()[killed] == DagsterRunStatus.FAILURE)
    with capsys.disabled():
        print(f"\nkilled run: its document was done after {resumed:.1f} s, Dagster knew {noticed:.1f} s later")
    record_property("resumed_seconds", round(resumed, 1))

    up.hold("tea")
    terminated = up.started()
    assert up.terminate(terminated) == "TerminateRunSuccess"
    up.cure()
    up.wait(lambda: up.completed() == 2)
    up.wait(lambda: up.runs()[terminated] == DagsterRunStatus.CANCELED)
    assert set(up.runs().values()) <= {
        DagsterRunStatus.SUCCESS,
        DagsterRunStatus.FAILURE,
        DagsterRunStatus.CANCELED,
    }, "none is taken for running for ever"
    shown = up.penstock("show", "file:tea.md", "--json").ok().json
    assert [stage["status"] for stage in shown["jobs"][0]["stages"]] == ["completed"] * 8
    up.penstock.audit()
