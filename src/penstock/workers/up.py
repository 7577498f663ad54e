"""`penstock up`: Dagster's webserver and daemon, and the outbox relay, in the foreground; one signal ends them all."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from penstock.compiler.instance import prepare
from penstock.errors import MissingDependencyError
from penstock.execution.workspace import Workspace
from penstock.workers.signals import stop_signal

_GRACE_SECONDS = 20.0


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
    location = ["-m", "penstock.definitions"]
    commands = {
        "webserver": ["dagster_webserver", *location, "-h", "127.0.0.1", "-p", str(port)],
        "daemon": ["dagster._daemon", "run", *location],
        "relay": ["penstock", "worker", "relay"],
    }
    if workspace.profile.dispatch:
        commands["dispatcher"] = ["penstock", "worker", "dispatch"]
    parts = {
        name: subprocess.Popen(  # noqa: S603 - the command is made here, of nothing that comes from outside
            [sys.executable, "-m", *command], env=environment, start_new_session=True, cwd=folder
        )
        for name, command in commands.items()
    }
    sys.stderr.write(f"penstock: the Dagster UI is at http://127.0.0.1:{port} (Ctrl-C ends everything)\n")
    dead = ""
    while not stop.wait(0.5):
        dead = next((name for name, part in parts.items() if part.poll() is not None), "")
        if dead:
            sys.stderr.write(f"penstock: the {dead} ended by itself (exit code {parts[dead].returncode})\n")
            break
    _end(list(parts.values()))
    return 1 if dead else 0


def _end(parts: list[subprocess.Popen[bytes]]) -> None:
    for part in parts:
        if part.poll() is None:
            part.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    for part in parts:
        with contextlib.suppress(subprocess.TimeoutExpired):
            part.wait(max(0.1, deadline - time.monotonic()))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(part.pid, signal.SIGKILL)  # the code server and run processes that it started


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as exc:
            raise MissingDependencyError(
                f"port {port} is taken by another process", hint=f"penstock up --port {port + 1}"
            ) from exc
