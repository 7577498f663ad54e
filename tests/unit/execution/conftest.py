"""Toy stages, as if the distribution that holds them were installed, and a home to use them in."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.execution.scene import PLUGIN, Scene

from penstock import registry


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module of the toy stages, with nothing special to do."""

    def forget() -> None:
        for cached in (registry._groups, registry.stage_type, registry.adapter):
            cached.cache_clear()

    monkeypatch.syspath_prepend(PLUGIN)
    forget()
    module = importlib.import_module("penstock_toys")
    for each in (module.on, module.calls, module.letters):
        each.clear()
    yield module
    forget()


@pytest.fixture
def scene(tmp_path: Path, toys: Any) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.workspace.close()
