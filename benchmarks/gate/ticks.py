"""How long a tick of the gate's sensor takes, with many documents waiting: `python -m benchmarks.gate.ticks N [URL]`.

Prints one JSON value. Runs in a process of its own, so that nothing is warm that would not be.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dagster import DagsterInstance, build_sensor_context
from sqlalchemy import insert, select, text, update

from penstock.compiler.instance import open_instance, prepare
from penstock.compiler.job import compile_job
from penstock.compiler.sensors import gate_sensor
from penstock.compiler.session import session_resource
from penstock.execution.workspace import Workspace
from penstock.ledger.ledger import Ledger
from penstock.ledger.tables import jobs
from penstock.plan.load import load_topology
from penstock.plan.profiles import load_profile
from penstock.plan.topology import Topology
from penstock.spec.profile import LedgerSpec

CONFIG = Path(__file__).parents[2] / "config"
TICKS = 25
READY = 256
_PART = 20_000


def rows(topology: Topology, count: int) -> Iterator[dict[str, Any]]:
    """Jobs that wait at the gate, one for each document."""
    for number in range(count):
        name = f"file:{number:07d}.pdf"
        yield {
            "job": f"j{number}",
            "tenant": "default",
            "document": name,
            "source": "file",
            "pipeline": topology.pipeline,
            "version": topology.version,
            "topology": topology.digest,
            "work_digest": topology.work_digest,
            "content_hash": f"{number:064x}",
            "size": 1_000,
            "locator": name,
            "metadata": "{}",
            "generation": 1,
            "status": "waiting",
            "current_stage": "pdf_gate",
            "segment": 1,
            "pdf_downloaded": True,
            "correlation_id": f"c{number}",
            "waiting_since": 1_800_000_000.0 + number / 1_000,
        }


def fill(ledger: Ledger, topology: Topology, count: int) -> None:
    """Let so many documents wait."""
    with ledger.begin() as cx:
        ledger.keep_topology(cx, topology.digest, topology.pipeline, topology.version, topology.encode())
    left = list(rows(topology, count))
    for first in range(0, count, _PART):
        with ledger.begin() as cx:
            cx.execute(insert(jobs), left[first : first + _PART])
    with ledger.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as cx:
        cx.execute(text("analyze"))


def measure(folder: Path, count: int, url: str | None) -> dict[str, Any]:
    """Seconds of ticks with nothing ready (by the clock, and of the processor), and of one that opens the gate."""
    profile = load_profile(CONFIG, "tiny").model_copy(update={"ledger": LedgerSpec(url=url), "dispatch": False})
    topology = load_topology(CONFIG, "tiny", "pdf-two-phase")
    workspace = Workspace(folder / "home", CONFIG, profile)
    fill(workspace.ledger, topology, count)

    def open_workspace() -> Workspace:
        return Workspace(folder / "home", CONFIG, profile)

    compiled = {
        (topology.digest, segment): compile_job(topology, segment, session_resource(open_workspace, topology, segment))
        for segment in range(topology.segments)
    }
    names = {key: job.name for key, job in compiled.items()}
    sensor = gate_sensor(open_workspace, list(compiled.values()), names, 0)
    with open_instance(prepare(folder / "home")) as instance:

        def tick(instance: DagsterInstance = instance) -> tuple[float, float, int]:
            began, worked = time.perf_counter(), time.process_time()
            asked = sensor.evaluate_tick(build_sensor_context(instance=instance)).run_requests or []
            return time.perf_counter() - began, time.process_time() - worked, len(asked)

        tick()
        idle = [tick() for _ in range(TICKS)]
        with workspace.ledger.begin() as cx:
            chosen = select(jobs.c.job).where(jobs.c.document >= f"file:{count // 2:07d}.pdf").limit(READY)
            cx.execute(update(jobs).where(jobs.c.job.in_(chosen.scalar_subquery())).values(pdf_ir_ready=True))
        _, opening, asked = tick()
    workspace.close()
    assert asked == 1, asked
    assert not any(requests for _, _, requests in idle)
    wall, cpu = (sorted(each[column] for each in idle) for column in (0, 1))
    return {
        "waiting": count,
        "least": wall[0],
        "median": statistics.median(wall),
        "cpu": statistics.median(cpu),
        "opening": opening,
    }


def main() -> None:
    """Measure as the command line says."""
    with TemporaryDirectory(prefix="penstock-benchmark-") as folder:
        found = measure(Path(folder), int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
