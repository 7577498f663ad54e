"""F49. A run that is told to end, at any of its effects: what is done is kept, the rest is queued, nothing goes on."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.command import PROJECT

DOCUMENTS = {
    "aspirin.md": "# Aspirin\n\nAspirin lowers the risk of a heart attack in adults with hypertension.\n",
    "tea.md": "# Tea\n\nGreen tea is not known to treat diabetes mellitus.\n",
    "bread.md": "# Bread\n\nFlour, water and salt.\n",
}
LONG = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("what", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("step", [41, pytest.param(1, marks=LONG)])
def test_a_run_told_to_end_at_any_effect_leaves_what_the_next_one_finishes(
    tmp_path: Path, what: str, step: int
) -> None:
    shutil.copytree(PROJECT / "config", tmp_path / "config")
    (tmp_path / "docs").mkdir()
    for name, text in DOCUMENTS.items():
        (tmp_path / "docs" / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "tests.reliability.cancelled", str(tmp_path), what, str(step)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert len(report["found"]) == (report["total"] - 1) // step > 1
    for each in report["found"]:
        assert each["code"] in {"SIGINT": (130, 0), "SIGTERM": (130, 143, -15, 0)}[what], each
        assert not each["traceback"], each
        assert each["alone"], "its stage host has ended with it"
        assert set(each["left"]) <= {"queued", "completed"}, each
        assert (each["again"], each["deviations"]) == (0, []), each
