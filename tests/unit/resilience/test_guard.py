"""Attempts, waits and timeouts around a stage's calls."""

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from penstock.errors import (
    LedgerError,
    PermanentError,
    QuotaError,
    RejectedError,
    StageTimeoutError,
    TransientError,
    UnavailableError,
)
from penstock.plan.topology import Policy
from penstock.resilience.guard import Guard, Outcome, Retry, as_stage_error

LINEAR = Policy(name="patient", max_attempts=4, backoff_strategy="linear", backoff_max_seconds=2.5)
HASTY = Policy(name="hasty", max_attempts=1, timeout_seconds=0.05)


class Naps(list[float]):
    """A `sleep` that only notes for how long it was asked to."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


class Flaky:
    """Fails the first `failures` attempts at each item in `broken`, then doubles it."""

    def __init__(self, failures: int, error: Exception, broken: Sequence[int]) -> None:
        self.failures = failures
        self.error = error
        self.broken = set(broken)
        self.calls: list[tuple[int, int]] = []

    def __call__(self, item: int, attempt: int) -> int:
        self.calls.append((item, attempt))
        if item in self.broken and attempt <= self.failures:
            raise self.error
        return item * 2


class Stuck:
    """Waits at the items in `held` until `let_go` is called; doubles the others."""

    def __init__(self, *held: int, attempts: int = 99) -> None:
        self.held = set(held)
        self.attempts = attempts
        self.let_go = threading.Event()
        self.calls: list[tuple[int, int]] = []

    def __call__(self, item: int, attempt: int) -> int:
        self.calls.append((item, attempt))
        if item in self.held and attempt <= self.attempts:
            self.let_go.wait(20)
        return item * 2


def told(outcomes: Sequence[Outcome]) -> list[Any]:
    """Values, or types of errors."""
    return [type(each.error).__name__ if each.error else each.value for each in outcomes]


def test_outcomes_come_in_the_order_of_the_items() -> None:
    done: list[int] = []
    outcomes = Guard(Policy()).each(lambda item, attempt: item * 2, [3, 1, 2], done.append)
    assert (told(outcomes), [each.attempts for each in outcomes], done) == ([6, 2, 4], [1, 1, 1], [1, 2, 3])
    assert Guard(Policy()).each(lambda item, attempt: item, []) == []


def test_a_transient_error_is_tried_again_and_every_retry_is_noted() -> None:
    naps = Naps()
    error = TransientError("busy")
    call = Flaky(2, error, [7])
    (first, second) = Guard(LINEAR, naps).each(call, [7, 8])
    assert (first.value, first.attempts, second.value, second.attempts) == (14, 3, 16, 1)
    assert [(each.attempt, each.backoff_seconds, each.error) for each in first.retries] == [
        (1, 1.0, error),
        (2, 2.0, error),
    ]
    assert (naps, call.calls) == ([1.0, 2.0], [(7, 1), (7, 2), (7, 3), (8, 1)])
    assert 3.0 <= first.seconds < 4.0, "waits are part of what a document took"


def test_after_the_last_attempt_the_error_stands() -> None:
    naps = Naps()
    (outcome,) = Guard(LINEAR, naps).each(Flaky(9, TransientError("busy"), [1]), [1])
    assert (told([outcome]), outcome.attempts, len(outcome.retries)) == (["TransientError"], 4, 3)
    assert naps == [1.0, 2.0, 2.5], "the longest wait is the policy's"


@pytest.mark.parametrize(
    ("strategy", "waits"), [("none", []), ("linear", [1.0, 2.0, 3.0, 4.0]), ("exponential", [1.0, 2.0, 4.0, 5.0])]
)
def test_waits_grow_as_the_policy_says(strategy: str, waits: list[float]) -> None:
    naps = Naps()
    policy = Policy(max_attempts=5, backoff_strategy=strategy, backoff_max_seconds=5.0)
    (outcome,) = Guard(policy, naps).each(Flaky(4, TransientError("busy"), [1]), [1])
    assert (outcome.value, outcome.attempts, naps) == (2, 5, waits)


def test_chance_adds_no_more_than_the_jitter() -> None:
    naps = Naps()
    policy = Policy(max_attempts=10, backoff_strategy="linear", backoff_max_seconds=1.0, backoff_jitter_seconds=0.5)
    Guard(policy, naps).each(Flaky(9, TransientError("busy"), [1]), [1])
    assert len(naps) == 9
    assert all(1.0 <= each <= 1.5 for each in naps)


def test_what_an_endpoint_asks_for_is_waited_for() -> None:
    naps = Naps()
    Guard(LINEAR, naps).each(Flaky(1, TransientError("busy", retry_after_seconds=30), [1]), [1])
    Guard(LINEAR, naps).each(Flaky(1, TransientError("busy", retry_after_seconds=0.1), [1]), [1])
    assert naps == [30.0, 1.0], "never less than the policy's own wait"


@pytest.mark.parametrize("error", [PermanentError("no"), RejectedError("no"), QuotaError("no"), UnavailableError("no")])
def test_no_other_error_is_tried_again(error: Exception) -> None:
    call = Flaky(9, error, [1])
    (outcome,) = Guard(LINEAR, Naps()).each(call, [1])
    assert (outcome.error, outcome.attempts, outcome.retries, call.calls) == (error, 1, [], [(1, 1)])


@pytest.mark.parametrize("error", [ValueError("odd\nsecond line"), KeyError(), SystemExit(3), KeyboardInterrupt()])
def test_whatever_an_adapter_raises_ends_its_own_document_only(error: BaseException) -> None:
    def call(item: int, attempt: int) -> int:
        if item == 1:
            raise error
        return item * 2

    outcomes = Guard(LINEAR).each(call, [0, 1, 2])
    assert told(outcomes) == [0, "PermanentError", 4]
    assert outcomes[1].error is not None
    assert outcomes[1].error.__cause__ is error


def test_errors_of_others_are_told_in_one_line() -> None:
    assert as_stage_error(ValueError("odd\nsecond line")).message == "ValueError: odd"
    assert as_stage_error(ValueError("x" * 999)).message == "ValueError: " + "x" * 300
    assert as_stage_error(KeyError()).message == "KeyError"
    ours = as_stage_error(LedgerError("no such job", hint="look again"))
    assert (type(ours), ours.message, ours.hint) == (PermanentError, "no such job", "look again")


def test_an_attempt_that_outlasts_its_timeout_is_left_behind_and_the_others_go_on() -> None:
    call = Stuck(1)
    done: list[int] = []
    outcomes = Guard(HASTY).each(call, [0, 1, 2], done.append)
    call.let_go.set()
    assert (told(outcomes), done) == ([0, "StageTimeoutError", 4], [1, 2, 3])
    assert (outcomes[1].attempts, outcomes[1].seconds) == (1, 0.05)
    assert str(outcomes[1].error) == "no answer within 0.05 s (policy `hasty`)"


def test_an_answer_that_comes_too_late_is_dropped() -> None:
    call = Stuck(1)
    outcomes = Guard(HASTY).each(call, [1, 2])
    before = told(outcomes)
    late = [each for each in threading.enumerate() if each.name == "penstock-stage"]
    call.let_go.set()
    for each in late:
        each.join()
    assert before == told(outcomes) == ["StageTimeoutError", 4]
    assert call.calls == [(1, 1), (2, 1)], "the thread that was left behind takes no further item"


def test_a_timeout_is_tried_again_as_often_as_the_policy_allows() -> None:
    policy = Policy(max_attempts=3, backoff_strategy="linear", timeout_seconds=0.05)
    naps = Naps()
    call = Stuck(1, 2, attempts=1)
    call.held.add(3)
    outcomes = Guard(policy, naps).each(call, [1, 2])
    call.let_go.set()
    assert (told(outcomes), [each.attempts for each in outcomes], naps) == ([2, 4], [2, 2], [1.0, 1.0])
    assert [(each.attempt, type(each.error)) for each in outcomes[0].retries] == [(1, StageTimeoutError)]


def test_a_timeout_that_stays_keeps_what_went_before() -> None:
    policy = Policy(max_attempts=2, backoff_strategy="none", timeout_seconds=0.05)
    call = Stuck(1)
    (outcome,) = Guard(policy, Naps()).each(call, [1])
    call.let_go.set()
    assert (told([outcome]), outcome.attempts, len(outcome.retries)) == (["StageTimeoutError"], 2, 1)


def test_a_wait_is_no_timeout() -> None:
    policy = Policy(max_attempts=2, backoff_strategy="linear", timeout_seconds=0.02)
    asked = threading.Event()
    (outcome,) = Guard(policy, lambda seconds: asked.wait(0.1) and None).each(
        Flaky(1, TransientError("busy"), [1]), [1]
    )
    assert (outcome.value, outcome.attempts) == (2, 2)


def test_a_fault_of_the_watching_side_ends_the_run_at_once() -> None:
    def progress(done: int) -> None:
        raise BrokenPipeError("nobody looks")

    with pytest.raises(BrokenPipeError):
        Guard(Policy(timeout_seconds=600)).each(lambda item, attempt: item, [1, 2], progress)


# ── the batch form ──────────────────────────────────────────────────────────────────────────────────────────────────


class Batch:
    """Answers items from a table of (item, attempt) → result, others with their double; notes each call."""

    def __init__(self, table: dict[tuple[int, int], Any]) -> None:
        self.table = table
        self.calls: list[tuple[int, ...]] = []

    def __call__(self, items: Sequence[int], attempt: int) -> list[Any]:
        self.calls.append(tuple(items))
        return [self.table.get((item, attempt), item * 2) for item in items]


def test_what_is_transient_in_a_batch_is_called_again_without_the_others() -> None:
    naps, done = Naps(), list[int]()
    slow, busy = TransientError("slow", retry_after_seconds=9), TransientError("busy")
    call = Batch({(1, 1): slow, (3, 1): busy, (3, 2): busy, (4, 1): RejectedError("empty")})
    outcomes = Guard(LINEAR, naps).batch(call, [1, 2, 3, 4], done.append)
    assert call.calls == [(1, 2, 3, 4), (1, 3), (3,)]
    assert (told(outcomes), [each.attempts for each in outcomes]) == ([2, 4, 6, "RejectedError"], [2, 1, 3, 1])
    assert (naps, done) == ([9.0, 2.0], [2, 3, 4])
    assert outcomes[2].retries == [Retry(1, 9.0, busy), Retry(2, 2.0, busy)]


def test_a_batch_that_fails_as_a_whole_is_attempted_no_oftener_than_the_policy_allows() -> None:
    calls = []

    def call(items: Sequence[int], attempt: int) -> list[Any]:
        calls.append((tuple(items), attempt))
        raise TransientError("down")

    outcomes = Guard(LINEAR, Naps()).batch(call, [1, 2])
    assert calls == [((1, 2), attempt) for attempt in (1, 2, 3, 4)]
    assert (told(outcomes), [each.attempts for each in outcomes]) == (["TransientError"] * 2, [4, 4])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda items: [1], "the adapter answered 2 documents with 1 results"),
        (lambda items: None, "TypeError: 'NoneType' object is not iterable"),
        (lambda items: {}[0], "KeyError: 0"),
    ],
)
def test_a_batch_form_that_breaks_its_contract_fails_its_documents(answer: Any, message: str) -> None:
    outcomes = Guard(LINEAR, Naps()).batch(lambda items, attempt: answer(items), [1, 2])
    assert told(outcomes) == ["PermanentError"] * 2
    assert [str(each.error) for each in outcomes] == [message] * 2


def test_an_exception_among_the_results_of_a_batch_is_that_document_s() -> None:
    outcomes = Guard(LINEAR, Naps()).batch(Batch({(2, 1): ValueError("odd")}), [1, 2, 3])
    assert told(outcomes) == [2, "PermanentError", 6]


def test_a_batch_may_take_the_timeout_of_each_of_its_items() -> None:
    call = Stuck(1)
    outcomes = Guard(HASTY).batch(lambda items, attempt: [call(item, attempt) for item in items], [1, 2, 3])
    call.let_go.set()
    assert told(outcomes) == ["StageTimeoutError"] * 3
    assert str(outcomes[0].error) == "no answer within 0.15 s (policy `hasty`)"
    assert sum(each.seconds for each in outcomes) == pytest.approx(0.15)


def test_an_empty_batch_calls_nobody() -> None:
    call = Batch({})
    assert (Guard(LINEAR).batch(call, []), call.calls) == ([], [])
