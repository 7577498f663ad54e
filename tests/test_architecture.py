"""The shape of the code: what imports what, how long a module is, what is used nowhere."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock import registry

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "src" / "penstock").rglob("*.py"))
HEAVY = {"alembic", "dagster", "docutils", "faiss", "haystack", "httpx", "lxml", "numpy", "onnx", "onnxruntime"}
HEAVY |= {"ahocorasick_rs", "markdown_it", "obstore", "selectolax", "sqlalchemy", "tantivy", "tokenizers"}
HEAVY |= {"confluent_kafka"}
SHAPELESS = {"base", "common", "core", "helper", "helpers", "manager", "misc", "util", "utils"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def registered() -> list[tuple[str, str]]:
    groups = {group.removeprefix("penstock.") for group in registry._groups()} - {"stage_types"}
    return sorted((port, name) for port in groups for name in registry.names(port))


def test_packages_import_only_what_stands_below_them() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_no_module_is_longer_than_300_lines() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length > 300} == {}


def test_every_module_says_what_it_is() -> None:
    silent = [
        name_of(path) for path in MODULES if path.stat().st_size and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [name_of(path) for path in MODULES if SHAPELESS & set(path.with_suffix("").name.split("_"))] == []


def test_nothing_is_pickled() -> None:
    banned = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
    found = {name_of(path): banned & set(imported(ast.parse(path.read_text()))) for path in MODULES}
    assert {name: modules for name, modules in found.items() if modules} == {}


def test_nothing_is_printed_but_by_the_command_line() -> None:
    def prints(path: Path) -> bool:
        calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
        return any(isinstance(call, ast.Name) and call.id == "print" for call in calls)

    assert [name_of(path) for path in MODULES if prints(path)] == []


@pytest.mark.parametrize("name", registry.stage_type_names())
def test_every_stage_type_loads(name: str) -> None:
    assert registry.stage_type(name).name == name


@pytest.mark.parametrize(("port", "name"), registered(), ids="-".join)
def test_every_adapter_satisfies_its_port(port: str, name: str) -> None:
    adapter = registry.adapter(port, name)
    assert adapter.settings_type.model_config["extra"] == "forbid"
    assert adapter.settings_type.model_config["frozen"] is True
    assert adapter.settings_type.model_config["hide_input_in_errors"] is True


def test_loading_every_adapter_loads_no_library_that_it_works_with() -> None:
    script = (
        "import sys\nfrom penstock import registry\n"
        f"for port, name in {registered()!r}: registry.adapter(port, name)\n"
        f"sys.stdout.write(' '.join(sorted({HEAVY!r} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == ""
