"""What the sweep writes of itself: `docs/reliability.md`."""

import json
import os
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.faults.processes import PROJECT
from tests.faults.scenarios import SCENARIOS
from tests.faults.seam import MODES
from tests.faults.source import effects_in_the_source

_CASES = "cases.json"

Rows = Sequence[Mapping[str, Any]]

UNREACHED = {
    "*.set_aside": "only `penstock repair` does it; tests of damage do",
    "download.*": "no scenario fetches from an address; `tests/unit/adapters/test_fetched.py` breaks downloads off",
    "events.publish": "the profile of the sweep has no Kafka; `tests/services` stops and kills a real broker",
    "events.rename": "only `penstock repair` does it; tests of damage do",
    "events.write": "only `penstock repair` does it; tests of damage do",
    "graph.mkdir": "the graph lies in the home itself, which is there before it",
    "host.*": "the pace of downloads; no scenario fetches from an address",
    "ledger.salvage": "only `penstock repair` does it; tests of damage do",
    "lexical.sync_folder": "only `penstock repair` does it; tests of damage do",
    "mineru.*": "the profile of the sweep has no MinerU; `tests/unit/adapters/mineru` breaks its calls off",
    "model.*": "the profile of the sweep needs no model file; `tests/unit/adapters/test_minilm.py` makes one",
    "queue.*": "the profile of the sweep has no Kafka; `tests/services` stops and kills a real broker",
    "up.*": "`penstock up` runs until it is ended; `tests/reliability/test_up.py` kills it and its parts",
    "vectors.unlink": "a compaction needs more files than these documents make; `tests/contracts/test_store_crashes.py`"
    " kills writers through many",
}
"""Effects that no scenario reaches, and why that is so."""

_INTRO = """\
# Reliability: the fault sweep

This page is written by `make sweep`; do not edit it.

Everything that Penstock does to the outside world (each write, sync, rename and removal of a file, each commit of a
ledger, index or graph, each delivery of events) passes one seam, `penstock.effects`. The sweep runs each scenario once
in peace and counts the effects. Then, for every single one of them and every mode, it takes a fresh home, runs the
same command as a user does, lets that one effect go wrong, does what an operator would do (run the command again until
nothing is left to do), and compares the end state with that of the peaceful run: documents, versions, job states, open
dead letters, raw objects, every row of the lexical and the vector index, the graph, every stage output, every event;
and that nothing is left over: no unfinished file, no pack or object or build that belongs to nobody, no lease.

| mode | what happens at the effect |
|---|---|
| `error-before` | it fails and has not happened: a full disk, a server that is gone |
| `error-after` | it has happened and is told as failed: the answer was lost on the way |
| `hang` | it never returns; the guard ends a stage's call after its timeout of 1 s, an operator's SIGKILL all else |
| `kill-before` | SIGKILL to its process, before it |
| `kill-after` | SIGKILL to its process, after it |
| `stop` | SIGSTOP before it, for longer than the lease; another run takes over; then SIGCONT, and it goes on |

A case in which the fault did not fire, or an effect that no case reached, counts as failed.
"""

_REPLAY = """\
## Playing it again

    make sweep                                        # what is not done yet; an interrupted sweep goes on
    make sweep SWEEP_ARGS="--again"                   # everything anew
    make sweep SWEEP_ARGS="--again --case '<name>'"   # one case; a failed one leaves its home in .sweep/kept

A name is `ledger/scenario/role:effect#number/mode`, as `sqlite/first/run:pack.rename#3/kill-before`. The tests that
`make test` runs have a small choice of cases in which every name of an effect occurs.
"""


def unreached(effects: Iterable[str]) -> list[str]:
    """Names in the source that are neither among these effects nor excused; and excuses that are needed no more."""
    reached = {effect.partition(":")[2].partition("#")[0] for effect in effects}
    known = effects_in_the_source()
    missing = [name for name in sorted(known - reached) if not any(fnmatch(name, each) for each in UNREACHED)]
    idle = [each for each in UNREACHED if any(fnmatch(name, each) for name in reached)]
    return [f"no case reaches `{name}`" for name in missing] + [
        f"`{each}` is reached, no excuse is needed" for each in idle
    ]


def note_cases(results: Path, cases: Mapping[str, Sequence[str]]) -> None:
    """Keep which cases there are, by `ledger/scenario`, beside their results."""
    (results.parent / _CASES).write_text(json.dumps(known_cases(results) | dict(cases)))


def known_cases(results: Path) -> dict[str, list[str]]:
    """The cases that sweeps have found so far, by `ledger/scenario`."""
    path = results.parent / _CASES
    return json.loads(path.read_text()) if path.exists() else {}


def results_of(path: Path) -> dict[str, dict[str, Any]]:
    """The last result of each case, by its name."""
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {row["name"]: row for row in rows}


