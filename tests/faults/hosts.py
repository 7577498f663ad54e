"""Stage hosts that are forked, not started: `penstock.execution.host` without the second that its imports take.

A run of the harness has some spare hosts from its beginning, while it is a single thread. Each waits until the run
starts a host, and is then what Penstock would have started: a child of the run that leads a session of its own, with a
socket to it, its own memory and its own role at the seam; SIGKILL ends it, and it dies with its run.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.faults import seam

SPARES = 2
"""So many hosts of a run are forked; those that it needs beyond are started as ever."""

_STEP_SECONDS = 0.004


class Host:
    """As much of `subprocess.Popen` as Penstock asks for."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def kill(self) -> None:
        if self._code is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        until = time.monotonic() + (timeout if timeout is not None else float("inf"))
        while self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() >= until:
                raise subprocess.TimeoutExpired("stage host", timeout or 0.0)
            else:
                time.sleep(_STEP_SECONDS)
        return self._code


def install(plan: Path | None) -> None:
    """Let the hosts of this process be forked ones. To be called while it has one thread."""
    from penstock.execution import lines

    spares: list[tuple[int, socket.socket]] = []
    for _ in range(SPARES):
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if not pid:
            for _, other in spares:
                other.close()
            ours.close()
            os.setsid()
            _wait(theirs, plan)
        theirs.close()
        spares.append((pid, ours))
    start = lines.start_host

    def fork_host(line: socket.socket, journal: int) -> Any:
        if not spares:
            return start(line, journal)
        pid, control = spares.pop(0)
        with control:
            socket.send_fds(control, [b"+"], [line.fileno(), journal])
        return Host(pid)

    lines.start_host = fork_host


def _wait(control: socket.socket, plan: Path | None) -> None:
    """Be a spare host; never returns."""
    from penstock.execution import host

    code = 70
    try:
        with control:
            _, descriptors, *_ = socket.recv_fds(control, 1, 2)
        if not descriptors:  # the run has ended without need of it
            os._exit(0)
        os.dup2(2, 1)
        if plan is not None:
            seam.install(str(plan), "host")
        sys.argv = ["penstock.execution.host", *map(str, descriptors)]
        host.main()
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else 1
    finally:
        os._exit(code)
