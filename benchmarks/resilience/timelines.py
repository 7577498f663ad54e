"""`python -m benchmarks.resilience.timelines [--write FOLDER] [POLICY …]`: what each shipped policy does, as pictures.

A picture is drawn from a real run (`benchmarks.resilience.scenes`) and shows nothing but what was recorded in it.
"""

import argparse
import sys
from itertools import pairwise
from pathlib import Path

from benchmarks.resilience.picture import Bar, Mark, Stretch, Timeline, svg
from benchmarks.resilience.scenes import CONFIG, SCENES, Recorded
from benchmarks.resilience.scripted import Visit
from penstock.plan.policies import load_policies
from penstock.plan.topology import Policy

STATES = {"closed": "good", "open": "open", "half-open": "trial"}
_IN_LINE = 0.25


def timeline(policy: Policy, recorded: Recorded) -> Timeline:
    """What was recorded, as a picture shows it."""
    started = [each for each in recorded.of("stage.started") if each["data"]["stage"] == "ask"]
    zero = min(each["at"] for each in started)
    last = max(each["at"] for kind in ("job.completed", "job.failed") for each in recorded.of(kind)) - zero
    runs = _runs(recorded, zero)
    lanes = (["runs"] if len(runs) > 1 else []) + (["breaker"] if recorded.breaker else []) + ["requests"]
    made = Timeline(
        title=f"policy {policy.name}",
        subtitle=settings_of(policy),
        ends=last * 1.02,
        rows=sorted({each["document"] for each in started}),
        lanes=lanes,
        stretches=[*(runs if len(runs) > 1 else []), *_breaker(recorded, zero, last)],
    )
    for number, visit in enumerate(recorded.visits, 1):
        made.bars.append(_attempt(visit, zero))
        title = f"request {number}: {visit.document}, attempt {visit.attempt}, at {visit.came - zero:.2f} s"
        made.marks.append(Mark("requests", "request", visit.came - zero, "", title))
    made.bars += _waits(recorded, zero)
    made.marks += _refusals(recorded, zero)
    return made


def settings_of(policy: Policy) -> str:
    """The policy in a line."""
    said = [f"{policy.max_attempts} attempt{'s' if policy.max_attempts > 1 else ''}"]
    if policy.max_attempts > 1 and policy.backoff_strategy != "none":
        waits = f"{policy.backoff_initial_seconds:g} to {policy.backoff_max_seconds:g} s"
        jitter = f" and up to {policy.backoff_jitter_seconds:g} s by chance" if policy.backoff_jitter_seconds else ""
        said.append(f"{policy.backoff_strategy} waits of {waits}{jitter}")
    said.append(f"{policy.timeout_seconds:g} s for an attempt")
    if policy.failure_threshold:
        said.append(f"breaker: {policy.failure_threshold} failures in a row, {policy.reset_timeout_seconds:g} s")
    if policy.rate_limit_per_second:
        said.append(f"{policy.rate_limit_per_second:g} calls a second")
    return "; ".join(said)


def _attempt(visit: Visit, zero: float) -> Bar:
    begins, ends = visit.came - zero, visit.went - zero
    seconds = f"{ends - begins:.2f} s"
    if not visit.status:
        label, kind = "no answer: ended by the timeout", "cut"
        title = f"{visit.document}, attempt {visit.attempt}: no answer, ended after {seconds}"
    else:
        kind = "good" if visit.status == 200 else "failed"
        label = str(visit.status) if kind == "failed" else ""
        title = f"{visit.document}, attempt {visit.attempt}: status {visit.status} after {seconds}"
    return Bar(visit.document, kind, begins, ends, label, title)


def _waits(recorded: Recorded, zero: float) -> list[Bar]:
    """The waits that the ledger tells of, each after the attempt that it followed; and what came on top of them."""
    came = {(each.document, each.attempt): each for each in recorded.visits}
    bars = []
    for each in recorded.of("stage.retrying"):
        document, attempt = each["document"], each["data"]["attempt_number"]
        seconds = each["data"]["backoff_ms"] / 1000
        begins = came[document, attempt].went - zero
        following = came[document, attempt + 1].came - zero
        assert following - begins > seconds - 0.05, f"{document} did not wait for {seconds} s"
        title = f"{document}: waits {seconds:.2f} s after attempt {attempt} ({each['data']['error_message']})"
        bars.append(Bar(document, "wait", begins, begins + seconds, f"{seconds:.1f} s", title))
        if following - begins - seconds > _IN_LINE:
            title = f"{document}: stands in line for {following - begins - seconds:.2f} s"
            bars.append(Bar(document, "line", begins + seconds, following, "", title))
    return bars


def _refusals(recorded: Recorded, zero: float) -> list[Mark]:
    return [
        Mark(each["document"], "refused", each["at"] - zero, "refused", f"{each['document']}: {_told(each)}")
        for each in recorded.of("stage.failed")
        if each["data"]["attempt_number"] == 0
    ]


def _told(event: dict[str, dict[str, str]]) -> str:
    message = event["data"]["error_message"]
    return message.partition("`")[0] + message.rpartition("` ")[2]  # without the port, which is another one each time


def _breaker(recorded: Recorded, zero: float, last: float) -> list[Stretch]:
    moments = [(max(0.0, at - zero), state) for at, state in recorded.breaker] + [(last, "")]
    return [
        Stretch("breaker", STATES[state], begins, ends, state, f"breaker {state}, {begins:.1f} to {ends:.1f} s")
        for (begins, state), (ends, _) in pairwise(moments)
        if ends > begins
    ]


def _runs(recorded: Recorded, zero: float) -> list[Stretch]:
    """From when to when each Dagster run worked, by its events."""
    moments: dict[str, list[float]] = {}
    for kind in ("stage.started", "stage.failed", "job.completed", "job.failed"):
        for each in recorded.of(kind):
            moments.setdefault(each["data"]["dagster_run_id"], []).append(each["at"] - zero)
    spans = sorted((max(0.0, min(each)), max(each)) for each in moments.values())
    stretches: list[Stretch] = []
    for number, (begins, ends) in enumerate(spans, 1):
        taken = {each.layer for each in stretches if each.ends > begins}
        layer = next(each for each in range(len(spans)) if each not in taken)
        title = f"run {number}, {begins:.1f} to {ends:.1f} s"
        stretches.append(Stretch("runs", "run", begins, ends, str(number), title, layer))
    return stretches


def main() -> None:
    """Run, draw, and write the pictures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resilience.timelines")
    parser.add_argument("--write", type=Path, default=Path(), help="the folder that takes the pictures")
    parser.add_argument("policies", nargs="*", metavar="policy", help=f"of {', '.join(SCENES)}; all by default")
    given = parser.parse_args()
    shipped = load_policies(CONFIG / "resilience.yaml").sound
    for name in given.policies or SCENES:
        sys.stderr.write(f"running: {name}\n")
        picture = svg(timeline(shipped[name], SCENES[name]()))
        (given.write / f"resilience-{name}.svg").write_text(picture)


if __name__ == "__main__":
    main()
