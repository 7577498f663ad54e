"""One real run, or several, for each shipped policy: `penstock run` in processes of their own, against a server.

What comes out is what was recorded: by the server, of its requests; by the ledger, of everything else.
"""

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from tests.command import Penstock

from benchmarks.resilience.called import install
from benchmarks.resilience.scripted import Play, Script, ScriptedServer, Visit
from penstock.ledger.ledger import Ledger

PROJECT = Path(__file__).parents[2]
CONFIG = PROJECT / "config"
RESET_SECONDS = 60.0
"""What `gpu-bound` says."""

_LOOK_SECONDS = 0.05


@dataclass
class Recorded:
    """What was seen: the server's visits, the ledger's events, and how the breaker stood from when on."""

    visits: list[Visit] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    breaker: list[tuple[float, str]] = field(default_factory=list)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of a kind, each with its document's name (`document`) and its seconds since 1970 (`at`)."""
        return [
            each | {"document": each["subject"].removeprefix("file:"), "at": _seconds(each["time"])}
            for each in self.events
            if each["type"].endswith(f".{kind}")
        ]


class Stage:
    """A home with a pipeline whose only work is to ask the server, under one policy."""

    def __init__(self, folder: Path, policy: str, server: ScriptedServer) -> None:
        self.folder = folder
        self.server = server
        self.breaker: list[tuple[float, str]] = []
        install(folder / "plugins")
        self.penstock = Penstock.at(folder, PYTHONPATH=f"{folder / 'plugins'}:{PROJECT}")
        steps = [
            {"name": "ingest", "type": "IngestStage"},
            {
                "name": "ask",
                "type": "ParseStage",
                "uses": "called",
                "with": {"url": server.url},
                "policy": policy,
                "depends_on": ["ingest"],
            },
        ]
        pipeline = {"version": "1.0", "name": "asking", "stages": steps}
        shutil.rmtree(self.penstock.config / "pipelines")
        (self.penstock.config / "pipelines").mkdir()
        (self.penstock.config / "pipelines" / "asking.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False))
        self._ledger = Ledger.open(self.penstock.home)

    def write(self, folder: str, names: Sequence[str]) -> Path:
        """Documents in a folder."""
        path = self.folder / folder
        path.mkdir()
        for name in names:
            (path / name).write_text(f"Document {name}.\n")
        return path

    def start(self, *inputs: Path) -> subprocess.Popen[str]:
        """`penstock run`, in a process of its own."""
        options = [part for each in inputs for part in ("--input", str(each))]
        return self.penstock.start("run", "asking", *options, "--json")

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at the breaker again and again, and note when it has changed."""
        over = threading.Event()

        def look() -> None:
            while not over.wait(_LOOK_SECONDS):
                with self._ledger.read() as cx:
                    states = [each.state for each in self._ledger.breakers.not_closed(cx).values()]
                state = states[0] if states else "closed"
                if not self.breaker or self.breaker[-1][1] != state:
                    self.breaker.append((time.time(), state))

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def wait_for(self, state: str) -> float:
        """Wait until the breaker stands so; returns when it came to that."""
        while not self.breaker or self.breaker[-1][1] != state:
            time.sleep(_LOOK_SECONDS)
        return self.breaker[-1][0]

    def recorded(self) -> Recorded:
        events = self.penstock("events").ok().lines
        return Recorded(sorted(self.server.visits), events, self.breaker)


@contextmanager
def _stage(policy: str, script: Script) -> Iterator[Stage]:
    with TemporaryDirectory(prefix="penstock-timeline-") as folder, ScriptedServer(script) as server:
        yield Stage(Path(folder), policy, server)


def _ended(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        _, said = process.communicate(timeout=200)
        assert process.returncode in (0, 1), said[-2000:]


def default() -> Recorded:
    """Two runs at once: a server that is busy twice, and one that never answers the first request."""

    def script(document: str, times: int) -> Play:
        if document == "hangs.md" and times == 1:
            return Play(status=0)
        return Play(503 if document == "busy.md" and times < 3 else 200, seconds=0.3)

    with _stage("default", script) as stage:
        one = stage.write("one", ["busy.md", "calm.md"])
        two = stage.write("two", ["hangs.md", "waits.md"])
        _ended(stage.start(one), stage.start(two))
        recorded = stage.recorded()
    assert [each.status for each in recorded.visits if each.document == "busy.md"] == [503, 503, 200]
    assert [each.status for each in recorded.visits if each.document == "hangs.md"] == [0, 200]
    return recorded


def gpu_bound() -> Recorded:
    """A model server that is down, then takes its time to answer the first request; runs that come and go."""
    up, released = threading.Event(), threading.Event()
    tried: list[str] = []

    def script(document: str, times: int) -> Play:
        if not up.is_set():
            return Play(503, seconds=0.5)
        tried.append(document)
        return Play(200, seconds=0.5, until=released)

    with _stage("gpu-bound", script) as stage, stage.watched():
        one = stage.write("one", [f"a{number}.md" for number in range(1, 8)])
        two = stage.write("two", [f"b{number}.md" for number in range(1, 4)])
        three = stage.write("three", ["c1.md", "c2.md"])
        _ended(stage.start(one))
        opened = stage.wait_for("open")
        time.sleep(max(0.0, opened + 20 - time.time()))
        _ended(stage.start(two))
        up.set()
        time.sleep(max(0.0, opened + RESET_SECONDS - time.time()))
        trying = stage.start(one, two)
        stage.wait_for("half-open")
        _ended(stage.start(three))
        assert len(tried) == 1, tried
        released.set()
        _ended(trying)
        _ended(stage.start(one, two, three))
        recorded = stage.recorded()
    states = [state for _, state in recorded.breaker]
    assert [each for each in states if each != "closed"] == ["open", "half-open"], states
    assert [each.status for each in recorded.visits] == [503] * 5 + [200] * 12
    return recorded


def polite_api() -> Recorded:
    """Thirty documents, of which one is asked to wait and one finds the server busy three times."""

    def script(document: str, times: int) -> Play:
        if document == "07.md" and times == 1:
            return Play(429, seconds=0.05, retry_after=3)
        return Play(503 if document == "26.md" and times < 4 else 200, seconds=0.05)

    with _stage("polite-api", script) as stage:
        _ended(stage.start(stage.write("one", [f"{number:02}.md" for number in range(1, 31)])))
        recorded = stage.recorded()
    assert len(recorded.visits) == 34
    return recorded


SCENES: dict[str, Callable[[], Recorded]] = {"default": default, "gpu-bound": gpu_bound, "polite-api": polite_api}
"""By policy."""


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
