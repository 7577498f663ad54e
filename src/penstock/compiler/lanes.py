"""More processes for one run: each takes batches of the same jobs through Dagster, and the ledger shares them out.

A lane does what a second `penstock run` over the same input would do, and begins while documents are still looked for.
What it holds when it dies is queued again at once, and the run goes on without it.
"""

import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

import msgspec

from penstock.execution.messages import Fault, Message, Open
from penstock.execution.report import StageOutcome
from penstock.execution.workspace import Workspace
from penstock.plan.topology import Topology

OnPassed = Callable[[str, int], None]
"""Called with a stage and how many documents of a batch it has been through with."""

_log = logging.getLogger("penstock.run")
_END_SECONDS = 30.0


class Task(Message, frozen=True):
    """The first that a lane is told: where things are, and among how many processes it takes its share."""

    opening: Open
    topology: str
    workers: int


class More(Message, frozen=True):
    """Jobs to work on. Where nothing more is said, there are no more."""

    jobs: tuple[str, ...]


class Passed(Message, frozen=True):
    """A stage has taken a batch of so many documents."""

    stage: str
    documents: int


class Ended(Message, frozen=True):
    """What the lane did itself: Dagster's run ids, and the outcomes by stage."""

    runs: tuple[str, ...]
    stages: tuple[StageOutcome, ...]


class Broke(Message, frozen=True):
    """The lane cannot go on."""

    fault: Fault


Said = Passed | Ended | Broke
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Said).decode


def line_of(message: Message) -> bytes:
    """A message as lanes and runs say it to each other: a line of JSON."""
    return _encode(message) + b"\n"


class Lane:
    """A process that helps with a run, and the threads that talk to it."""

    def __init__(self, on_passed: OnPassed) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "penstock.compiler.lane"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C goes to the whole terminal; the run ends its lanes itself
        )
        self._on_passed = on_passed
        self._to_say: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._speak, self._listen)]
        for thread in self._threads:
            thread.start()
        self.ended: Ended | None = None
        self.reason = ""

    def say(self, message: Message) -> None:
        self._to_say.put(line_of(message))

    def finish(self, seconds: float) -> None:
        """Let it end what it is doing; it is killed where that takes longer."""
        self._to_say.put(b"")
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            code = self._process.wait()
        for thread in self._threads:
            thread.join()
        if code and not self.reason:
            self.reason = f"signal {-code}" if code < 0 else f"exit code {code}"

    def terminate(self) -> None:
        """Ask it to break off, and to give back what it holds."""
        self._process.terminate()

    def _speak(self) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as lines:  # where it has ended, its exit code says how
            while line := self._to_say.get():
                lines.write(line)
                lines.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                match _decode(line):
                    case Passed(stage, documents):
                        self._on_passed(stage, documents)
                    case Ended() as ended:
                        self.ended = ended
                    case Broke(fault):
                        self.reason = fault.message


class Lanes:
    """The lanes of a run; use as a context manager. They start with the first job that there is.

    Args:
        count: how many, beside the process that starts them.
    """

    def __init__(self, workspace: Workspace, topology: Topology, count: int) -> None:
        self.count = count
        self._task = Task(workspace.opening(), topology.digest, count + 1)
        self._lanes: list[Lane] = []
        self._lock = threading.Lock()
        self._on_passed: OnPassed | None = None
        self._passed: list[tuple[str, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for lane in self._lanes:
            lane.terminate()
        self.finish()

    def feed(self, jobs: Sequence[str]) -> None:
        """Let the lanes know of jobs that are queued."""
        if jobs and not self._lanes:
            self._lanes = [Lane(self._pass_on) for _ in range(self.count)]
            for lane in self._lanes:
                lane.say(self._task)
        for lane in self._lanes:
            lane.say(More(tuple(jobs)))

    def watch(self, on_passed: OnPassed) -> None:
        """Tell of each batch that a stage of theirs is through with, from threads, beginning with those so far."""
        with self._lock:
            self._on_passed = on_passed
            for each in self._passed:
                on_passed(*each)

    def finish(self) -> list[Ended]:
        """Let them end, once no job is left; returns what they did. Of one that broke off, a warning tells."""
        for lane in self._lanes:
            lane.finish(_END_SECONDS)
            if lane.reason:
                _log.warning("a worker of the run ended early (%s); the run went on without it", lane.reason)
        ended = [lane.ended for lane in self._lanes if lane.ended is not None]
        self._lanes = []
        return ended

    def _pass_on(self, stage: str, documents: int) -> None:
        with self._lock:
            if self._on_passed is None:
                self._passed.append((stage, documents))
            else:
                self._on_passed(stage, documents)
