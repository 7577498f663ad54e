"""The fault sweep: every effect of every scenario, with everything that can go wrong at it.

python -m tests.faults.sweep                       all of it; what is done already is skipped
python -m tests.faults.sweep --case NAME --keep    one case, and what it left
"""

import argparse
import fcntl
import fnmatch
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults import report
from tests.faults.cases import Case, Ledgers, Result, Stage
from tests.faults.ledgers import InTheHome, OnAServer
from tests.faults.oracle import Manifest
from tests.faults.processes import PROJECT, warm
from tests.faults.scenarios import SCENARIOS
from tests.faults.seam import MODES
from tests.services.postgres import postgres_server

RESULTS = PROJECT / ".sweep" / "results.jsonl"
TRIES = 5
"""A fault that did not fire is tried so often: whether a pack needs a new folder is up to the chance in its name."""

_BY_THE_CLOCK = ("ledger.beside",)
"""Effects whose number depends on time (heartbeats): only the first of a process counts."""

Reference = dict[str, Manifest]


def main(arguments: Sequence[str] | None = None) -> int:
    """Play what is wanted; returns 1 where a case deviates or a fault did not fire."""
    options = _options(arguments)
    warm()
    options.results.parent.mkdir(parents=True, exist_ok=True)
    done = {} if options.again else report.results_of(options.results)
    with (
        tempfile.TemporaryDirectory(prefix="penstock-sweep-", dir=options.folder) as folder,
        _ledgers(options) as kinds,
    ):
        todo: list[Case] = []
        reached: list[str] = []
        references: dict[tuple[str, str], Manifest] = {}
        for ledgers in kinds:
            for name in _matching(SCENARIOS, options.scenario):
                stage = Stage(Path(folder, f"reference-{ledgers.name}"), ledgers, options.isolation)
                effects, found = stage.reference(SCENARIOS[name])
                references[ledgers.name, name] = found
                reached += effects
                cases = [Case(ledgers.name, name, effect, mode) for effect in _counted(effects) for mode in MODES]
                report.note_cases(options.results, {f"{ledgers.name}/{name}": [case.name for case in cases]})
                todo += [case for case in cases if _is_wanted(case, options)]
        todo = chosen(todo, options.choose, options.seed)[: options.most]
        wanted = [case for case in todo if case.name not in done]
        _say(f"{len(todo)} cases, {len(todo) - len(wanted)} of them done before")
        if options.list:
            print("\n".join(case.name for case in wanted))
            return 0
        _play(wanted, {each.name: each for each in kinds}, references, Path(folder), options)
    rows = [row for name, row in report.results_of(options.results).items() if name in {case.name for case in todo}]
    if options.report:
        report.write(options.report, options.results)
    return _conclude(rows, len(todo), report.unreached(reached) if options.scenario == "*" else [])


def chosen(cases: Sequence[Case], what: str, seed: int) -> list[Case]:
    """All cases; or by chance one for each name of an effect (the modes take turns), or for each name and `mode`."""
    if what == "all":
        return list(cases)
    chance = random.Random(seed)
    groups: dict[tuple[str, ...], list[Case]] = {}
    for case in cases:
        key = (case.ledger, case.kind, case.mode) if what == "mode" else (case.ledger, case.kind.partition(":")[2])
        groups.setdefault(key, []).append(case)
    if what == "mode":
        return [chance.choice(members) for _, members in sorted(groups.items())]
    modes = [mode for mode in MODES if mode != "stop"]  # which takes longest: one of them will do
    sizes = Counter(case.scenario for case in cases)
    found = []
    for number, (_, members) in enumerate(sorted(groups.items())):
        mode = modes[number % len(modes)] if number else "stop"
        fitting = [case for case in members if case.mode == mode] or members
        quickest = min(fitting, key=lambda case: sizes[case.scenario]).scenario
        found.append(chance.choice([case for case in fitting if case.scenario == quickest]))
    return found


def _counted(effects: Sequence[str]) -> list[str]:
    return [each for each in effects if _name(each) not in _BY_THE_CLOCK or each.endswith("#1")]


def _name(effect: str) -> str:
    return effect.partition(":")[2].partition("#")[0]


def _is_wanted(case: Case, options: argparse.Namespace) -> bool:
    return fnmatch.fnmatch(case.name, options.case) and case.mode in options.mode.split(",")


def _play(
    cases: Sequence[Case],
    kinds: dict[str, Ledgers],
    references: dict[tuple[str, str], Manifest],
    folder: Path,
    options: argparse.Namespace,
) -> None:
    """Cases that mostly sleep (a lease has to run out) go last, more of them at once."""
    sleepy = [case for case in cases if case.mode in ("stop", "hang")]
    brisk = [case for case in cases if case not in sleepy]
    for part, jobs in ((brisk, options.jobs), (sleepy, options.sleepers)):
        counter = folder / "counter"
        counter.write_text("0")
        began = time.monotonic()
        workers = []
        for number in range(min(jobs, len(part))):
            pid = os.fork()
            if not pid:
                _work(part, kinds, references, folder / f"worker{number}", counter, options)
                os._exit(0)
            workers.append(pid)
        try:
            _watch(workers, counter, len(part), began)
        except KeyboardInterrupt:
            for pid in workers:
                os.kill(pid, signal.SIGKILL)
            raise