def write(target: Path, results: Path) -> None:
    """Write the page from the results of all cases that are known, whichever sweep has played them."""
    cases = known_cases(results)
    names = {name for each in cases.values() for name in each}
    found = results_of(results).values()
    rows = [row for row in found if row["name"] in names or f"{row['ledger']}/{row['scenario']}" not in cases]
    parts = [_INTRO, _summary(rows), _played(rows, cases), _table(rows), _effects(rows), _REPLAY]
    target.write_text("\n".join(parts))


def commit() -> str:
    """The commit that is swept, with `+` where the working tree differs."""
    told = subprocess.run(["git", "describe", "--always", "--dirty=+"], cwd=PROJECT, capture_output=True, text=True)
    return told.stdout.strip() or "unknown"


def _summary(rows: Rows) -> str:
    deviating = [row for row in rows if row["deviations"]]
    days = sorted(datetime.fromtimestamp(row["at"], UTC).strftime("%Y-%m-%d") for row in rows)
    seconds = [row["seconds"] for row in rows]
    names = ("dagster", "sqlalchemy", "tantivy", "faiss-cpu")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    facts = {
        "cases": len(rows),
        "faults that fired": sum(row["fired"] for row in rows),
        "**deviations**": f"**{len(deviating)}**",
        "effects": len({(row["ledger"], row["scenario"], row["effect"]) for row in rows}),
        "runs until healed": f"{max((row['heals'] for row in rows), default=0)} at most (the last finds nothing to do)",
        "seconds": f"{sum(seconds):.0f} in all, {max(seconds, default=0):.0f} at most for a case",
        "commit": ", ".join(sorted({row["commit"] for row in rows})),
        "when": days[0] if days[:1] == days[-1:] else f"{days[0]} to {days[-1]}",
        "machine": f"{platform.system()}, {platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "versions": f"Python {sys.version.split()[0]}, {versions}",
    }
    lines = [
        "## The last sweep",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in facts.items()),
        "",
    ]
    if deviating:
        lines += ["### Deviations", ""]
        lines += [f"- `{row['name']}`: {row['deviations'][0]}" for row in deviating]
        lines += [""]
    return "\n".join(lines)


def _played(rows: Rows, cases: Mapping[str, Sequence[str]]) -> str:
    """Scenario and ledger × mode: how many of the cases have been played."""
    there = Counter((key, name.rpartition("/")[2]) for key, names in cases.items() for name in names)
    done = Counter((f"{row['ledger']}/{row['scenario']}", row["mode"]) for row in rows)
    lines = [
        "## How much of it has been played",
        "",
        "A sweep goes on where the last one stopped. What is not played is not shown by this page: `0 of`, and what is",
        "missing elsewhere. A `?` stands where the cases have not been counted. Each result is of the commit that was",
        "played; where later commits have moved an effect's number, that of the newest count.",
        "",
        f"| scenario | ledger | {' | '.join(MODES)} |",
        f"|---|---|{'---|' * len(MODES)}",
    ]
    for scenario in SCENARIOS:
        for ledger in ("sqlite", "postgres"):
            key = f"{ledger}/{scenario}"
            cells = [f"{done[key, mode]} of {there[key, mode] if key in cases else '?'}" for mode in MODES]
            lines.append(f"| {scenario} | {ledger} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _table(rows: Rows) -> str:
    """Kind of effect × ledger × mode: how many cases, and how many of them deviate."""
    cases: Counter[tuple[str, str, str]] = Counter()
    wrong: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        key = (row["effect"].partition("#")[0], row["ledger"], row["mode"])
        cases[key] += 1
        wrong[key] += bool(row["deviations"])
    lines = [
        "## Cases",
        "",
        "So many cases, and after `✗` those that deviate. Before the colon stands the process: `run` is that of a",
        "command, `host` its stage host; others are workers.",
        "",
        f"| effect | ledger | {' | '.join(MODES)} |",
        f"|---|---|{'---|' * len(MODES)}",
    ]
    for effect, ledger in sorted({key[:2] for key in cases}):
        cells = [_cell(cases[effect, ledger, mode], wrong[effect, ledger, mode]) for mode in MODES]
        lines.append(f"| `{effect}` | {ledger} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _cell(cases: int, wrong: int) -> str:
    return f"{cases} ✗{wrong}" if wrong else str(cases or "")


def _effects(rows: Rows) -> str:
    lines = ["## Scenarios", "", "| scenario | commands | effects |", "|---|---|---|"]
    for name, scenario in SCENARIOS.items():
        found = {row["effect"] for row in rows if row["scenario"] == name}
        lines.append(f"| {name} | `{scenario.shown}` | {len(found)} |")
    lines += ["", "Effects that no scenario reaches:", ""]
    lines += [f"- `{name}`: {why}" for name, why in UNREACHED.items()]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
