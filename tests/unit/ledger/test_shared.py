"""What processes share of breakers and rates: one suite for one process's memory, SQLite and PostgreSQL."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import update

from penstock.ledger.database import Database
from penstock.ledger.ledger import Ledger
from penstock.ledger.shared import LedgerState
from penstock.ledger.tables import breakers, rate_budgets
from penstock.resilience.memory import LocalState
from penstock.resilience.shared import SharedState

THRESHOLD, RESET, HOLD = 3, 60.0, 20.0


@dataclass
class Memory:
    """A process's memory, with a clock that the test moves."""

    seconds: float = 1000.0
    state: SharedState = field(init=False)

    def __post_init__(self) -> None:
        self.state = LocalState(lambda: self.seconds)

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds


class InLedger:
    """A ledger. Its clock is the database's: instead of moving it, the test moves every time that is stored."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.state: SharedState = LedgerState(database)

    def pass_time(self, seconds: float) -> None:
        with self.database.begin() as cx:
            for table, names in ((breakers, ("opened_at", "trial_at")), (rate_budgets, ("next_at", "updated_at"))):
                cx.execute(update(table).values({name: table.c[name] - seconds for name in names}))


Scene = Memory | InLedger


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def scene(request: pytest.FixtureRequest, home: Path) -> Iterator[Scene]:
    if request.param == "memory":
        yield Memory()
        return
    url = None if request.param == "sqlite" else request.getfixturevalue("postgres").database()
    ledger = Ledger.open(home, url)
    yield InLedger(ledger.database)
    ledger.close()


def about(scene: Scene, key: str = "k", reset: float = RESET) -> tuple[str, int, int]:
    """A breaker's state, failures, and seconds until a trial, up to the next 5: in a ledger the clock runs on."""
    found = scene.state.breaker(key, reset)
    return found.state, found.failures, 5 * math.ceil(found.retry_in / 5)


def fail(scene: Scene, times: int = 1, key: str = "k") -> str:
    return [scene.state.failed(key, THRESHOLD, RESET).state for _ in range(times)][-1]


def claims(scene: Scene, key: str = "k") -> bool:
    return scene.state.claim_trial(key, RESET, HOLD)


def test_a_breaker_that_nobody_has_used_is_closed(scene: Scene) -> None:
    assert about(scene) == ("closed", 0, 0)
    assert not claims(scene)


def test_a_breaker_opens_at_the_threshold_and_not_before(scene: Scene) -> None:
    assert [fail(scene) for _ in range(4)] == ["closed", "closed", "open", "open"]
    assert about(scene) == ("open", 4, 60)
    assert about(scene, "another") == ("closed", 0, 0)


def test_a_success_in_between_counts_from_0_again(scene: Scene) -> None:
    fail(scene, 2)
    scene.state.succeeded("k")
    assert about(scene) == ("closed", 0, 0)
    assert fail(scene, 2) == "closed"


def test_failures_of_calls_begun_before_do_not_hold_a_breaker_open_for_longer(scene: Scene) -> None:
    fail(scene, 3)
    scene.pass_time(50)
    fail(scene, 5)
    assert about(scene) == ("open", 8, 10)


def test_a_success_of_a_call_begun_before_does_not_close_an_open_breaker(scene: Scene) -> None:
    fail(scene, 3)
    scene.state.succeeded("k")
    assert about(scene) == ("open", 3, 60)


def test_one_caller_a_reset_claims_the_trial(scene: Scene) -> None:
    fail(scene, 3)
    scene.pass_time(55)
    assert not claims(scene)
    scene.pass_time(5)
    assert about(scene) == ("open", 3, 0)
    assert [claims(scene) for _ in range(3)] == [True, False, False]
    assert about(scene) == ("half-open", 3, 20)


def test_a_trial_that_succeeds_closes_the_breaker(scene: Scene) -> None:
    fail(scene, 3)
    scene.pass_time(60)
    assert claims(scene)
    scene.state.succeeded("k")
    assert about(scene) == ("closed", 0, 0)
    assert fail(scene, 2) == "closed"


def test_a_trial_that_fails_opens_the_breaker_for_a_whole_reset(scene: Scene) -> None:
    fail(scene, 3)
    scene.pass_time(60)
    assert claims(scene)
    scene.pass_time(10)
    assert fail(scene) == "open"
    assert about(scene) == ("open", 4, 60)
    scene.pass_time(55)
    assert not claims(scene)
    scene.pass_time(5)
    assert claims(scene)


def test_a_claimant_that_is_never_heard_of_frees_the_trial(scene: Scene) -> None:
    fail(scene, 3)
    scene.pass_time(60)
    assert claims(scene)
    scene.pass_time(15)
    assert not claims(scene)
    scene.pass_time(5)
    assert about(scene) == ("open", 3, 0)
    assert [claims(scene), claims(scene)] == [True, False]


def test_the_reset_in_force_decides_not_the_one_that_was(scene: Scene) -> None:
    fail(scene, 3)
    scene.pass_time(30)
    assert about(scene, reset=45.0) == ("open", 3, 15)
    assert not scene.state.claim_trial("k", 45.0, HOLD)
    assert scene.state.claim_trial("k", 30.0, HOLD)


def test_places_in_line_are_evenly_spaced(scene: Scene) -> None:
    waits = [scene.state.reserve("k", 0.1, calls) for calls in (1, 2, 1)]
    assert waits == pytest.approx([0, 10, 30], abs=4)
    assert scene.state.reserve("another", 0.1, 1) == pytest.approx(0, abs=4)
    scene.pass_time(35)
    assert scene.state.reserve("k", 0.1, 1) == pytest.approx(5, abs=4)


