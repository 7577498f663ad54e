"""PDFs that wait to be read: a scene, a pipeline with a gate, a worker with small bounds, and what they come to."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from tests.unit.execution.scene import INGEST, Scene, gate, pipeline, stage

from penstock import effects
from penstock.execution.gates import tend_gates
from penstock.execution.pdf_results import Claim
from penstock.ledger.pdf_requests import PDFRequest
from penstock.plan.topology import Topology
from penstock.spec.profile import PDFWorkerSpec
from penstock.workers.pdf.loop import LedgerQueue, PDFWorker, Tally
from penstock.workers.signals import stop_signal


def papers(note: str = "") -> Topology:
    """Ingest, a download, a gate whose worker reads by the content of the file, a chunk of what was read."""
    reader = {"uses": "rough", "code_version": "1", "settings": {"note": note}}
    return pipeline(
        INGEST,
        stage("fetch", "Download", "ingest", uses="store"),
        msgspec.structs.replace(gate("gate", "fetch", "chunk"), **reader),
        stage("chunk", "Chunk", "gate", segment=1),
        name="papers",
    )


PAPERS = papers()


def bounds(**changes: Any) -> PDFWorkerSpec:
    """Of the rough reader, with seconds enough for a machine that is busy."""
    return PDFWorkerSpec.model_validate({"uses": "rough", "concurrency": 1, "base_seconds": 60.0, **changes})


def work(
    scene: Scene,
    told: Callable[[Claim, str], None] = lambda claim, outcome: None,
    stop: threading.Event | None = None,
    **changes: Any,
) -> Tally:
    """Read what waits, in this process."""
    worker = PDFWorker(
        scene.workspace, bounds(**changes), LedgerQueue(scene.workspace), stop or threading.Event(), told
    )
    return worker.run(drain=True)


def resume(scene: Scene, topology: Topology = PAPERS) -> None:
    """Take what has been read through the stages behind the gate."""
    if tend_gates(scene.workspace):
        scene.go_on(topology, 1)


def request(scene: Scene, name: str, tenant: str = "default") -> PDFRequest:
    job = scene.jobs(name, tenant)[0].job
    with scene.ledger.read() as cx:
        return scene.ledger.pdf_requests.of_jobs(cx, [job])[-1]


def readings(scene: Scene) -> list[str]:
    """The documents that a reader was called for, in order."""
    path = scene.home / "readings"
    return [line.split()[0].removeprefix("file:").removesuffix(".txt") for line in path.read_text().splitlines()]


class KilledAt:
    """An effect hook that ends the process as a crash would, before the n-th effect of that name or after it."""

    def __init__(self, name: str, number: int, when: str) -> None:
        self._name, self._left, self._when = name, number, when

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        due = name == self._name
        self._left -= due
        if due and self._left == 0 and self._when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        yield
        if due and self._left == 0 and self._when == "after":
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """python -m tests.unit.workers.papers FOLDER URL BOUNDS [NAME NUMBER before|after]: a worker that drains."""
    scene = Scene(Path(sys.argv[1]), url=sys.argv[2] or None)
    given = msgspec.json.decode(sys.argv[3])
    if len(sys.argv) > 4:
        effects.install(KilledAt(sys.argv[4], int(sys.argv[5]), sys.argv[6]))
    worker = PDFWorker(scene.workspace, bounds(**given), LedgerQueue(scene.workspace), stop_signal())
    tally = worker.run(drain=True)
    print(msgspec.json.encode({"read": tally.read, "refused": tally.refused, "back": tally.given_back}).decode())
    scene.workspace.close()


if __name__ == "__main__":
    main()
