"""A small choice of the fault sweep; `make sweep` plays all of it."""

import json
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from tests.faults.processes import PROJECT
from tests.faults.report import UNREACHED
from tests.faults.seam import MODES
from tests.faults.source import effects_in_the_source


@pytest.mark.timeout(900)
def test_whatever_goes_wrong_at_any_effect_the_end_is_as_if_nothing_had(tmp_path: Path) -> None:
    """One case for each name of an effect; the modes take turns."""
    results = tmp_path / "results.jsonl"
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.sweep", "--ledger", "sqlite", "--choose", "name", "--results", results],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert results.exists(), done.stderr
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    assert {row["name"]: row["deviations"] for row in rows if row["deviations"]} == {}
    assert [row["name"] for row in rows if not row["fired"]] == []
    assert {row["mode"] for row in rows} == set(MODES)
    excused = {name for name in effects_in_the_source() if any(fnmatch(name, each) for each in UNREACHED)}
    reached = {row["effect"].partition(":")[2].partition("#")[0] for row in rows}
    assert reached == effects_in_the_source() - excused
    assert done.returncode == 0, done.stderr
