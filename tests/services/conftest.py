"""Servers that the tests start, one of each for a session."""

from collections.abc import Iterator

import pytest
from tests.services.postgres import PostgresServer, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server
