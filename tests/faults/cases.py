"""One case: a fresh home, one fault, then what an operator would do, then the comparison."""

import json
import re
import shutil
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from tests.faults.oracle import Manifest, compare, write_manifest
from tests.faults.processes import PROJECT, Process, StuckError, fork, penstock
from tests.faults.scenarios import Documents, Scenario

LEASE_SECONDS = 5
"""The least that a profile may say."""

HEALS = 5
"""So many runs at most until nothing is left to do."""

_TIMEOUT_SECONDS = {"hang": 1.0, "stop": 1.0}
_READER_SECONDS = 4.0
"""What a reader of PDFs has where it may hang: more than a call of a stage, since it also starts in that time."""

_OPERATOR_SECONDS = 1.5
"""How long an operator looks at a run that hangs before he kills it."""

_TAKE_OVER_SECONDS = LEASE_SECONDS + 20.0
"""How long another run may take while one is stopped. It cannot end where that one holds a lock, as of a commit."""

_PROFILE = """\
name: sweep
extends: tiny
lease_seconds: {lease}
isolation: {isolation}
workers: {{pdf: {{uses: embedded, with: {{device: cpu}}, base_seconds: {reader}, page_seconds: 1}}}}
{ledger}"""


class Ledgers(Protocol):
    """Where the ledgers of cases lie: in their homes, or on a server."""

    name: str
    profile: str

    def environment(self, place: Path) -> dict[str, str]: ...
    def keep(self, place: Path, scenario: str) -> None:
        """Remember the ledger of this place as the one that a scenario begins with."""

    def reset(self, place: Path, scenario: str | None) -> None:
        """Begin with what was kept, or with nothing."""


@dataclass(frozen=True)
class Case:
    """An effect of a scenario, by the name that the seam gives it, and what becomes of it."""

    ledger: str
    scenario: str
    effect: str
    mode: str

    @property
    def name(self) -> str:
        return f"{self.ledger}/{self.scenario}/{self.effect}/{self.mode}"

    @property
    def role(self) -> str:
        """The process that the effect is of."""
        return self.effect.partition(":")[0]

    @property
    def kind(self) -> str:
        """The effect without its number."""
        return self.effect.partition("#")[0]


@dataclass
class Result:
    """What became of a case. It is as it should be where the fault fired and there are no deviations."""

    case: Case
    fired: bool = False
    code: int | None = None
    ended_by: str = ""
    heals: int = 0
    seconds: float = 0.0
    deviations: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {"name": self.case.name, **asdict(self.case), **{k: v for k, v in asdict(self).items() if k != "case"}}


