"""What a call costs where nothing is wrong: the guard around calls that do nothing, and its parts alone."""

import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from penstock.ledger.database import sqlite_url
from penstock.ledger.ledger import Ledger
from penstock.ledger.shared import LedgerState
from penstock.plan.topology import Policy
from penstock.resilience.breaker import Breaker
from penstock.resilience.calls import Answer
from penstock.resilience.guard import Guard
from penstock.resilience.memory import LocalState
from penstock.resilience.shared import SharedState

CALLS, ROUNDS = 20_000, 7
DEFAULT = Policy(name="default", max_attempts=3, backoff_strategy="exponential", timeout_seconds=30)
BREAKER = Policy(name="breaker", max_attempts=3, failure_threshold=5, reset_timeout_seconds=60)


class Nothing:
    """A `Caller` whose calls do nothing and are answered at once."""

    window = 64
    concurrent = 1

    def __init__(self) -> None:
        self._line: deque[tuple[int, Sequence[int]]] = deque()

    def begin(self, ticket: int, items: Sequence[int], attempt: int, seconds: float) -> None:
        self._line.append((ticket, items))

    def wait(self, seconds: float) -> Answer | None:
        ticket, items = self._line.popleft()
        return Answer(ticket, 0.0, [None] * len(items))

    def at_work(self, ticket: int) -> None:
        return None

    def last_words(self, ticket: int) -> Answer:
        return Answer(ticket, 0.0, ())

    def kill(self) -> None:
        self._line.clear()


def bare() -> None:
    """The calls alone."""
    caller = Nothing()
    for number in range(CALLS):
        caller.begin(number, (number,), 1, 30.0)
        caller.wait(1.0)


def guarded(policy: Policy, state: SharedState | None) -> None:
    """The same calls under the guard."""
    outcomes = Guard(policy, state, "target").run(Nothing(), CALLS)
    assert all(each.error is None for each in outcomes)


def admitted(state: SharedState) -> None:
    """What a breaker is asked and told for a call that succeeds."""
    breaker = Breaker("target", 5, 60.0, state, 35.0)
    for _ in range(CALLS):
        breaker.admit()
        breaker.succeeded()


def microseconds(measured: Callable[..., None], *arguments: Any) -> float:
    """The fastest of some rounds, by call: what others do on the machine makes a round slower, never faster."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        measured(*arguments)
        best = min(best, time.perf_counter() - began)
    return 1e6 * best / CALLS


def table(server: Any) -> list[str]:
    """The table, in Markdown; PostgreSQL is in it where there is a server."""
    sys.stderr.write("measuring: overhead\n")
    with TemporaryDirectory(prefix="penstock-benchmark-") as folder:
        home = Path(folder)
        urls = {"SQLite": sqlite_url(home / "ledger.db")} | ({"PostgreSQL": server.database()} if server else {})
        ledgers = {name: Ledger.open(home, url) for name, url in urls.items()}
        states: dict[str, SharedState] = {"one process's memory": LocalState()}
        states |= {name: LedgerState(ledger.database) for name, ledger in ledgers.items()}
        bare_call = microseconds(bare)
        rows = [
            ("the call alone", bare_call),
            ("under the guard, policy `default`", microseconds(guarded, DEFAULT, None)),
        ]
        rows += [
            (f"under the guard with a breaker, {name}", microseconds(guarded, BREAKER, state))
            for name, state in states.items()
        ]
        rows += [(f"a breaker by itself, {name}", microseconds(admitted, state)) for name, state in states.items()]
        for ledger in ledgers.values():
            ledger.close()
    return [
        f"A call that does nothing, {CALLS:,} times, each for one item; the fastest of {ROUNDS} rounds:",
        "",
        "| | µs a call | µs more than the call alone |",
        "|---|--:|--:|",
        *(f"| {name} | {cost:.1f} | {_more(name, cost - bare_call)} |" for name, cost in rows),
    ]


def _more(name: str, cost: float) -> str:
    return f"{cost:.1f}" if name.startswith("under") else ""
