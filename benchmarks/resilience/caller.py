"""One of several processes that call an imagined target under a shared breaker or rate; prints one JSON value.

It says `ready` and begins at the time, of `time.monotonic()`, that comes in.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from penstock.errors import TransientError, UnavailableError
from penstock.ledger.ledger import Ledger
from penstock.ledger.shared import LedgerState
from penstock.resilience.breaker import Breaker
from penstock.resilience.pace import Pace

THRESHOLD, RESET_SECONDS, HOLD_SECONDS = 3, 1.0, 2.0
EVERY_SECONDS = 0.005
"""How often a process asks the breaker for leave."""


def paced(state: LedgerState, per_second: float, ends: float) -> dict[str, Any]:
    """Call as fast as the rate allows: when, and what a call cost of this process's CPU, in µs."""
    pace, calls = Pace("target", per_second, state), []
    used = time.process_time()
    while time.monotonic() < ends:
        pace.take()
        calls.append(time.monotonic())
    return {"calls": calls, "cpu": 1e6 * (time.process_time() - used) / len(calls)}


def guarded(state: LedgerState, back_at: float, ends: float) -> dict[str, Any]:
    """Call a target that is down until `back_at`, whenever the breaker admits it: (when, whether it is the trial)."""
    breaker, calls = Breaker("target", THRESHOLD, RESET_SECONDS, state, HOLD_SECONDS), []
    while time.monotonic() < ends:
        time.sleep(EVERY_SECONDS)
        try:
            trial = breaker.admit()
        except UnavailableError:
            continue
        at = time.monotonic()
        calls.append((at, trial))
        if at < back_at:
            breaker.failed(TransientError("no answer"))
        else:
            breaker.succeeded()
    return {"calls": calls}


def main() -> None:
    """Wait for the beginning, call, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("paced", "guarded"))
    parser.add_argument("home", type=Path)
    parser.add_argument("url")
    parser.add_argument("value", type=float, help="calls a second; or seconds until the target is back")
    parser.add_argument("seconds", type=float)
    given = parser.parse_args()
    state = LedgerState(Ledger.open(given.home, given.url).database)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    begins = float(sys.stdin.readline())
    time.sleep(max(0.0, begins - time.monotonic()))
    ends = begins + given.seconds
    result = paced(state, given.value, ends) if given.what == "paced" else guarded(state, begins + given.value, ends)
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
