"""A process that calls an endpoint under a shared breaker or rate; a test starts many, and stops or kills them.

python -m tests.unit.ledger.calling_process ROLE HOME URL PORT NAME

It says `ready`, begins when a line comes in, and goes on until it is killed.
"""

import http.client
import sys
import threading
import time
from pathlib import Path

from penstock.errors import TransientError, UnavailableError
from penstock.ledger.ledger import Ledger
from penstock.ledger.shared import LedgerState
from penstock.resilience.breaker import Breaker
from penstock.resilience.pace import Pace

PER_SECOND = 5.0
THRESHOLD, RESET_SECONDS, HOLD_SECONDS = 3, 1.0, 1.5
_LONG_ENOUGH_SECONDS = 30.0
"""For a trial on a machine that is busy."""
_POLL_SECONDS = 0.02


def get(port: int, name: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", f"/{name}")
        return connection.getresponse().status
    finally:
        connection.close()


def paced(state: LedgerState, port: int, name: str) -> None:
    """Call as fast as the rate allows."""
    pace = Pace("endpoint", PER_SECOND, state)
    while True:
        pace.take()
        get(port, name)


def guarded(state: LedgerState, port: int, name: str) -> None:
    """Call whenever the breaker admits it."""
    mine = Breaker("endpoint", THRESHOLD, RESET_SECONDS, state, _LONG_ENOUGH_SECONDS)
    while True:
        time.sleep(_POLL_SECONDS)
        try:
            mine.admit()
        except UnavailableError:
            continue
        if get(port, name) == 200:
            mine.succeeded()
        else:
            mine.failed(TransientError("no answer"))


def claiming(state: LedgerState, port: int, name: str) -> None:
    """Claim the trial, call, and never tell how that ended."""
    mine = Breaker("endpoint", THRESHOLD, RESET_SECONDS, state, HOLD_SECONDS)
    while True:
        time.sleep(_POLL_SECONDS)
        try:
            assert mine.admit() is True
        except UnavailableError:
            continue
        get(port, name)
        threading.Event().wait()


if __name__ == "__main__":
    role, home, url, port, name = sys.argv[1:]
    state = LedgerState(Ledger.open(Path(home), url).database)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    {"paced": paced, "guarded": guarded, "claiming": claiming}[role](state, int(port), name)
