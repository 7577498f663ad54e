"""Timelines are drawn from what was recorded, and show it truly."""

import re
from xml.etree import ElementTree

import pytest
from benchmarks.resilience.picture import Bar, Timeline, svg
from benchmarks.resilience.scenes import Recorded
from benchmarks.resilience.scripted import Visit
from benchmarks.resilience.timelines import timeline

from penstock.plan.topology import Policy

POLICY = Policy(name="brisk", max_attempts=2, timeout_seconds=5, failure_threshold=3, reset_timeout_seconds=30)


def event(kind: str, second: float, document: str, **data: object) -> dict[str, object]:
    return {
        "type": f"org.example.{kind}",
        "subject": f"file:{document}",
        "time": f"1970-01-01T00:00:{second:06.3f}Z",
        "data": {"dagster_run_id": "one", "stage": "ask"} | data,
    }


@pytest.fixture
def recorded() -> Recorded:
    visits = [Visit(11, 12, "a.md", 1, 503), Visit(14.5, 15, "a.md", 2, 200), Visit(15, 20, "b.md", 1, 0)]
    events = [
        event("stage.started", 10, "a.md"),
        event("stage.started", 10, "b.md"),
        event("stage.started", 10, "c.md"),
        event("stage.retrying", 21, "a.md", attempt_number=1, backoff_ms=2000, error_message="busy"),
        event("stage.failed", 21, "c.md", attempt_number=0, error_message="breaker `http://x:9` is open"),
        event("job.completed", 22, "a.md"),
    ]
    return Recorded(visits, events, [(9.0, "closed"), (20.0, "open")])


def test_attempts_are_the_server_s_and_waits_and_refusals_the_ledger_s(recorded: Recorded) -> None:
    made = timeline(POLICY, recorded)
    assert made.rows == ["a.md", "b.md", "c.md"]
    assert made.lanes == ["breaker", "requests"]
    assert [each[:4] for each in made.bars] == [
        ("a.md", "failed", 1, 2),
        ("a.md", "good", 4.5, 5),
        ("b.md", "cut", 5, 10),
        ("a.md", "wait", 2, 4),
        ("a.md", "line", 4, 4.5),
    ]
    assert [(each.row, each.kind, each.at) for each in made.marks] == [
        ("requests", "request", 1),
        ("requests", "request", 4.5),
        ("requests", "request", 5),
        ("c.md", "refused", 11),
    ]
    assert made.marks[-1].title == "c.md: breaker is open"
    assert [(each.kind, each.begins, each.ends) for each in made.stretches] == [("good", 0, 10), ("open", 10, 12)]


def test_a_wait_that_was_cut_short_is_not_drawn(recorded: Recorded) -> None:
    recorded.visits[1] = Visit(13, 15, "a.md", 2, 200)
    with pytest.raises(AssertionError, match=r"a\.md did not wait for 2\.0 s"):
        timeline(POLICY, recorded)


def test_runs_at_the_same_time_lie_one_below_the_other(recorded: Recorded) -> None:
    for second, kind in ((11, "stage.started"), (12, "job.completed")):
        recorded.events.append(event(kind, second, "d.md", dagster_run_id="two"))
    for second, kind in ((22, "stage.started"), (23, "job.completed")):
        recorded.events.append(event(kind, second, "e.md", dagster_run_id="three"))
    runs = [each for each in timeline(POLICY, recorded).stretches if each.lane == "runs"]
    assert [(each.label, each.begins, each.ends, each.layer) for each in runs] == [
        ("1", 0, 12, 0),
        ("2", 1, 2, 1),
        ("3", 12, 13, 0),
    ]


def test_a_picture_is_svg_whose_marks_tell_their_figures(recorded: Recorded) -> None:
    picture = svg(timeline(POLICY, recorded))
    root = ElementTree.fromstring(picture)
    name = "{http://www.w3.org/2000/svg}"
    assert root.findtext(f"{name}title") == (
        "policy brisk: 2 attempts; 5 s for an attempt; breaker: 3 failures in a row, 30 s"
    )
    titles = [each.findtext(f"{name}title") for each in root.iter(f"{name}g")]
    assert "b.md, attempt 1: no answer, ended after 5.00 s" in titles
    assert "a.md: waits 2.00 s after attempt 1 (busy)" in titles
    assert "@media (prefers-color-scheme: dark)" in picture


def test_a_mark_stands_where_its_time_is() -> None:
    picture = svg(Timeline("t", "s", 10, ["a"], [], [Bar("a", "good", 5, 7.5, "", "half way")]))
    found = re.search(r'<title>half way</title>\s*<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', picture)
    assert found is not None
    assert found.groups() == ("514", "209")
