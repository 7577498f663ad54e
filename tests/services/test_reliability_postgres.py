"""F05. The ledger's server goes down in the middle of a recovery: nothing is lost, the next pass finishes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from tests.services.postgres import PostgresServer, postgres_server
from tests.unit.ledger.steps import add, claim, statuses

from penstock import effects
from penstock.ledger.ledger import Ledger

pytestmark = pytest.mark.services

JOBS = 250


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that no other test uses, since this one takes it down."""
    with postgres_server() as server:
        yield server


class DownAt:
    """Takes the server down as a crash would, before the n-th commit or after it."""

    def __init__(self, server: PostgresServer, after: bool) -> None:
        self.fired = False
        self._server, self._after = server, after

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        if name == "ledger.commit" and not self._after:
            self._stop()
        yield
        if name == "ledger.commit" and self._after:
            self._stop()

    def _stop(self) -> None:
        effects.install(None)
        self._server.stop("immediate")
        self.fired = True


@pytest.mark.parametrize("after", [False, True], ids=["before its commit", "after its commit"])
def test_jobs_whose_recovery_the_server_did_not_survive_are_recovered_once_it_is_back(
    tmp_path: Path, own_server: PostgresServer, after: bool
) -> None:
    ledger = Ledger.open(tmp_path, own_server.database())
    ids = add(ledger, *(f"d{number}" for number in range(JOBS)))
    assert len(claim(ledger, "dead", limit=JOBS)) == JOBS
    hook = DownAt(own_server, after)
    effects.install(hook)
    try:
        if after:  # what was committed is, though nobody was told
            assert ledger.recover() == JOBS
        else:
            with pytest.raises(OperationalError):
                ledger.recover()
    finally:
        effects.install(None)
    assert hook.fired
    own_server.start()
    assert ledger.recover() == (0 if after else JOBS)
    assert set(statuses(ledger, ids)) == {"queued"}
    ledger.close()
