"""`penstock up`: Dagster's code server, webserver and daemon, and the profile's workers, in the foreground.

One signal ends them all. The config folder is watched meanwhile: an edit comes in force, and the code server loads it.
"""

import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from penstock.compiler.code_server import CodeServer
from penstock.compiler.instance import prepare
from penstock.effects import effect
from penstock.errors import MissingDependencyError
from penstock.execution.workspace import Workspace
from penstock.workers.signals import stop_signal
from penstock.workers.watch import ConfigWatch

_log = logging.getLogger("penstock.up")
_GRACE_SECONDS = 20.0
_LOOK_SECONDS = 0.5


def run_everything(workspace: Workspace, home: Path, config: Path, profile: str, port: int) -> int:
    """Run until a signal or until a part dies; returns the exit code (0 after a signal, 1 when a part died).

    Raises `MissingDependencyError` when the port is taken.
    """
    _check_port(port)
    folder = prepare(home)
    workspace.ledger.recover()
    environment = os.environ | {
        "DAGSTER_HOME": str(folder),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "PENSTOCK_HOME": str(home.absolute()),
        "PENSTOCK_CONFIG": str(config.absolute()),
        "PENSTOCK_PROFILE": profile,
    }
    stop = stop_signal()
    watch = ConfigWatch(workspace, config, profile)
    with _private_folder() as private, _Parts(environment, folder) as parts:
        server = CodeServer(private)
        parts.start("code server", *server.command)
        parts.start("relay", "penstock", "worker", "relay")
        if workspace.profile.workers.pdf is not None:
            parts.start("PDF worker", "penstock", "worker", "pdf")
        if workspace.profile.dispatch:
            parts.start("dispatcher", "penstock", "worker", "dispatch")
        location = ("-w", str(server.workspace))
        reloading = threading.Thread()
        is_due = False
        while not stop.wait(_LOOK_SECONDS) and not parts.dead():
            if "daemon" not in parts.processes:
                if server.is_ready():
                    parts.start("webserver", "dagster_webserver", *location, "-h", "127.0.0.1", "-p", str(port))
                    parts.start("daemon", "dagster._daemon", "run", *location)
                    address = f"http://127.0.0.1:{port}"
                    sys.stderr.write(f"penstock: the Dagster UI is at {address} (Ctrl-C ends everything)\n")
                continue
            is_due = watch.look() or is_due
            if is_due and not reloading.is_alive():
                is_due = False
                reloading = threading.Thread(target=_reload, args=(server,), daemon=True)
                reloading.start()
        return 1 if parts.dead() else 0


def _reload(server: CodeServer) -> None:
    try:
        server.reload()
    except Exception as exc:  # noqa: BLE001  # whatever the RPC raises: the jobs go on without the UI's being up to date
        _log.warning("Dagster did not take the new configuration: %s", type(exc).__name__)


class _Parts:
    """The processes of `up`, each the head of a group of its own; all end with the context."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environment, self._folder = environment, folder

    def start(self, name: str, *command: str) -> None:
        """Start `python -m …` under a name."""
        self.processes[name] = subprocess.Popen(  # noqa: S603 - made here, of nothing that comes from outside
            [sys.executable, "-m", *command], env=self._environment, start_new_session=True, cwd=self._folder
        )

    def dead(self) -> str:
        """The name of a part that has ended by itself, or nothing."""
        return next((name for name, part in self.processes.items() if part.poll() is not None), "")

    def __enter__(self) -> "_Parts":
        return self

    def __exit__(self, *error: object) -> None:
        if dead := self.dead():
            code = self.processes[dead].returncode
            sys.stderr.write(f"penstock: the {dead} ended by itself (exit code {code})\n")
        for part in self.processes.values():
            _signal(part, signal.SIGTERM)  # to the runs, too: they give back what they hold
        deadline = time.monotonic() + _GRACE_SECONDS
        for part in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                part.wait(max(0.1, deadline - time.monotonic()))
            _signal(part, signal.SIGKILL)


def _signal(part: "subprocess.Popen[bytes]", what: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(part.pid, what)


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder that only this user may enter, with a path short enough for sockets; it goes in the end."""
    with effect("up.mkdir"):
        folder = Path(tempfile.mkdtemp(prefix="penstock-"))
    try:
        yield folder
    finally:
        with effect("up.rmtree"):
            shutil.rmtree(folder, ignore_errors=True)


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as exc:
            raise MissingDependencyError(
                f"port {port} is taken by another process", hint=f"penstock up --port {port + 1}"
            ) from exc
