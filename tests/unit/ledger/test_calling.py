"""Breakers and rates among real processes that call one endpoint."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from tests.unit.ledger.calling_process import HOLD_SECONDS, PER_SECOND, RESET_SECONDS, THRESHOLD
from tests.unit.ledger.endpoint import Call, Endpoint, endpoint

from penstock.ledger.ledger import Ledger
from penstock.ledger.shared import LedgerState
from penstock.resilience.shared import BreakerState

ROOT = Path(__file__).parents[3]
PROCESSES = 8
TOLERANCE = 0.2
"""Seconds by which two calls may reach the server closer together than they were made, on a machine that is busy."""


Process = subprocess.Popen[str]
Start = Callable[..., list[Process]]


@pytest.fixture
def target() -> Iterator[Endpoint]:
    with endpoint() as running:
        yield running


@pytest.fixture
def start(home: Path, url: str, target: Endpoint) -> Iterator[Start]:
    """Starts processes that call the endpoint, all at once; every one is gone when the test ends."""
    Ledger.open(home, url).close()
    started: list[Process] = []

    def run(role: str, *names: str) -> list[Process]:
        module = "tests.unit.ledger.calling_process"
        for name in names:
            command = [sys.executable, "-m", module, role, str(home), url, str(target.port), name]
            pipe = subprocess.PIPE
            started.append(subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True))
        mine = started[-len(names) :]
        for process in mine:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in mine:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return mine

    yield run
    codes = {process.poll() for process in started}
    for process in started:
        process.kill()
        process.communicate()
    assert codes <= {None, -signal.SIGKILL}  # none has ended by itself


@pytest.fixture
def opened(home: Path, url: str) -> Iterator[LedgerState]:
    """The ledger, in which the endpoint's breaker is open."""
    ledger = Ledger.open(home, url)
    state = LedgerState(ledger.database)
    for _ in range(THRESHOLD):
        state.failed("endpoint", THRESHOLD, RESET_SECONDS)
    yield state
    ledger.close()


def names(count: int) -> list[str]:
    return [f"p{number}" for number in range(count)]


def most_within(calls: list[Call], seconds: float) -> int:
    """The most calls in any window of so many seconds, as the server saw them."""
    times = sorted(at for at, _ in calls)
    return max(sum(1 for each in times if first <= each < first + seconds) for first in times)


def test_eight_processes_together_keep_to_one_rate(target: Endpoint, start: Start) -> None:
    start("paced", *names(PROCESSES))
    target.until(lambda calls: len(calls) == 20)
    assert most_within(target.calls, 1 - TOLERANCE) <= PER_SECOND


def test_a_process_that_was_stopped_does_not_make_up_for_it(target: Endpoint, start: Start) -> None:
    stopped, _ = start("paced", *names(2))
    target.until(lambda calls: len(calls) > 4)
    target.meanwhile["p0"] = lambda: stopped.send_signal(signal.SIGSTOP)  # while it calls, it does not write
    target.until(lambda calls: not target.meanwhile)
    before = len(target.calls)
    target.until(lambda calls: len(calls) >= before + 5)
    stopped.send_signal(signal.SIGCONT)
    target.until(lambda calls: len(calls) >= before + 12)
    assert most_within(target.calls, 1 - TOLERANCE) <= PER_SECOND


def test_an_endpoint_that_is_down_gets_one_trial_a_reset_and_all_go_on_when_it_is_back(
    target: Endpoint, start: Start, opened: LedgerState
) -> None:
    target.turn(503)
    start("guarded", *names(PROCESSES))
    target.until(lambda calls: len(calls) == 4)
    assert min(late - early for (early, _), (late, _) in pairwise(target.calls)) > RESET_SECONDS - TOLERANCE
    assert opened.breaker("endpoint", RESET_SECONDS).failures >= THRESHOLD + 3
    down = target.turn(200)
    target.until(lambda calls: {name for _, name in calls[down:]} == set(names(PROCESSES)))
    assert opened.breaker("endpoint", RESET_SECONDS) == BreakerState()


def test_a_process_killed_in_its_trial_frees_it(target: Endpoint, start: Start, opened: LedgerState) -> None:
    (claimant,) = start("claiming", "claimant")
    target.until(lambda calls: len(calls) == 1)
    claimant.kill()
    start("guarded", *names(2))
    target.until(lambda calls: {name for _, name in calls} == {"claimant", *names(2)})
    assert target.calls[1][0] - target.calls[0][0] > HOLD_SECONDS - TOLERANCE
    assert opened.breaker("endpoint", RESET_SECONDS) == BreakerState()