class Stage:
    """A folder in which cases are played, one after another, always at the same path: inputs are known by it."""

    def __init__(self, folder: Path, ledgers: Ledgers, isolation: str = "process") -> None:
        self.folder = folder
        self.place = folder / "place"
        self.ledgers = ledgers
        self._isolation = isolation
        self._under_way: list[Process] = []

    def reference(self, scenario: Scenario) -> tuple[list[str], Manifest]:
        """The effects of a scenario in which nothing goes wrong, and its end."""
        self._set(scenario)
        plan = self._plan()
        for command in scenario.commands:
            self._do("reference", command, plan)
        numbers: dict[str, int] = {}
        effects = []
        for line in (self.place / "trace").read_text().splitlines():
            numbers[line] = numbers.get(line, 0) + 1
            effects.append(f"{line}#{numbers[line]}")
        self._heal(scenario)
        found = self._look()
        assert found["faults"] == [], found["faults"]
        return effects, found

    def play(self, scenario: Scenario, case: Case, reference: Manifest) -> Result:
        """The case, from a fresh home to the comparison."""
        began = time.monotonic()
        result = Result(case)
        self._set(scenario, _TIMEOUT_SECONDS.get(case.mode, 30.0))
        plan = self._plan(effect=case.effect, mode=case.mode)
        self._under_way = []
        try:
            for command in scenario.commands:
                self._suffer(scenario, case, self._start("fault", command, plan), result)
                if result.fired:
                    break
            result.heals = self._heal(scenario)
            result.deviations += compare(reference, self._look())
        except (StuckError, AssertionError) as exc:
            result.deviations.append(str(exc))
            for process in self._under_way:
                process.kill()
        result.seconds = round(time.monotonic() - began, 2)
        return result

    def keep(self, target: Path) -> None:
        """Keep what a case left, to be looked at."""
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.place, target)

    def _suffer(self, scenario: Scenario, case: Case, process: Process, result: Result) -> None:
        """Let a command run into the fault, if it is the one that does."""
        fired = self.place / "fired"
        is_command = case.role == process.role
        if case.mode == "hang":
            process.wait(until=fired.exists)
            if is_command and fired.exists() and not process.wait(_OPERATOR_SECONDS):
                process.kill()
                result.ended_by = "operator"
        elif case.mode == "stop" and is_command:
            process.wait(until=lambda: process.stopped)
            if process.stopped:
                result.ended_by = "other" if self._take_over(scenario, process, result) else "itself"
        process.end()
        result.fired = fired.exists()
        result.code = process.code
        result.deviations += _shown(process)

    def _take_over(self, scenario: Scenario, stopped: Process, result: Result) -> bool:
        """Play the commands while one process is stopped for longer than its lease; returns whether they could end."""
        began = time.monotonic()
        others: list[Process] = []
        is_over = True
        while is_over and (not others or len(scenario.commands) > 1) and time.monotonic() - began < LEASE_SECONDS + 1:
            for command in scenario.commands:
                others.append(self._start("other", command))
                is_over = others[-1].wait(_TAKE_OVER_SECONDS)
                result.deviations += _shown(others[-1])
                if not is_over:
                    break
        stopped.go_on()
        others[-1].end()
        return is_over and others[-1].code == 0

    def _heal(self, scenario: Scenario) -> int:
        """Give the commands again until nothing is left to do; returns how often."""
        last: Process
        for number in range(1, HEALS + 1):
            codes = []
            for command in scenario.commands:
                last = self._start(f"heal{number}", command)
                codes.append(last.end())
            if not any(codes) and _is_idle(json.loads(last.out)):
                return number
        raise AssertionError(f"still not healed after {HEALS} runs: {_last_line(last.err)} {last.out[:300]}")

    def _do(self, name: str, command: tuple[str, ...], plan: Path | None = None) -> None:
        process = self._start(name, command, plan)
        assert process.end() == 0, process.err

    def _set(self, scenario: Scenario, timeout_seconds: float = 30.0) -> None:
        if scenario.before:
            base = self.folder / f"base-{scenario.name}"
            if not base.exists():
                self._clear(timeout_seconds)
                self._write(scenario.begins)
                self.ledgers.reset(self.place, None)
                for command in scenario.before[:-1]:
                    self._do("before", command)
                if scenario.broken_at:
                    plan = self._plan(effect=scenario.broken_at, mode="kill-before")
                    assert self._start("before", scenario.before[-1], plan).end() == -9
                else:
                    self._do("before", scenario.before[-1])
                shutil.copytree(self.place / "home", base)
                self.ledgers.keep(self.place, scenario.name)
            self._clear(timeout_seconds)
            shutil.copytree(base, self.place / "home")
        else:
            self._clear(timeout_seconds)
        self.ledgers.reset(self.place, scenario.name if scenario.before else None)
        self._write(scenario.documents)

    def _clear(self, timeout_seconds: float) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir(parents=True)
        config = self.place / "config"
        shutil.copytree(PROJECT / "config", config)
        values = {
            "lease": LEASE_SECONDS,
            "isolation": self._isolation,
            "ledger": self.ledgers.profile,
            "reader": max(_READER_SECONDS, timeout_seconds),
        }
        (config / "profiles" / "sweep.yaml").write_text(_PROFILE.format(**values))
        policies = config / "resilience.yaml"
        text = re.sub(r"(?<!reset_)timeout_seconds: \d+", f"timeout_seconds: {timeout_seconds:g}", policies.read_text())
        policies.write_text(text)

    def _write(self, documents: Documents) -> None:
        folder = self.place / "documents"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, content in documents.items():
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    def _plan(self, **wanted: str) -> Path:
        plan = self.place / "plan.json"
        plan.write_text(json.dumps({"trace": str(self.place / "trace"), **wanted}))
        return plan

    def _start(self, name: str, arguments: tuple[str, ...], plan: Path | None = None) -> Process:
        with_hosts = self._isolation == "process"
        role = arguments[1] if arguments[0] == "worker" else "run"
        work = penstock(arguments)
        process = fork(self.place, name, work, self._environment(), role, plan=plan, with_hosts=with_hosts)
        self._under_way.append(process)
        return process

    def _look(self) -> Manifest:
        target = self.place / "manifest.json"
        look = partial(write_manifest, self.place, "sweep", target)
        process = fork(self.place, "look", look, self._environment(), "look")
        assert process.end() == 0, f"the end state cannot be read: {_last_line(process.err)}"
        found: Manifest = json.loads(target.read_text())
        return found

    def _environment(self) -> dict[str, str]:
        places = {"PENSTOCK_HOME": str(self.place / "home"), "PENSTOCK_CONFIG": str(self.place / "config")}
        return places | {"PENSTOCK_PROFILE": "sweep"} | self.ledgers.environment(self.place)


def _is_idle(report: dict[str, Any]) -> bool:
    """Whether a command has found nothing to do."""
    if "deleted" in report:
        return not report["deleted"]
    counts = report["documents"]
    return not (report["runs"] or any(counts[each] for each in ("done", "failed", "waiting", "deleted")))


def _shown(process: Process) -> list[str]:
    """What no user may see, whatever went wrong."""
    wrong = [f"`{process.name}` showed a traceback: {_last_line(process.err)}"] if "Traceback" in process.err else []
    if process.code is not None and process.code not in (-9, 0, 1, 3):
        wrong.append(f"`{process.name}` ended with {process.code}")
    return wrong


def _last_line(text: str) -> str:
    return next(iter(text.strip().splitlines()[-1:]), "")[:300]
