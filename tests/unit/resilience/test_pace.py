"""A rate as one process keeps to it; real time, in small pieces."""

import itertools
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from penstock.resilience.memory import LocalState
from penstock.resilience.pace import Pace

ROOT = Path(__file__).parents[3]
INTERRUPTED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
from penstock.resilience.memory import LocalState
from penstock.resilience.pace import Pace
pace = Pace("k", 0.01, LocalState())
pace.take()
try:
    print("waiting", flush=True)
    pace.take()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def most_within(times: list[float], seconds: float) -> int:
    """The most calls in any window of so many seconds."""
    times = sorted(times)
    return max(sum(1 for each in times if first <= each < first + seconds) for first in times)


def test_the_first_call_waits_for_nothing() -> None:
    assert Pace("k", 0.01, LocalState()).take() < 1


def test_calls_come_as_fast_as_the_rate_allows_and_no_faster() -> None:
    pace, times = Pace("k", 50, LocalState()), []
    waited = 0.0
    for _ in range(60):
        waited += pace.take()
        times.append(time.monotonic())
    assert most_within(times, 0.9) <= 50
    assert waited == pytest.approx(times[-1] - times[0], abs=0.5)


def test_threads_that_share_a_pace_wait_in_turn() -> None:
    pace = Pace("k", 50, LocalState())
    times: list[float] = []

    def call() -> None:
        for _ in range(10):
            pace.take()
            times.append(time.monotonic())

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == 40
    assert most_within(times, 0.5) <= 30


def test_paces_on_one_state_share_the_rate() -> None:
    state = LocalState()
    paces = [Pace("k", 50, state) for _ in range(3)]
    times = []
    for pace in itertools.islice(itertools.cycle(paces), 30):
        pace.take()
        times.append(time.monotonic())
    assert most_within(times, 0.5) <= 30


def test_a_place_that_has_passed_is_not_used() -> None:
    class Late(LocalState):
        """A ledger whose commit takes so long that the place has passed when it is known: four times."""

        asked = 0

        def reserve(self, key: str, per_second: float, calls: int) -> float:
            self.asked += 1
            wait = super().reserve(key, per_second, calls)
            return wait - 10 if self.asked <= 4 else wait

    state = Late()
    Pace("k", 1000, state).take()
    assert state.asked == 5


def test_a_caller_that_is_always_late_is_let_through_in_the_end() -> None:
    class Late(LocalState):
        asked = 0

        def reserve(self, key: str, per_second: float, calls: int) -> float:
            self.asked += 1
            return -0.1

    state = Late()
    Pace("k", 1000, state).take()
    assert state.asked == 4  # 20, 40, 80, 160 ms


def test_an_interrupt_ends_a_wait_at_once() -> None:
    process = subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[0] == "interrupted\n"
    assert process.returncode == 0


def test_an_interrupted_pace_goes_on() -> None:
    pace = Pace("k", 2, LocalState())
    pace.take()
    main = threading.main_thread().ident
    assert main is not None

    def take_interrupted() -> None:
        threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGUSR1)).start()
        pace.take()

    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            take_interrupted()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert pace.take() < 2
