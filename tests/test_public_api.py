"""What others may rely on: the names of `penstock`, and that they cost little."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import penstock
import penstock.testing

CONFIG = Path(__file__).parents[1] / "config"


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after this code."""
    report = "import sys; sys.stderr.write('\\nLOADED ' + ' '.join({name.partition('.')[0] for name in sys.modules}))"
    script = f"try:\n    {code}\nfinally:\n    {report}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.rpartition("LOADED ")[2].split())


def command(*arguments: object) -> str:
    argv = ["penstock", *map(str, arguments)]
    return f"import sys; sys.argv = {argv!r}; from penstock.cli import main; main()"


@pytest.mark.parametrize("module", [penstock, penstock.testing], ids=lambda module: module.__name__)
def test_the_names_are_sorted_and_all_that_is_exported(module: ModuleType) -> None:
    exported = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name != "pytest"
    }
    assert module.__all__ == sorted(module.__all__)
    assert set(module.__all__) == exported


def test_the_names_are_those_of_the_modules_that_define_them() -> None:
    homes = {getattr(penstock, name).__module__ for name in penstock.__all__}
    ports = {"penstock.ports.stages", "penstock.ports.stores"}
    assert homes == {"penstock.errors", *ports, "penstock.records", "penstock.registry"}


def test_importing_penstock_loads_no_engine() -> None:
    assert loaded_by("import penstock") & {"dagster", "sqlalchemy", "typer", "rich", "haystack", "numpy"} == set()


def test_validate_loads_neither_dagster_nor_a_database_nor_a_model() -> None:
    loaded = loaded_by(command("--config", CONFIG, "--profile", "local", "validate"))
    assert loaded & {"dagster", "sqlalchemy", "alembic", "haystack", "numpy", "onnxruntime", "faiss", "lxml"} == set()


def test_plan_does_not_load_dagster(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n\nSome words about pumps.\n")
    options = ("--config", CONFIG, "--home", tmp_path / "home", "--profile", "tiny")
    loaded = loaded_by(command(*options, "plan", "auto", "--input", tmp_path / "a.md"))
    assert "dagster" not in loaded
    assert "sqlalchemy" in loaded
    assert not (tmp_path / "home").exists()
