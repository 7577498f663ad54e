"""Progress of a run on stderr: a bar for each stage where there is a terminal, lines where there is none."""

import sys
import threading
import time
from collections import Counter
from typing import Any

from penstock.cli import console
from penstock.plan.topology import Topology, stage_names


class Display:
    """Shows how far a run is; use as a context manager."""

    def __init__(self, topology: Topology) -> None:
        self._stages = stage_names(topology)
        self._first = True
        self._done = 0
        self._earlier: Counter[str] = Counter()
        self._ended = time.perf_counter()
        self._lock = threading.Lock()
        self._tasks: dict[str, Any] = {}
        self._bar: Any = _bar() if sys.stderr.isatty() else None

    def __enter__(self) -> "Display":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, text: str) -> None:
        """A line."""
        if self._bar is not None:
            self._bar.console.print(text, highlight=False)
        else:
            console.note(text)

    def found(self, total: int, unchanged: int, jobs: int) -> None:
        """What the search for documents came to."""
        self._ended = time.perf_counter()
        through = f" through {' → '.join(self._stages)}" if jobs else ""
        self.say(f"{total:,} documents: {unchanged:,} unchanged, {jobs:,} to do{through}")
        if self._bar is not None and jobs:
            self._tasks = {stage: self._bar.add_task(stage, total=jobs, start=False) for stage in self._stages}

    def stage(self, stage: str, done: int, total: int) -> None:
        """A stage has done so many of the batch's documents."""
        if stage in self._tasks:
            self._bar.start_task(self._tasks[stage])
            self._bar.update(self._tasks[stage], completed=self._earlier[stage] + done)
        if done < total:
            return
        self.passed(stage, total)
        now = time.perf_counter()
        if self._bar is None and self._first:
            console.note(f"  {stage:<14} {total:>6} documents  {now - self._ended:8.2f} s")
        self._ended = now

    def passed(self, stage: str, documents: int) -> None:
        """A stage is through with a batch of so many documents, here or in another process of the run."""
        with self._lock:
            self._earlier[stage] += documents
            if stage in self._tasks:
                self._bar.start_task(self._tasks[stage])
                self._bar.update(self._tasks[stage], completed=self._earlier[stage])

    def batch(self, done: int, total: int) -> None:
        """So many documents have come to their end."""
        self._first = False  # of many batches, only the first one's stages are told
        news, self._done = done != self._done, done
        if self._bar is None and news and done < total:
            console.note(f"  {done:,} of {total:,} documents")


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))
