"""F13–F16. Whatever happens to Dagster's daemon and to what it remembers: each batch gets one run, and is done once."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.command import Penstock
from tests.reliability.daemons import OURS, POINTS

ROOT = Path(__file__).parents[2]
DOCUMENTS = 3
PROFILE = "name: notes\nextends: tiny\nisolation: inline\nbatch: {documents: 1}\n"
PIPELINE = """\
version: "1.0"
name: notes
stages:
  - {name: ingest, type: IngestStage}
  - {name: parse, type: ParseStage, depends_on: [ingest]}
  - {name: chunk, type: ChunkStage, depends_on: [parse]}
"""
ALL_DONE = {"jobs": {"completed": DOCUMENTS}, "executed": 3 * DOCUMENTS, "twice": 0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which three documents are queued, each for a run of its own."""
    made = tmp_path_factory.mktemp("daemons")
    penstock = Penstock.at(made, PENSTOCK_PROFILE="notes")
    (penstock.config / "profiles" / "notes.yaml").write_text(PROFILE)
    (penstock.config / "pipelines" / "notes.yaml").write_text(PIPELINE)
    (made / "documents").mkdir()
    for number in range(DOCUMENTS):
        (made / "documents" / f"{number}.md").write_text(f"# Note {number}\n\nSome words.\n")
    assert penstock("submit", "notes", "--input", "documents", "--json").ok().json["submitted"] == DOCUMENTS
    return made


def played(folder: Path, scenario: str, repeats: int = 1, *points: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.reliability.daemons", str(folder), scenario, str(repeats), *points],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def ends(result: dict[str, Any]) -> dict[str, Any]:
    return {name: result[name] for name in ALL_DONE}


LONG = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.mark.parametrize(
    ("points", "repeats"),
    [(["BATCHES_PLANNED", "RUN_CREATED"], 1), pytest.param([*POINTS, *OURS], 50, marks=LONG)],
    ids=["few", "all"],
)
def test_a_daemon_killed_at_any_point_of_its_tick_leaves_one_run_for_each_batch(
    folder: Path, points: list[str], repeats: int
) -> None:
    results = played(folder, "killed", repeats, *points)
    assert [each["point"] for each in results] == points * repeats
    for each in results:
        assert each["codes"] == [-9, 0], each["point"]
        assert len(each["runs"]) == len(set(each["runs"])) == DOCUMENTS, each["point"]
        assert ends(each) == ALL_DONE


@pytest.mark.parametrize("repeats", [1, pytest.param(50, marks=LONG)])
def test_what_two_daemons_start_at_once_is_done_once(folder: Path, repeats: int) -> None:
    for each in played(folder, "doubled", repeats):
        # two that note a sensor for the first time collide in Dagster's storage, where each may lose one of them: who
        # loses has started nothing for it, and ticks again
        assert each["codes"][-1] == [0, 0]
        # Dagster may make two runs under one key: what is asked for twice is claimed once
        assert len(set(each["runs"])) == DOCUMENTS, "no batch is asked for under two keys"
        assert ends(each) == ALL_DONE


@pytest.mark.slow
def test_a_daemon_that_has_forgotten_everything_starts_nothing_twice(folder: Path) -> None:
    (each,) = played(folder, "forgetful")
    assert each["codes"] == [0, 0, 0]
    assert set(each["cursors"]) == {None}, "the ledger is what the sensors remember by"
    assert len(set(each["runs"])) == DOCUMENTS
    assert ends(each) == ALL_DONE


@pytest.mark.slow
def test_runs_deleted_or_executed_again_by_hand_lose_nothing_and_do_nothing_twice(folder: Path) -> None:
    (each,) = played(folder, "meddled")
    assert each["codes"] == [0, 0, 0], "the sensors go on"
    assert each["runs"] == each["before"], "a run that was deleted before it began is asked for again"
    assert ends(each) == ALL_DONE
    assert each["again"] == ALL_DONE, "a batch that is done is done"
