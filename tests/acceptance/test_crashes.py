"""A run that is killed is finished by the next one; two runs at once share the work."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.acceptance.conftest import NAMES
from tests.command import Penstock, kill
from tests.unit.workers.test_up import processes_of


def kill_after(process: subprocess.Popen[str], stage: str) -> None:
    """SIGKILL once the run has said that it is through with a stage."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.split()[:1] == [stage]:
            kill(process)
            return
    raise AssertionError(f"the run ended before {stage}")


def test_killed_at_any_stage_it_ends_as_if_nothing_had_happened(penstock: Penstock, documents: Path) -> None:
    calm = penstock.beside("calm")
    calm.run("auto", documents)
    for stage in ("parse", "embed", "index"):
        kill_after(penstock.start("run", "auto", "--input", documents), stage)
    final = penstock.run("auto", documents)
    assert {name: count for name, count in final["documents"].items() if count} == {"total": 7, "done": 7}
    assert {stage["name"]: stage["executed"] for stage in final["stages"]}["parse"] == 0, (
        "what was kept is not done again"
    )
    assert penstock.audit() == calm.audit()


def test_two_runs_at_once_do_each_thing_once(penstock: Penstock, documents: Path) -> None:
    both = [penstock.start("run", "auto", "--input", documents, "--json") for _ in range(2)]
    ends = [process.communicate(timeout=200) for process in both]
    assert [process.returncode for process in both] == [0, 0], [err[-800:] for _, err in ends]
    reports = [json.loads(out) for out, _ in ends]
    assert [report["documents"]["done"] + report["documents"]["unchanged"] for report in reports] == [7, 7]
    for stages in zip(*(report["stages"] for report in reports), strict=True):
        assert sum(stage["executed"] for stage in stages) == len(NAMES), stages[0]["name"]
    penstock.audit()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="tells processes apart by /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_of_several_processes_ends_with_them_and_is_finished_by_the_next(
    penstock: Penstock, tmp_path: Path, how: signal.Signals
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    for number in range(90):
        (notes / f"{number}.md").write_text(f"# Note {number}\n\nWhat was seen on day {number}, in a few words.\n")
    profile = penstock.config / "profiles" / "small.yaml"
    profile.write_text("{name: small, description: A few documents a run, extends: tiny, batch: {documents: 20}}")
    penstock.environment["PENSTOCK_PROFILE"] = "small"  # else one of them may take all that there is
    calm = penstock.beside("calm")
    report = calm.run("auto", notes, more=("--workers", "3"))
    assert [stage["executed"] for stage in report["stages"]] == [90] * 8
    assert len(report["runs"]) >= 5
    process = penstock.start("run", "auto", "--input", notes, "--workers", "3")
    assert process.stderr is not None
    for line in process.stderr:
        if line.split()[:1] == ["parse"]:
            os.kill(process.pid, how)
            break
    process.communicate(timeout=60)
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 130}[how]
    until = time.monotonic() + 20
    while processes_of(penstock.home) and time.monotonic() < until:
        time.sleep(0.05)
    assert processes_of(penstock.home) == [], "none outlives the run"
    final = penstock.run("auto", notes)
    counts = final["documents"]
    assert (counts["total"], counts["done"] + counts["unchanged"]) == (90, 90)
    assert penstock.audit() == calm.audit()
