"""Ledgers on either database, and scenes of toy stages on them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.execution.conftest import toys
from tests.unit.execution.scene import Scene
from tests.unit.ledger.conftest import home, ledger, postgres, url

__all__ = ["home", "ledger", "postgres", "toys", "url"]


@pytest.fixture
def scene(tmp_path: Path, home: Path, toys: Any, url: str) -> Iterator[Scene]:
    """A home with toy stages, its ledger on SQLite, and again on PostgreSQL."""
    made = Scene(tmp_path, url=url)
    yield made
    made.workspace.close()
