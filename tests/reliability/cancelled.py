"""`penstock run`, sent a signal at one of its effects; then run again. In forked children, which start quickly.

python -m tests.reliability.cancelled FOLDER SIGNAL STEP: prints, for each STEP-th effect, how the run ended and in what
states it left the documents. The folder holds `config` and `docs`.
"""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.faults.oracle import compare, write_manifest
from tests.faults.processes import Process, fork, penstock, warm

from penstock import effects

RUN = ["run", "auto", "--input", "docs", "--json"]


class SignalAt:
    """Sends this process a signal at the effect of this number, and counts them in a file."""

    def __init__(self, number: int, what: signal.Signals, counted: Path) -> None:
        self._left, self._what, self._counted = number, what, counted

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self._left -= 1
        self._counted.write_text(str(-self._left))
        if self._left == 0:
            os.kill(os.getpid(), self._what)
        yield


def start(place: Path, name: str, hook: SignalAt | None = None) -> Process:
    def work() -> None:
        effects.install(hook)
        penstock(RUN)()

    places = {"PENSTOCK_HOME": str(place / "home"), "PENSTOCK_CONFIG": str(place / "config")}
    return fork(place, name, work, places | {"PENSTOCK_PROFILE": "tiny"}, "run")


def look(place: Path, name: str, work: Any) -> Any:
    """What is found in a child, which opens the home and closes it."""
    target = place / name
    child = fork(place, "look", lambda: work(target), {}, "run")
    assert child.end() == 0, child.err
    return json.loads(target.read_text())


def states(place: Path, target: Path) -> None:
    """The states of the jobs, and what is still held after a recovery."""
    from penstock.ledger.ledger import Ledger

    ledger = Ledger.open(place / "home")
    ledger.recover()
    with ledger.read() as cx:
        found = {status: count for _, status, count in ledger.jobs.counts(cx)}
    ledger.close()
    target.write_text(json.dumps(found))


def is_alone(place: Path) -> bool:
    """Whether nothing of a run that has ended is left soon after: all of it works in `place`, its stage host too."""
    deadline = time.monotonic() + 10
    while left := _living(place):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01 * len(left))
    return True


def _living(place: Path) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "cwd").resolve() == place.resolve():
                found.append(int(folder.name))
    return found


def main() -> None:
    folder, what, step = Path(sys.argv[1]), signal.Signals[sys.argv[2]], int(sys.argv[3])
    warm()
    place = folder / "place"
    shutil.copytree(folder / "config", place / "config")
    shutil.copytree(folder / "docs", place / "docs")
    counted = folder / "counted"
    assert start(place, "calm", SignalAt(0, what, counted)).end() == 0
    total = int(counted.read_text())
    reference = look(place, "manifest", lambda target: write_manifest(place, "tiny", target))
    found = []
    for number in range(step, total, step):
        shutil.rmtree(place / "home")
        run = start(place, "run", SignalAt(number, what, counted))
        code = run.end()
        alone = is_alone(place)
        left = look(place, "states", lambda target: states(place, target))
        again = start(place, "again").end()
        deviations = compare(reference, look(place, "manifest", lambda target: write_manifest(place, "tiny", target)))
        shown = "Traceback" in run.err
        found.append(
            {"at": number, "code": code, "alone": alone, "left": left, "again": again, "deviations": deviations}
            | {"traceback": shown}
        )
    print(json.dumps({"total": total, "found": found}))


if __name__ == "__main__":
    main()
