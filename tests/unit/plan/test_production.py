"""The shipped profile `production`: sound, free of secrets, and it names what the environment lacks."""

import re
from pathlib import Path

import pytest

from penstock.errors import MissingDependencyError
from penstock.execution.resources import ProfileResources
from penstock.plan.load import load_topology
from penstock.plan.profiles import load_profile

CONFIG = Path(__file__).parents[3] / "config"
FILE = CONFIG / "profiles" / "production.yaml"
NAMES = sorted(set(re.findall(r"\{env: (\w+)\}", FILE.read_text())))


@pytest.mark.parametrize("pipeline", ["auto", "pdf-two-phase", "pmc-fulltext", "clinical-trials"])
def test_every_shipped_pipeline_runs_on_it(pipeline: str) -> None:
    load_topology(CONFIG, "production", pipeline)


def test_whoever_is_let_in_is_named_by_the_environment_alone() -> None:
    secrets = re.findall(r"(?:username|password|url|\w*key\w*|servers): *(.+?)[,}]*(?: #.*)?$", FILE.read_text(), re.M)
    assert secrets
    assert [each for each in secrets if not each.startswith("{env: ")] == []


@pytest.mark.parametrize("part", ["events", "pdf_queue"])
@pytest.mark.parametrize("missing", [name for name in NAMES if "KAFKA" in name])
def test_a_variable_that_is_not_set_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, missing: str
) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "cluster.example:9092")
    resources = ProfileResources(tmp_path, CONFIG, load_profile(CONFIG, "production"))
    assert getattr(resources, part) is not None
    monkeypatch.delenv(missing)
    without = ProfileResources(tmp_path, CONFIG, load_profile(CONFIG, "production"))
    with pytest.raises(MissingDependencyError, match=missing):
        getattr(without, part)
