"""A lane: `python -m penstock.compiler.lane`, started by a run to take batches of its jobs (`penstock.compiler.lanes`).

It is told its task and its jobs on stdin, and answers on stdout. It ends once it is told no more and every job has an
end, when it is asked to (SIGTERM), and with the run that started it.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from penstock.compiler.lanes import Broke, Ended, More, Passed, Said, Task, line_of
from penstock.execution.host import die_with
from penstock.execution.messages import fault_of
from penstock.execution.sweep import sweep
from penstock.execution.workspace import Workspace
from penstock.spec.profile import ProfileSpec

_BLOCK = 1 << 16


class Intake:
    """The jobs that a lane is told of, as they come."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._lock = threading.Lock()
        self._jobs: list[str] = []
        self._is_open = True
        threading.Thread(target=self._read, name="penstock-intake", daemon=True).start()

    def __call__(self) -> list[str] | None:
        """What has come since the last call; None where there is none and none will come."""
        with self._lock:
            jobs, self._jobs = self._jobs, []
            return jobs if jobs or self._is_open else None

    def _read(self) -> None:
        decode = msgspec.json.Decoder(More).decode
        for line in self._lines:
            with self._lock:
                self._jobs += decode(line).jobs
        with self._lock:
            self._is_open = False


def lines_of(descriptor: int) -> Iterator[bytes]:
    """The lines that come, read without a buffer that Python would lock: a thread may wait for more at the end."""
    rest = b""
    while block := os.read(descriptor, _BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines


def main() -> None:
    """Work until every job has an end state or waits at a gate, whoever does the work."""
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    die_with(parent)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand among the answers

    def tell(what: Said) -> None:
        answers.write(line_of(what))
        answers.flush()

    try:
        lines = lines_of(sys.stdin.fileno())
        tell(_work(msgspec.json.decode(next(lines), type=Task), Intake(lines), tell))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as exc:  # noqa: BLE001 - whatever it is, the run hears of it and goes on
        tell(Broke(fault_of(exc)))


def _work(task: Task, intake: Intake, tell: Callable[[Said], None]) -> Ended:
    sys.path[:] = task.opening.path
    profile = ProfileSpec.model_validate_json(task.opening.profile)
    with closing(Workspace(Path(task.opening.home), Path(task.opening.config), profile)) as workspace:
        topology = workspace.topology(task.topology)
        workspace.stages.prepare(stage for stage in topology.stages if stage.gate is None)
        from penstock.compiler.launch import Launcher  # takes a second, while the adapters are made

        def progress(stage: str, done: int, total: int) -> None:
            if done == total:
                tell(Passed(stage, total))

        try:
            report = Launcher(workspace, topology, progress, share=task.workers).run((), more=intake)
        finally:
            if workspace.hosts_died:
                sweep(workspace)
    return Ended(tuple(report.runs), tuple(report.stages.values()))


if __name__ == "__main__":
    main()
