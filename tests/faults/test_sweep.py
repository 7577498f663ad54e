"""A small choice of the fault sweep; `make sweep` plays all of it."""

import json
import subprocess
import sys
from fnmatch import fnmatch
from typing import Any

import pytest
from tests.faults.processes import PROJECT
from tests.faults.report import UNREACHED
from tests.faults.seam import MODES
from tests.faults.source import effects_in_the_source


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The results of one case for each name of an effect; the modes take turns."""
    results = tmp_path_factory.mktemp("sweep") / "results.jsonl"
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.sweep", "--ledger", "sqlite", "--choose", "name", "--results", results],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert results.exists(), done.stderr
    return [json.loads(line) for line in results.read_text().splitlines()]


@pytest.mark.timeout(900)
def test_whatever_goes_wrong_the_end_is_as_if_nothing_had(rows: list[dict[str, Any]]) -> None:
    assert {row["name"]: row["deviations"] for row in rows if row["deviations"]} == {}


def test_every_fault_has_fired_in_every_mode(rows: list[dict[str, Any]]) -> None:
    assert [row["name"] for row in rows if not row["fired"]] == []
    assert {row["mode"] for row in rows} == set(MODES)


def test_every_effect_in_the_source_is_reached(rows: list[dict[str, Any]]) -> None:
    reached = {row["effect"].partition(":")[2].partition("#")[0] for row in rows}
    excused = {name for name in effects_in_the_source() if any(fnmatch(name, each) for each in UNREACHED)}
    assert reached == effects_in_the_source() - excused
