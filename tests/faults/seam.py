"""What the harness installs at the seam (`penstock.effects`): it counts effects, and lets one of them go wrong.

A plan is a JSON file. Every process of a run reads the same one, and they count in one file, so that an effect is known
by the role of its process, its name and its number: `run:pack.rename#3`. A process that is started (the stage host)
finds the plan by `PENSTOCK_FAULT_PLAN`; see `site/sitecustomize.py`.
"""

import errno
import fcntl
import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

PLAN = "PENSTOCK_FAULT_PLAN"
MODES = ("error-before", "error-after", "hang", "kill-before", "kill-after", "stop")


class Seam:
    """The hook. `role` is what this process is; a process forked from it counts as `fork`."""

    def __init__(self, plan: Path, role: str) -> None:
        wanted = json.loads(plan.read_text())
        self.trace = Path(wanted["trace"])
        self.fired = plan.with_name("fired")
        self.effect: str = wanted.get("effect", "")
        self.mode: str = wanted.get("mode", "")
        self._role = role
        self._pid = os.getpid()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        is_chosen = self._count(name) == self.effect
        if is_chosen:
            self._fire()
            self._before(name)
        yield
        if is_chosen:
            self._after(name)

    def _count(self, name: str) -> str:
        """Note the effect; returns what it is called."""
        role = self._role if os.getpid() == self._pid else "fork"
        line = f"{role}:{name}\n"
        with self.trace.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            number = sum(each == line for each in file) + 1
            file.write(line)
            file.flush()
        return f"{role}:{name}#{number}"

    def _fire(self) -> None:
        with self.fired.open("x") as file:
            file.write(str(os.getpid()))

    def _before(self, name: str) -> None:
        match self.mode:
            case "error-before":
                raise failure(name)
            case "hang":
                while True:
                    time.sleep(3600)
            case "kill-before":
                os.kill(os.getpid(), signal.SIGKILL)
            case "stop":
                os.kill(os.getpid(), signal.SIGSTOP)

    def _after(self, name: str) -> None:
        match self.mode:
            case "error-after":
                raise failure(name)
            case "kill-after":
                os.kill(os.getpid(), signal.SIGKILL)


def failure(name: str) -> Exception:
    """What the library behind an effect raises when its disk or its server fails."""
    what = name.partition(".")[0]
    if what in ("ledger", "relay", "history"):
        from sqlalchemy.exc import OperationalError

        return OperationalError("COMMIT", {}, sqlite3.OperationalError("disk I/O error"))
    if name in ("graph.create", "graph.commit"):
        error: Any = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_IOERR, "SQLITE_IOERR"
        return error  # type: ignore[no-any-return]  # `Any`, to take the codes that SQLite gives
    if name in ("lexical.open", "lexical.commit", "lexical.merge"):
        return ValueError("An IO error occurred: 'Input/output error (os error 5)'")
    return OSError(errno.EIO, os.strerror(errno.EIO))


def role_of(arguments: list[str]) -> str:
    """What a Python process is, by how it was started: the last part of the module after `-m`, or `other`."""
    for before, module in pairwise(arguments):
        if before == "-m":
            return module.rpartition(".")[2]
    return "other"


def install(plan: str, role: str) -> None:
    """Let all effects of this process pass the hook."""
    from penstock import effects

    effects.install(Seam(Path(plan), role))
