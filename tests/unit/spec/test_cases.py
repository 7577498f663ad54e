"""Every file of `tests/cases`: the valid ones are sound, the invalid ones are told exactly as written beside them."""

from pathlib import Path

import pytest

from penstock.plan.load import validate
from penstock.spec.problems import render

ROOT = Path(__file__).parents[3]
CASES = ROOT / "tests" / "cases"
INVALID = sorted(path.relative_to(CASES / "invalid") for path in (CASES / "invalid").rglob("*.yaml"))
VALID = sorted(path.relative_to(CASES / "valid") for path in (CASES / "valid").glob("*.yaml"))


@pytest.mark.parametrize("path", INVALID, ids=str)
def test_what_is_wrong_is_told_in_these_words(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES / "invalid")
    loaded = validate([path], ROOT / "config", "tiny")
    assert loaded.topologies == {}
    assert render(loaded.problems) + "\n" == path.with_suffix(".txt").read_text()


@pytest.mark.parametrize("path", INVALID, ids=str)
def test_no_planted_secret_is_ever_printed(path: Path) -> None:
    for problem in validate([CASES / "invalid" / path], ROOT / "config", "tiny").problems:
        assert "planted-secret" not in problem.render()
        assert "planted-secret" not in repr(problem)


@pytest.mark.parametrize("path", VALID, ids=str)
def test_what_is_sound_has_a_topology_of_its_name(path: Path) -> None:
    loaded = validate([CASES / "valid" / path], ROOT / "config", "tiny")
    assert (render(loaded.problems), list(loaded.topologies)) == ("", [path.stem])
