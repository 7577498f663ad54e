"""Attempts, waits and timeouts around a stage's calls."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from penstock.errors import (
    PermanentError,
    QuotaError,
    RejectedError,
    StageError,
    StageTimeoutError,
    TransientError,
    UnavailableError,
)
from penstock.plan.topology import Policy
from penstock.resilience.calls import Answer, CallerDiedError, Outcome, Retry
from penstock.resilience.guard import Guard

LINEAR = Policy(name="patient", max_attempts=4, backoff_strategy="linear", backoff_max_seconds=2.5)
HASTY = Policy(name="hasty", max_attempts=1, timeout_seconds=0.05)
HANGS, DIES = object(), object()


class Naps(list[float]):
    """A `sleep` that only notes for how long it was asked to."""

    def __call__(self, seconds: float) -> None:
        self.append(round(seconds, 2))


class Bench:
    """Makes calls when they are waited for: `answer(items, attempt)` gives one result an item, raises for all of them,
    or is `HANGS` or `DIES`."""

    def __init__(self, answer: Callable[[Sequence[int], int], Any], window: int = 8, concurrent: int = 1) -> None:
        self.answer = answer
        self.window = window
        self.concurrent = concurrent
        self.line: list[tuple[int, Sequence[int], int]] = []
        self.calls: list[tuple[tuple[int, ...], int]] = []
        self.kills = 0

    def begin(self, ticket: int, items: Sequence[int], attempt: int, seconds: float) -> None:
        self.line.append((ticket, items, attempt))

    def wait(self, seconds: float) -> Answer | None:
        ticket, items, attempt = self.line[0]
        answer: Any = None
        error = None
        try:
            answer = self.answer(items, attempt)
        except StageError as exc:
            error = exc
        if answer is HANGS:
            time.sleep(seconds)
            return None
        self.line.pop(0)
        self.calls.append((tuple(items), attempt))
        if answer is DIES:
            self.line.clear()
            raise CallerDiedError("it died")
        return Answer(ticket, 0.25, answer or (), error)

    def at_work(self, ticket: int) -> None:
        return None

    def last_words(self, ticket: int) -> Answer:
        return Answer(ticket, 0.0, ())

    def kill(self) -> None:
        self.kills += 1
        self.line.clear()


class Row(Bench):
    """Works on one item of a call after another, and keeps what came of each: its end takes nothing with it."""

    def __init__(self, answer: Callable[[Sequence[int], int], Any]) -> None:
        super().__init__(answer)
        self.at = (-1, 0, 0.0)
        self.kept: list[Any] = []

    def wait(self, seconds: float) -> Answer | None:
        ticket, items, attempt = self.line[0]
        if self.at[0] != ticket:
            self.at, self.kept = (ticket, 0, time.monotonic()), []
        item = items[self.at[1]]
        self.calls.append(((item,), attempt))
        answer = self.answer([item], attempt)
        if answer is HANGS:
            time.sleep(seconds)
            return None
        if answer is DIES:
            self.line.clear()
            raise CallerDiedError("it died")
        self.kept += answer
        if len(self.kept) < len(items):
            self.at = (ticket, len(self.kept), time.monotonic())
            return None
        self.line.pop(0)
        return Answer(ticket, len(items) * 0.25, self.kept, each=[0.25] * len(items))

    def at_work(self, ticket: int) -> Any:
        return self.at[1:] if self.at[0] == ticket else None

    def last_words(self, ticket: int) -> Answer:
        return Answer(ticket, len(self.kept) * 0.25, self.kept, each=[0.25] * len(self.kept))


class Flaky:
    """Fails the first `failures` attempts at each item in `broken`; doubles the others."""

    def __init__(self, failures: int, error: Any, *broken: int) -> None:
        self.failures = failures
        self.error = error
        self.broken = set(broken)

    def __call__(self, items: Sequence[int], attempt: int) -> Any:
        fails = attempt <= self.failures
        if self.error in (HANGS, DIES):
            return self.error if fails and self.broken & set(items) else [item * 2 for item in items]
        return [self.error if fails and item in self.broken else item * 2 for item in items]


def told(outcomes: Sequence[Outcome]) -> list[Any]:
    """Values, or types of errors."""
    return [type(each.error).__name__ if each.error else each.value for each in outcomes]


def whole(error: StageError, *broken: int) -> Callable[[Sequence[int], int], Any]:
    """Raises for all items where one of `broken` is among them."""

    def answer(items: Sequence[int], attempt: int) -> Any:
        if set(broken) & set(items):
            raise error
        return [item * 2 for item in items]

    return answer


def test_outcomes_come_in_the_order_of_the_items() -> None:
    done: list[int] = []
    outcomes = Guard(Policy()).run(Bench(Flaky(0, None)), 3, progress=done.append)
    assert (told(outcomes), [each.attempts for each in outcomes], done) == ([0, 2, 4], [1, 1, 1], [1, 2, 3])
    assert [each.seconds for each in outcomes] == [0.25] * 3
    assert Guard(Policy()).run(Bench(Flaky(0, None)), 0) == []


def test_a_transient_error_is_tried_again_while_the_others_go_on() -> None:
    naps, error = Naps(), TransientError("busy")
    bench = Bench(Flaky(2, error, 0))
    (first, second) = Guard(LINEAR, sleep=naps).run(bench, 2)
    assert (first.value, first.attempts, second.value, second.attempts) == (0, 3, 2, 1)
    assert first.retries == [Retry(1, 1.0, error), Retry(2, 2.0, error)]
    assert bench.calls == [((0,), 1), ((1,), 1), ((0,), 2), ((0,), 3)]
    assert naps == [1.0, 2.0]
    assert first.seconds == 3 * 0.25 + 3.0, "waits are part of what a document took"


def test_after_the_last_attempt_the_error_stands() -> None:
    naps = Naps()
    (outcome,) = Guard(LINEAR, sleep=naps).run(Bench(Flaky(9, TransientError("busy"), 0)), 1)
    assert (told([outcome]), outcome.attempts, len(outcome.retries)) == (["TransientError"], 4, 3)
    assert naps == [1.0, 2.0, 2.5], "the longest wait is the policy's"


@pytest.mark.parametrize(
    ("strategy", "waits"),
    [("none", [0.0] * 4), ("linear", [1.0, 2.0, 3.0, 4.0]), ("exponential", [1.0, 2.0, 4.0, 5.0])],
)
def test_waits_grow_as_the_policy_says(strategy: str, waits: list[float]) -> None:
    policy = Policy(max_attempts=5, backoff_strategy=strategy, backoff_max_seconds=5.0)
    (outcome,) = Guard(policy, sleep=Naps()).run(Bench(Flaky(4, TransientError("busy"), 0)), 1)
    assert (outcome.value, outcome.attempts) == (0, 5)
    assert [each.backoff_seconds for each in outcome.retries] == waits


def test_chance_adds_no_more_than_the_jitter() -> None:
    policy = Policy(max_attempts=10, backoff_strategy="linear", backoff_max_seconds=1.0, backoff_jitter_seconds=0.5)
    (outcome,) = Guard(policy, sleep=Naps()).run(Bench(Flaky(9, TransientError("busy"), 0)), 1)
    waits = [each.backoff_seconds for each in outcome.retries]
    assert len(waits) == 9
    assert len(set(waits)) > 1
    assert all(1.0 <= each <= 1.5 for each in waits)


def test_what_an_endpoint_asks_for_is_waited_for() -> None:
    naps = Naps()
    Guard(LINEAR, sleep=naps).run(Bench(Flaky(1, TransientError("busy", retry_after_seconds=30), 0)), 1)
    Guard(LINEAR, sleep=naps).run(Bench(Flaky(1, TransientError("busy", retry_after_seconds=0.1), 0)), 1)
    assert naps == [30.0, 1.0], "never less than the policy's own wait"


def test_an_endpoint_that_asks_for_more_than_a_run_waits_is_unavailable() -> None:
    error = TransientError("busy", retry_after_seconds=3600, status="embed_failed")
    bench = Bench(Flaky(1, error, 0))
    (outcome,) = Guard(LINEAR).run(bench, 1)
    assert isinstance(outcome.error, UnavailableError)
    assert (outcome.error.message, outcome.error.status, outcome.error.__cause__) == (
        "busy; it asks to be called again in 3600 s",
        "embed_failed",
        error,
    )
    assert len(bench.calls) == 1


@pytest.mark.parametrize("error", [PermanentError("no"), RejectedError("no"), QuotaError("no"), UnavailableError("no")])
def test_no_other_error_is_tried_again(error: StageError) -> None:
    bench = Bench(Flaky(9, error, 0))
    (outcome,) = Guard(LINEAR).run(bench, 1)
    assert (outcome.error, outcome.attempts, outcome.retries, bench.calls) == (error, 1, [], [((0,), 1)])


def test_an_attempt_that_outlasts_its_timeout_is_ended_and_what_stood_behind_it_goes_on() -> None:
    done: list[int] = []
    bench = Bench(Flaky(9, HANGS, 1))
    outcomes = Guard(HASTY).run(bench, 4, progress=done.append)
    assert (told(outcomes), done) == ([0, "StageTimeoutError", 4, 6], [1, 2, 3, 4])
    assert (outcomes[1].attempts, outcomes[1].seconds) == (1, 0.05)
    assert str(outcomes[1].error) == "no answer within 0.05 s (policy `hasty`)"
    assert bench.kills == 1
    assert [each.attempts for each in outcomes] == [1, 1, 1, 1], "a place in line is no attempt"


def test_a_timeout_is_tried_again_as_often_as_the_policy_allows() -> None:
    policy = Policy(max_attempts=3, backoff_strategy="linear", timeout_seconds=0.05)
    bench = Bench(Flaky(1, HANGS, 0, 1))
    outcomes = Guard(policy, sleep=Naps()).run(bench, 2)
    assert (told(outcomes), [each.attempts for each in outcomes], bench.kills) == ([0, 2], [2, 2], 2)
    assert [(each.attempt, type(each.error)) for each in outcomes[0].retries] == [(1, StageTimeoutError)]


def test_a_wait_is_no_timeout() -> None:
    policy = Policy(max_attempts=2, backoff_strategy="linear", timeout_seconds=0.02)
    bench = Bench(Flaky(1, TransientError("busy"), 0))
    (outcome,) = Guard(policy, sleep=lambda seconds: time.sleep(0.05)).run(bench, 1)
    assert (outcome.value, outcome.attempts, bench.kills) == (0, 2, 0)


def test_a_fault_of_the_watching_side_ends_what_was_begun() -> None:
    def progress(done: int) -> None:
        raise BrokenPipeError("nobody looks")

    bench = Bench(Flaky(0, None))
    with pytest.raises(BrokenPipeError):
        Guard(Policy()).run(bench, 3, progress=progress)
    assert (bench.kills, bench.calls) == (1, [((0,), 1)])


def test_nothing_is_begun_after_the_deadline_and_nothing_waited_for_that_would_come_later() -> None:
    bench = Bench(Flaky(9, TransientError("busy"), 1))
    outcomes = Guard(LINEAR, sleep=Naps()).run(bench, 3, deadline=time.monotonic() + 0.5)
    assert (told(outcomes), [each.attempts for each in outcomes]) == ([0, "TransientError", 4], [1, 1, 1])
    outcomes = Guard(LINEAR, sleep=Naps()).run(bench, 2, deadline=time.monotonic())
    assert [each.attempts for each in outcomes] == [0, 0]
    assert str(outcomes[0].error) == "the time that a run may spend on the document is over"


def test_a_deadline_ends_the_attempt_that_is_under_way() -> None:
    bench = Bench(Flaky(9, HANGS, 0))
    (outcome,) = Guard(LINEAR, sleep=Naps()).run(bench, 1, deadline=time.monotonic() + 0.05)
    assert (told([outcome]), bench.kills, outcome.attempts) == (["StageTimeoutError"], 1, 1)


# ── many items in one call ──────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_transient_in_a_batch_is_called_again_without_the_others() -> None:
    naps, done = Naps(), list[int]()
    slow, busy = TransientError("slow", retry_after_seconds=9), TransientError("busy")
    table = {(1, 1): slow, (3, 1): busy, (3, 2): busy, (4, 1): RejectedError("empty")}
    bench = Bench(lambda items, attempt: [table.get((item, attempt), item * 2) for item in items])
    outcomes = Guard(LINEAR, sleep=naps).run(bench, 5, size=5, progress=done.append)
    assert bench.calls == [((0, 1, 2, 3, 4), 1), ((1, 3), 2), ((3,), 3)]
    assert (told(outcomes), [each.attempts for each in outcomes]) == ([0, 2, 4, 6, "RejectedError"], [1, 2, 1, 3, 1])
    assert (naps, done) == ([9.0, 2.0], [3, 4, 5])
    assert outcomes[3].retries == [Retry(1, 9.0, busy), Retry(2, 2.0, busy)]


def test_a_batch_takes_as_many_as_its_size_says_and_their_timeouts_together() -> None:
    bench = Bench(Flaky(9, HANGS, 4))
    outcomes = Guard(HASTY).run(bench, 5, size=2)
    assert [items for items, _ in bench.calls] == [(0, 1), (2, 3)]
    assert told(outcomes) == [0, 2, 4, 6, "StageTimeoutError"]
    bench = Bench(Flaky(9, HANGS, *range(9)))
    (outcome, *_) = Guard(HASTY).run(bench, 2, size=2)
    assert str(outcome.error) == "no answer within 0.05 s (policy `hasty`)"
    assert str(outcome.retries[0].error) == "no answer within 0.1 s (policy `hasty`)"


@pytest.mark.parametrize("error", [TransientError("down"), UnavailableError("gone"), QuotaError("used up")])
def test_a_batch_that_fails_for_a_reason_outside_the_documents_fails_together(error: StageError) -> None:
    bench = Bench(whole(error, *range(4)))
    outcomes = Guard(LINEAR, sleep=Naps()).run(bench, 4, size=4)
    attempts = 4 if isinstance(error, TransientError) else 1
    assert bench.calls == [((0, 1, 2, 3), attempt) for attempt in range(1, attempts + 1)]
    assert ([each.error for each in outcomes], [each.attempts for each in outcomes]) == ([error] * 4, [attempts] * 4)


@pytest.mark.parametrize("error", [RejectedError("odd"), PermanentError("odd")])
def test_a_batch_that_is_refused_is_cut_until_the_bad_document_stands_alone(error: StageError) -> None:
    calls: list[int] = []
    answer = whole(error, 5)

    def noted(items: Sequence[int], attempt: int) -> Any:
        calls.append(len(items))
        return answer(items, attempt)

    outcomes = Guard(LINEAR).run(Bench(noted), 8, size=8)
    assert told(outcomes) == [0, 2, 4, 6, 8, type(error).__name__, 12, 14]
    assert sorted(calls, reverse=True) == [8, 4, 4, 2, 2, 1, 1]
    assert [each.attempts for each in outcomes] == [2, 2, 2, 2, 4, 4, 3, 3]
    assert outcomes[0].retries == [Retry(1, 0.0, error)]


def test_a_batch_fails_as_a_whole_only_when_all_are_refused() -> None:
    outcomes = Guard(LINEAR).run(Bench(whole(RejectedError("odd"), *range(5))), 5, size=5)
    assert told(outcomes) == ["RejectedError"] * 5
    assert max(each.attempts for each in outcomes) == 4, "attempts grow with the logarithm of the batch's size"


def test_a_document_that_takes_the_process_down_fails_alone() -> None:
    policy = Policy(max_attempts=2, backoff_strategy="none")
    outcomes = Guard(policy, sleep=Naps()).run(Bench(Flaky(9, DIES, 2)), 4)
    assert told(outcomes) == [0, 2, "StageCrashError", 6]
    assert [each.attempts for each in outcomes] == [1, 1, 2, 1]
    outcomes = Guard(policy, sleep=Naps()).run(Bench(Flaky(9, DIES, 2)), 4, size=4)
    assert told(outcomes) == [0, 2, "StageCrashError", 6]


def test_of_several_calls_under_way_the_one_that_took_the_process_down_is_found() -> None:
    outcomes = Guard(Policy(max_attempts=1)).run(Bench(Flaky(9, DIES, 2), concurrent=4), 6)
    assert told(outcomes) == [0, 2, "StageCrashError", 6, 8, 10]


def test_one_document_that_hangs_does_not_fail_its_batch() -> None:
    outcomes = Guard(HASTY).run(Bench(Flaky(9, HANGS, 1)), 4, size=4)
    assert told(outcomes) == [0, "StageTimeoutError", 4, 6]


def test_when_single_calls_hang_one_after_another_the_rest_is_spared() -> None:
    bench = Bench(Flaky(9, HANGS, *range(99)))
    outcomes = Guard(HASTY).run(bench, 10, size=10)
    assert told(outcomes) == ["StageTimeoutError"] * 10
    assert [each.attempts for each in outcomes] == [2, 2, 2, 1, 1, 1, 1, 1, 1, 1]
    assert bench.kills == 4


def test_items_of_a_series_share_a_message_and_nothing_else() -> None:
    row = Row(Flaky(1, TransientError("busy"), 1, 5))
    outcomes = Guard(LINEAR, sleep=Naps()).run(row, 6, series=4)
    assert told(outcomes) == [0, 2, 4, 6, 8, 10]
    assert [each.attempts for each in outcomes] == [1, 2, 1, 1, 1, 2]
    assert [each.seconds for each in outcomes] == [0.25, 1.5, 0.25, 0.25, 0.25, 1.5]
    first, again = row.calls[:6], row.calls[6:]
    assert first == [((item,), 1) for item in range(6)]
    assert again == [((1,), 2), ((5,), 2)]


@pytest.mark.parametrize(("deed", "error"), [(HANGS, "StageTimeoutError"), (DIES, "StageCrashError")])
def test_of_a_series_only_the_item_at_fault_fails_and_no_other_is_worked_on_twice(deed: Any, error: str) -> None:
    row = Row(Flaky(9, deed, 0, 3, 4, 7))
    outcomes = Guard(HASTY).run(row, 8, series=8)
    assert told(outcomes) == [error, 2, 4, error, error, 10, 12, error]
    assert Counter(items for items, _ in row.calls) == dict.fromkeys([(item,) for item in range(8)], 1)
    assert {each.attempts for each in outcomes} == {1}


def test_a_series_whose_answer_is_lost_blames_nobody_and_is_not_worked_on_again() -> None:
    class Lost(Row):
        def wait(self, seconds: float) -> Answer | None:
            if super().wait(seconds) is None:
                return None
            self.at = (self.at[0], len(self.kept), time.monotonic())
            raise CallerDiedError("it died after the last item, before it had answered")

    row = Lost(Flaky(0, None))
    outcomes = Guard(HASTY).run(row, 3, series=3)
    assert (told(outcomes), [each.attempts for each in outcomes]) == ([0, 2, 4], [1, 1, 1])
    assert row.calls == [((0,), 1), ((1,), 1), ((2,), 1)]


def test_each_item_of_a_series_has_the_whole_time_of_an_attempt() -> None:
    def slowly(items: Sequence[int], attempt: int) -> Any:
        time.sleep(0.03)
        return items

    assert told(Guard(HASTY).run(Row(slowly), 4, series=4)) == [0, 1, 2, 3], "0.12 s in all, where 0.05 s are allowed"


def test_a_series_that_cannot_be_worked_on_at_all_fails_item_by_item() -> None:
    outcomes = Guard(LINEAR, sleep=Naps()).run(Bench(whole(PermanentError("unmade"), 0, 1, 2)), 3, series=3)
    assert told(outcomes) == ["PermanentError"] * 3


def test_where_a_breaker_counts_calls_they_are_begun_singly() -> None:
    bench = Bench(Flaky(0, None))
    breaking = Policy(name="breaking", failure_threshold=2, reset_timeout_seconds=60.0)
    assert told(Guard(breaking).run(bench, 3, series=3)) == [0, 2, 4]
    assert bench.calls == [((0,), 1), ((1,), 1), ((2,), 1)]
