"""A small choice of the fault sweep; `make sweep` plays all of it."""

import json
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from tests.faults.processes import PROJECT
from tests.faults.report import UNREACHED
from tests.faults.seam import MODES
from tests.faults.source import effects_in_the_source


def play(results: Path, *arguments: str) -> list[dict[str, Any]]:
    """The results of the cases that the arguments choose; none of them deviates, and all faults have fired."""
    command = [sys.executable, "-m", "tests.faults.sweep", "--ledger", "sqlite", "--results", results, *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert results.exists(), done.stderr
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    assert {row["name"]: row["deviations"] for row in rows if row["deviations"]} == {}
    assert [row["name"] for row in rows if not row["fired"]] == []
    assert done.returncode == 0, done.stderr
    return rows


@pytest.mark.timeout(900)
def test_whatever_goes_wrong_at_any_effect_the_end_is_as_if_nothing_had(tmp_path: Path) -> None:
    """One case for each name of an effect; the modes take turns."""
    rows = play(tmp_path / "rows", "--scenario", "first,prune,pdf", "--choose", "name", "--isolation", "inline")
    assert {row["mode"] for row in rows} == set(MODES)
    excused = {name for name in effects_in_the_source() if any(fnmatch(name, each) for each in UNREACHED)}
    reached = {row["effect"].partition(":")[2].partition("#")[0] for row in rows}
    assert effects_in_the_source() - excused - reached == set(), "an effect that is not reached needs a reason"
    assert reached & excused == set(), "what is reached needs no excuse"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", ["kill-after", "hang"])
def test_a_stage_host_that_dies_or_hangs_at_an_effect_costs_an_attempt(tmp_path: Path, mode: str) -> None:
    [row] = play(tmp_path / "rows", "--scenario", "first", "--case", f"*/host:vectors.rename*/{mode}")
    assert (row["code"], row["ended_by"]) == (0, "")
