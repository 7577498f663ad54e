"""Progress of a run on stderr: bars where there is a terminal, a line for each stage of a batch where there is none."""

import sys
import time
from typing import Any

from penstock.cli import console
from penstock.plan.topology import Topology, stage_names


class Display:
    """Shows how far a run is; use as a context manager."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._bar: Any = None
        self._task: Any = None
        self._stage = ""
        self._began = 0.0
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> "Display":
        if self._terminal:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (
                TextColumn("{task.description:<14}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
            )
            self._bar = Progress(*columns, console=Console(stderr=True), transient=False)
            self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end_stage()
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
        stages = " → ".join(stage_names(self._topology))
        self.say(f"{total} documents: {unchanged} unchanged, {jobs} to do" + (f" through {stages}" if jobs else ""))

    def stage(self, stage: str, done: int, total: int) -> None:
        """A stage has done so many of the batch's documents."""
        if stage != self._stage:
            self._end_stage()
            self._stage, self._began = stage, time.perf_counter()
            if self._bar is not None:
                self._task = self._bar.add_task(stage, total=total)
        if self._bar is not None:
            self._bar.update(self._task, completed=done)
        elif done == total:
            console.note(f"  {stage:<14} {done:>6} documents  {time.perf_counter() - self._began:8.2f} s")

    def batch(self, done: int, total: int) -> None:
        """So many documents have come to their end."""
        self._end_stage()
        if self._bar is None and done < total:
            console.note(f"{done} of {total} documents")

    def _end_stage(self) -> None:
        self._stage = ""