def _work(
    cases: Sequence[Case],
    kinds: dict[str, Ledgers],
    references: dict[tuple[str, str], Manifest],
    folder: Path,
    counter: Path,
    options: argparse.Namespace,
) -> None:
    stages = {name: Stage(folder / name, ledgers, options.isolation) for name, ledgers in kinds.items()}
    while (number := _next(counter)) < len(cases):
        case = cases[number]
        stage, scenario = stages[case.ledger], SCENARIOS[case.scenario]
        for _ in range(TRIES):
            result = stage.play(scenario, case, references[case.ledger, case.scenario])
            if result.fired:
                break
        if not result.fired:
            result.deviations.append(f"the fault did not fire in {TRIES} tries")
        _append(options.results, result)
        if result.deviations:
            stage.keep(options.results.parent / "kept" / case.name.replace("/", "_"))
            _say(_told(result.to_json()))


def _next(counter: Path) -> int:
    with counter.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        number = int(file.read())
        file.seek(0)
        file.write(str(number + 1))
    return number


def _watch(workers: list[int], counter: Path, total: int, began: float) -> None:
    told = 0.0
    while workers:
        for pid in list(workers):
            if os.waitpid(pid, os.WNOHANG)[0]:
                workers.remove(pid)
        time.sleep(0.05)
        seconds = time.monotonic() - began
        if seconds - told >= 10:
            told = seconds
            done = max(0, min(total, int(counter.read_text() or 0)) - len(workers))
            left = seconds / done * (total - done) if done else 0.0
            _say(f"{done} of {total} cases, {seconds:.0f} s; about {left / 60:.1f} min left")


def _append(path: Path, result: Result) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    row = result.to_json() | {"at": round(time.time()), "commit": report.commit()}
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(row) + "\n")


def _conclude(rows: report.Rows, wanted: int, unreached: Sequence[str]) -> int:
    wrong = [row for row in rows if row["deviations"]]
    _say(f"{len(rows)} cases, {sum(row['fired'] for row in rows)} faults fired, {len(wrong)} deviate")
    complaints = [*map(_told, wrong), *unreached]
    if missing := wanted - len(rows):
        complaints.append(f"{missing} cases have no result")
    for each in complaints:
        _say(each)
    return 1 if complaints else 0


def _told(row: Mapping[str, Any]) -> str:
    lines = [f"  {each}" for each in row["deviations"][:8]]
    more = [f"  … {len(row['deviations']) - 8} more"] if len(row["deviations"]) > 8 else []
    replay = f"  make sweep SWEEP_ARGS=\"--again --case '{row['name']}'\""
    return "\n".join([f"✗ {row['name']} (exit {row['code']}, {row['heals']} heals)", *lines, *more, replay])


def _matching(names: Sequence[str] | dict[str, Any], patterns: str) -> list[str]:
    return [name for name in names if any(fnmatch.fnmatch(name, each) for each in patterns.split(","))]


@contextmanager
def _ledgers(options: argparse.Namespace) -> Iterator[list[Ledgers]]:
    wanted = options.ledger.split(",")
    local: list[Ledgers] = [InTheHome()] if "sqlite" in wanted else []
    if "postgres" not in wanted:
        yield local
        return
    with postgres_server() as server:
        yield [*local, OnAServer(server)]


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("make sweep", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--case", default="*", help="by name: ledger/scenario/role:effect#number/mode")
    parser.add_argument("--scenario", default="*", help=", ".join(SCENARIOS))
    parser.add_argument("--ledger", default="sqlite,postgres")
    parser.add_argument("--mode", default=",".join(MODES))
    parser.add_argument("--again", action="store_true", help="play cases again that are done")
    parser.add_argument("--choose", default="all", choices=("all", "mode", "name"), help="one for each of these")
    parser.add_argument("--most", type=int, default=None, help="so many cases at most")
    parser.add_argument("--isolation", default="process", choices=("process", "inline"), help="where adapters run")
    parser.add_argument("--seed", type=int, default=0, help="of that choice")
    parser.add_argument("--list", action="store_true", help="name the cases, play none")
    parser.add_argument("--jobs", type=int, default=2, help="cases at once")
    parser.add_argument("--sleepers", type=int, default=6, help="cases at once that mostly wait for a lease")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--report", type=Path, default=None, help="write the page of the documentation here")
    parser.add_argument("--folder", type=Path, default=None, help="where the homes are made; a temporary folder")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