def test_a_line_that_was_not_used_gives_nothing_back(scene: Scene) -> None:
    scene.state.reserve("k", 0.1, 3)
    scene.pass_time(600)
    assert [scene.state.reserve("k", 0.1, 1) for _ in range(2)] == pytest.approx([0, 10], abs=4)


# ── the database's clock is set ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def stepping(url: str, home: Path) -> Iterator[InLedger]:
    ledger = Ledger.open(home, url)
    yield InLedger(ledger.database)
    ledger.close()


def test_a_clock_put_back_by_hours_lets_a_trial_through_at_once_and_then_one_a_reset(stepping: InLedger) -> None:
    fail(stepping, 3)
    stepping.pass_time(-7200)
    assert about(stepping) == ("open", 3, 0)
    assert [claims(stepping), claims(stepping)] == [True, False]
    assert fail(stepping) == "open"
    assert about(stepping) == ("open", 4, 60)
    assert not claims(stepping)


def test_a_clock_put_back_during_a_trial_frees_it(stepping: InLedger) -> None:
    fail(stepping, 3)
    stepping.pass_time(60)
    assert claims(stepping)
    stepping.pass_time(-7200)
    assert [claims(stepping), claims(stepping)] == [True, False]


def test_a_clock_put_back_by_less_than_a_breaker_was_open_holds_calls_for_twice_the_reset_at_most(
    stepping: InLedger,
) -> None:
    fail(stepping, 3)
    stepping.pass_time(55)
    stepping.pass_time(-50)
    assert about(stepping) == ("open", 3, 55)  # 55 s of 60 were over


def test_a_clock_put_forward_brings_one_trial_too_early(stepping: InLedger) -> None:
    fail(stepping, 3)
    stepping.pass_time(7200)
    assert [claims(stepping), claims(stepping)] == [True, False]
    fail(stepping)
    assert about(stepping) == ("open", 4, 60)


def test_a_clock_put_back_leaves_a_line_as_long_as_it_was(stepping: InLedger) -> None:
    stepping.state.reserve("k", 0.1, 2)
    stepping.pass_time(-7200)
    assert stepping.state.reserve("k", 0.1, 1) == pytest.approx(20, abs=4)
    assert stepping.state.reserve("k", 0.1, 1) == pytest.approx(30, abs=4)


def test_a_clock_put_forward_forgets_a_line(stepping: InLedger) -> None:
    stepping.state.reserve("k", 0.1, 2)
    stepping.pass_time(7200)
    assert [stepping.state.reserve("k", 0.1, 1) for _ in range(2)] == pytest.approx([0, 10], abs=4)


# ── the ledger cannot be reached ────────────────────────────────────────────────────────────────────────────────────


def test_a_process_that_cannot_reach_the_ledger_counts_by_itself(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger.open(home)
    state = LedgerState(ledger.database)
    ledger.close()
    for path in home.glob("ledger.db*"):
        path.unlink()
    (home / "ledger.db").mkdir()
    found = [state.failed("k", THRESHOLD, RESET) for _ in range(3)]
    assert [each.state for each in found] == ["closed", "closed", "open"]
    assert not state.claim_trial("k", RESET, HOLD)
    assert state.breaker("k", RESET).failures == 3
    assert [state.reserve("k", 0.1, 1) for _ in range(2)] == pytest.approx([0, 10], abs=4)
    assert caplog.messages == [
        "the ledger does not answer (OperationalError): breakers and rates count in this process"
    ]
    ledger.close()


# ── whatever happens, in whatever order ─────────────────────────────────────────────────────────────────────────────

_examples = count()


class SharedMachine(RuleBasedStateMachine):
    """The ledger does what the memory does, whoever fails, succeeds, claims and waits."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.key = f"example-{next(_examples)}"
        self.memory = Memory()
        self.ledger = InLedger(self.database)

    @rule(seconds=st.sampled_from([6.0, 21.0, 61.0]))
    def wait(self, seconds: float) -> None:
        for scene in (self.memory, self.ledger):
            scene.pass_time(seconds)

    @rule()
    def fail(self) -> None:
        assert fail(self.memory, 1, self.key) == fail(self.ledger, 1, self.key)

    @rule()
    def succeed(self) -> None:
        self.memory.state.succeeded(self.key)
        self.ledger.state.succeeded(self.key)

    @rule()
    def claim(self) -> None:
        assert claims(self.memory, self.key) == claims(self.ledger, self.key)

    @rule(calls=st.integers(1, 5))
    def reserve(self, calls: int) -> None:
        waits = [scene.state.reserve(self.key, 0.1, calls) for scene in (self.memory, self.ledger)]
        assert waits[0] == pytest.approx(waits[1], abs=4)

    @invariant()
    def both_show_the_same(self) -> None:
        remembered, kept = (scene.state.breaker(self.key, RESET) for scene in (self.memory, self.ledger))
        assert (remembered.state, remembered.failures) == (kept.state, kept.failures)
        assert remembered.retry_in == pytest.approx(kept.retry_in, abs=4)


def test_the_ledger_does_what_the_memory_does(ledger: Ledger) -> None:
    machine = type("Machine", (SharedMachine,), {"database": ledger.database})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]  # Hypothesis' stubs leave it untyped
        machine,
        settings=settings(
            max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
