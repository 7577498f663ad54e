"""A home with toy stages, and Dagster's own storage in it."""

from collections.abc import Iterator

import pytest
from dagster import DagsterInstance
from tests.unit.execution.conftest import scene, toys
from tests.unit.execution.scene import Scene

from penstock.compiler.instance import open_instance, prepare

__all__ = ["instance", "scene", "toys"]


@pytest.fixture
def instance(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", "set by open_instance, and taken back after the test")
    with open_instance(prepare(scene.home)) as opened:
        yield opened
