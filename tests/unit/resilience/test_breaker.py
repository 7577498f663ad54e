"""A breaker as one process knows it. Another `Breaker` on the same state is another process: it remembers nothing."""

import threading
from typing import Any

import pytest

from penstock.errors import (
    PermanentError,
    QuotaError,
    RejectedError,
    StageCrashError,
    StageError,
    StageTimeoutError,
    TransientError,
    UnavailableError,
)
from penstock.resilience.breaker import Breaker
from penstock.resilience.memory import LocalState
from penstock.resilience.shared import BreakerState

RESET, HOLD = 60.0, 20.0


class World:
    """A shared state with a clock that the test moves, and the breakers of as many processes as it takes."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.state = LocalState(lambda: self.seconds)

    def process(self) -> Breaker:
        return Breaker("embed", 3, RESET, self.state, HOLD)

    @property
    def now(self) -> BreakerState:
        return self.state.breaker("embed", RESET)

    def opened(self) -> "World":
        for _ in range(3):
            self.process().failed(TransientError("no answer"))
        return self


@pytest.fixture
def world() -> World:
    return World()


def refusal(breaker: Breaker) -> str:
    with pytest.raises(UnavailableError) as caught:
        breaker.admit()
    assert caught.value.hint == "see `penstock status`; `penstock retry` takes up what failed"
    return caught.value.message


def test_a_breaker_that_is_closed_admits_every_call(world: World) -> None:
    breaker = world.process()
    assert [breaker.admit() for _ in range(3)] == [False, False, False]
    assert breaker.closed


def test_failures_of_several_processes_open_it_for_all(world: World) -> None:
    for process in (world.process(), world.process(), world.process()):
        assert process.admit() is False
        process.failed(TransientError("no answer"))
    breaker = world.process()
    assert not breaker.closed
    assert refusal(breaker) == "breaker `embed` is open after 3 failures in a row; it is tried again in 60 s"


@pytest.mark.parametrize(
    "error",
    [
        TransientError("no answer"),
        StageTimeoutError("no answer in time"),
        StageCrashError("the process died"),
        UnavailableError("nobody there"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_tells_against_the_target_counts(world: World, error: StageError) -> None:
    breaker = world.process()
    breaker.failed(error)
    assert world.now == BreakerState("closed", 1)


@pytest.mark.parametrize(
    "error",
    [RejectedError("no text"), PermanentError("no such model"), QuotaError("used up")],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_is_an_answer_counts_from_0_again(world: World, error: StageError) -> None:
    breaker = world.process()
    breaker.failed(TransientError("no answer"))
    breaker.failed(error)
    assert world.now == BreakerState()


def test_a_success_counts_from_0_again(world: World) -> None:
    breaker = world.process()
    for _ in range(2):
        breaker.failed(TransientError("no answer"))
    breaker.succeeded()
    assert world.now == BreakerState()


def test_one_call_of_one_process_is_the_trial(world: World) -> None:
    world.opened().seconds = RESET
    first, second = world.process(), world.process()
    assert first.admit() is True
    for breaker in (first, second):
        assert refusal(breaker) == "breaker `embed` is open after 3 failures in a row; one call is trying it now"
    assert not first.closed


def test_of_many_threads_one_makes_the_trial(world: World) -> None:
    world.opened().seconds = RESET
    breakers = [world.process(), world.process()]
    ready, admitted = threading.Barrier(8), []

    def call(breaker: Breaker) -> None:
        ready.wait()
        try:
            admitted.append(breaker.admit())
        except UnavailableError:
            admitted.append(None)

    threads = [threading.Thread(target=call, args=(breakers[number % 2],)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(admitted, key=str) == [None] * 7 + [True]


def test_a_trial_that_succeeds_closes_it_for_all(world: World) -> None:
    world.opened().seconds = RESET
    breaker = world.process()
    breaker.admit()
    breaker.succeeded()
    assert world.now == BreakerState()
    assert [breaker.closed, world.process().closed] == [True, True]


def test_a_trial_answered_by_a_refused_document_closes_it(world: World) -> None:
    world.opened().seconds = RESET
    breaker = world.process()
    breaker.admit()
    breaker.failed(RejectedError("no text"))
    assert world.now == BreakerState()


def test_a_trial_that_fails_opens_it_for_a_whole_reset(world: World) -> None:
    world.opened().seconds = RESET
    breaker = world.process()
    breaker.admit()
    world.seconds += 10
    breaker.failed(TransientError("no answer"))
    assert world.now == BreakerState("open", 4, RESET)
    assert refusal(breaker) == "breaker `embed` is open after 4 failures in a row; it is tried again in 60 s"


def test_a_call_begun_before_it_opened_changes_nothing_when_it_ends(world: World) -> None:
    early = world.process()
    assert early.admit() is False
    world.opened().seconds = 30
    early = world.process()
    early.succeeded()
    early.failed(TransientError("no answer"))
    assert world.now == BreakerState("open", 3, 30)


def test_a_failure_that_ends_after_others_opened_it_does_not_open_it_for_longer(world: World) -> None:
    early = world.process()
    assert early.admit() is False  # and remembers for a moment that it is closed
    world.opened().seconds = 30
    early.failed(TransientError("no answer"))
    assert world.now == BreakerState("open", 4, 30)
    assert not early.closed


def test_a_trial_that_nobody_ends_is_another_process_s_after_a_while(world: World) -> None:
    world.opened().seconds = RESET
    assert world.process().admit() is True
    world.seconds += HOLD
    assert world.process().admit() is True


def test_a_call_that_may_take_longer_holds_the_trial_for_longer(world: World) -> None:
    world.opened().seconds = RESET
    assert world.process().admit(hold_seconds=2 * HOLD) is True
    world.seconds += HOLD
    assert world.now == BreakerState("half-open", 3, HOLD)


def test_where_nothing_fails_the_state_is_read_once_in_a_while_and_never_written() -> None:
    asked: list[str] = []

    class Counted(LocalState):
        def __getattribute__(self, name: str) -> Any:
            if not name.startswith("_"):
                asked.append(name)
            return super().__getattribute__(name)

    breaker = Breaker("embed", 3, RESET, Counted(), HOLD)
    calls = 0
    while len(asked) < 3:
        assert breaker.admit() is False
        breaker.succeeded()
        calls += 1
    assert set(asked) == {"breaker"}
    assert calls > 50
