"""Running `penstock` in a child that is forked from a process which has imported what it needs already.

The child is what a user runs: `penstock.cli.main` with its arguments, through Dagster; only the second that Python and
Dagster take to start is saved. The process that forks has one thread, so that nothing is lost in the fork.
"""

import contextlib
import gc
import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults import hosts, seam

from penstock import registry
from penstock.spec.profile import STORE_PORTS

PROJECT = Path(__file__).parents[2]
LIMIT_SECONDS = 240.0
"""No command of a scenario takes this long unless it is stuck."""

_STEP_SECONDS = 0.004
_WARM = (
    "ahocorasick_rs",
    "alembic.command",
    "dagster",
    "dagster._core.storage.legacy_storage",
    "dagster._core.storage.noop_compute_log_manager",
    "dagster._core.storage.schedules",
    "dagster._daemon.controller",
    "defusedxml.ElementTree",
    "faiss",
    "haystack.components.preprocessors.document_splitter",
    "markdown_it",
    "numpy",
    "rich.progress",
    "sqlalchemy.dialects.mysql",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
    "tantivy",
    "upath.implementations.local",
    "penstock.adapters.chunk.segments",
    "penstock.adapters.stores.faiss",
    "penstock.audit",
    "penstock.cli.app",
    "penstock.cli.progress",
    "penstock.compiler.launch",
    "penstock.compiler.storage",
    "penstock.execution.host",
    "penstock.execution.removal",
    "penstock.execution.result",
    "penstock.execution.submit",
    "penstock.execution.tenants",
    "penstock.plan.load",
    "penstock.resilience.breaker",
)


class StuckError(AssertionError):
    """A process that did not end in time."""


def warm() -> None:
    """Import once what every command imports."""
    os.environ |= {"DAGSTER_DISABLE_TELEMETRY": "yes", "HAYSTACK_TELEMETRY_ENABLED": "False"}
    for each in _WARM:
        importlib.import_module(each)
    for port in ("Source", *registry.stage_type_names(), *STORE_PORTS.values()):
        for name in registry.names(port):
            registry.adapter(port, name)
    _keep_revisions()
    gc.collect()
    gc.freeze()  # or the first collection of a child copies all pages that it shares with this process


def _keep_revisions() -> None:
    """Alembic reads all files of Dagster's revisions whenever it is asked which is the newest: once will do."""
    from alembic.script import ScriptDirectory
    from dagster._core.storage.event_log.sqlite import sqlite_event_log
    from dagster._core.storage.sql import get_alembic_config

    scripts = ScriptDirectory.from_config(get_alembic_config(sqlite_event_log.__file__))
    assert scripts.get_heads()
    read = ScriptDirectory.from_config
    ScriptDirectory.from_config = lambda config: (  # type: ignore[method-assign]  # for as long as the process lives
        scripts if config.get_main_option("script_location", "").startswith("dagster:") else read(config)
    )


@dataclass
class Process:
    """A forked child. `code` is its exit code as a shell's user sees it, or minus the signal that ended it."""

    pid: int
    folder: Path
    name: str
    role: str
    code: int | None = None
    stopped: bool = False

    @property
    def out(self) -> str:
        return (self.folder / f"{self.name}.out").read_text(errors="replace")

    @property
    def err(self) -> str:
        return (self.folder / f"{self.name}.err").read_text(errors="replace")

    def poll(self) -> bool:
        """Whether it has ended."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(status):
                self.stopped = True
            elif pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def wait(self, seconds: float = LIMIT_SECONDS, until: Callable[[], bool] = lambda: False) -> bool:
        """Wait until it has ended, or `until` holds, at most so long; returns whether it has ended."""
        deadline = time.monotonic() + seconds
        while not self.poll() and not until() and time.monotonic() < deadline:
            time.sleep(_STEP_SECONDS)
        return self.code is not None

    def end(self) -> int:
        """Its exit code; raises `StuckError` where it does not end, and kills it."""
        if not self.wait():
            self.kill()
            raise StuckError(f"`{self.name}` did not end within {LIMIT_SECONDS:g} s")
        assert self.code is not None
        return self.code

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL to it and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait(10)


def fork(
    folder: Path,
    name: str,
    work: Callable[[], object],
    environment: Mapping[str, str],
    role: str,
    *,
    plan: Path | None = None,
    with_hosts: bool = False,
) -> Process:
    """Do `work` in a child whose output goes to `folder/<name>.out` and `.err`; stage hosts are forked as well."""
    pid = os.fork()
    if pid:
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.setpgid(pid, pid)
        return Process(pid, folder, name, role)
    code = 70
    try:
        os.setpgid(0, 0)
        _redirect(folder / name)
        os.chdir(folder)
        os.environ |= environment
        if plan is not None:
            os.environ |= {seam.PLAN: str(plan), "PYTHONPATH": _python_path()}
            seam.install(str(plan), role)
        if with_hosts:
            hosts.install(plan)
        code = _code_of(work)
    except BaseException:  # noqa: BLE001 - the child must never return into the parent's code
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def penstock(arguments: Sequence[str]) -> Callable[[], None]:
    """The `penstock` command with these arguments, as work for `fork`."""

    def run() -> None:
        from penstock.cli import main

        sys.argv = ["penstock", *arguments]
        main()

    return run


def _code_of(work: Callable[[], object]) -> int:
    try:
        work()
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    return 0


def _redirect(stem: Path) -> None:
    for number, suffix in ((1, ".out"), (2, ".err")):
        descriptor = os.open(stem.with_name(stem.name + suffix), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(descriptor, number)
        os.close(descriptor)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - for as long as the process lives
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - likewise


def _python_path() -> str:
    places = [str(Path(__file__).parent / "site"), str(PROJECT / "src"), os.environ.get("PYTHONPATH", "")]
    return os.pathsep.join(place for place in places if place)
