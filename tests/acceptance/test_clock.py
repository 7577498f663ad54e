"""A wall clock that is set while documents are under way: nothing is taken early, held for ever, or lost."""

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.command import Penstock

DAY = 86_400
DOCUMENTS = 120
TEXT = "Aspirin lowers the risk of a second heart attack in adults with hypertension. " * 12


@dataclass(frozen=True)
class Clock:
    """The wall clock of the processes that are started with `environment`, set by writing to a file."""

    path: Path
    library: Path

    def set(self, seconds: float) -> None:
        """So many seconds before or after the real time."""
        fresh = self.path.with_suffix(".fresh")
        fresh.write_text(f"{seconds:+.0f}s\n")
        fresh.rename(self.path)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """libfaketime, which changes what a process is told the time is; its kernel's own clock stays as it is."""
    spec = find_spec("libfaketime")
    libraries = list(Path(spec.origin).parent.rglob("libfaketime.so.1")) if spec and spec.origin else []
    if not libraries:
        pytest.skip("libfaketime is not here")
    made = Clock(tmp_path / "clock", libraries[0])
    made.set(-40 * DAY)
    shown = subprocess.run(
        ["date", "+%s"], env=os.environ | made.environment, capture_output=True, text=True, check=False
    )
    real = subprocess.run(["date", "+%s"], capture_output=True, text=True, check=True)
    if shown.returncode or not 39 * DAY < int(real.stdout) - int(shown.stdout) < 41 * DAY:
        pytest.skip("libfaketime does not load here")
    made.set(0)
    return made


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    folder.mkdir()
    for number in range(DOCUMENTS):
        (folder / f"{number:02d}.md").write_text(f"# Paper {number}\n\n{number}: {TEXT}\n")
    return folder


@pytest.fixture
def penstock(tmp_path: Path, clock: Clock) -> Penstock:
    made = Penstock.at(tmp_path, **clock.environment)
    profile = made.config / "profiles" / "tiny.yaml"
    profile.write_text(profile.read_text() + "\nlease_seconds: 90\nbatch: {documents: 4}\n")
    return made


def under_way(process: subprocess.Popen[str]) -> None:
    """Wait until a run has done some of its documents, and holds others."""
    assert process.stderr
    assert any(f" of {DOCUMENTS} documents" in line for line in process.stderr)


def claims(penstock: Penstock) -> set[str]:
    """How often jobs were claimed, by the events that tell of it; their order is the ledger's, whatever the clock."""
    events = penstock("events").ok().lines
    told: dict[str, list[str]] = {}
    for each in {each["id"]: each for each in reversed(events)}.values():  # the first of those that came twice
        told.setdefault(each["subject"], []).append(each["sequence"])
    assert all(sequences == sorted(sequences, reverse=True) for sequences in told.values())
    return {each["id"].split(":")[1] for each in events if each["type"].endswith("job.completed")}


@pytest.mark.slow
@pytest.mark.parametrize("step", [3600, -3600, 30 * DAY, -30 * DAY])
def test_a_clock_that_steps_during_a_run_takes_no_job_from_who_works_on_it(
    penstock: Penstock, papers: Path, clock: Clock, step: int
) -> None:
    first = penstock.start("run", "auto", "--input", papers, "--json")
    under_way(first)
    clock.set(step)
    second = penstock.run("auto", papers)
    out, _ = first.communicate(timeout=200)
    assert first.returncode == 0
    assert second["documents"]["failed"] == 0
    assert min(len(json.loads(out)["runs"]), len(second["runs"])) > 0, "both are meant to have had a part in it"
    assert claims(penstock) == {"1"}
    report = penstock("audit", "--json").ok().json
    assert (report["consistent"], report["documents"]["active"]) == (True, DOCUMENTS)


@pytest.mark.slow
@pytest.mark.parametrize("step", [3600, -30 * DAY])
def test_a_clock_that_steps_after_a_worker_has_died_holds_nothing_up(
    penstock: Penstock, papers: Path, clock: Clock, step: int
) -> None:
    first = penstock.start("run", "auto", "--input", papers, "--json")
    under_way(first)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    clock.set(step)
    report = penstock.run("auto", papers)
    assert (report["documents"]["failed"], report["documents"]["waiting"]) == (0, 0)
    after = penstock("audit", "--json").ok().json
    assert (after["consistent"], after["documents"]["active"]) == (True, DOCUMENTS)
