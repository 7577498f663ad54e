"""A config folder to write into, and a distribution with adapters from outside."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock import registry

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "config"
PLUGIN = ROOT / "tests" / "cases" / "plugin"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The shipped config without its pipelines."""
    folder = tmp_path / "config"
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("*.schema.json"))
    for each in (folder / "pipelines").iterdir():
        each.unlink()
    return folder


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The distribution `toys`, as if it were installed."""

    def forget() -> None:
        for cached in (registry._groups, registry.stage_type, registry.adapter):
            cached.cache_clear()

    monkeypatch.syspath_prepend(PLUGIN)
    forget()
    yield
    forget()
