"""How long a document takes from its flag to the stage behind its gate, and from its submission to its first stage.

`python -m benchmarks.gate.resume COUNT yes|no`: with a dispatcher or without, under a real `penstock up`. Times are the
ledger's own, by one clock. Prints one JSON value.
"""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import func, select, update

from penstock.events.facts import decode
from penstock.execution.submit import submit
from penstock.execution.workspace import Workspace
from penstock.ledger.clock import now
from penstock.ledger.tables import jobs
from penstock.plan.load import load_topology
from penstock.plan.profiles import load_profile

CONFIG = Path(__file__).parents[2] / "config"
PIPELINE = """\
version: "1.0"
name: gated
stages:
  - {name: ingest, type: IngestStage}
  - name: look
    type: Gate
    condition: {ledger_field: pdf_ir_ready, equals: true}
    resume_stage: parse
    depends_on: [ingest]
  - {name: parse, type: ParseStage, depends_on: [look], inputs: {RawPayload: ingest}}
"""


def started(workspace: Workspace, stage: str) -> dict[str, float]:
    """When the stage began with each document, by the ledger's clock."""
    found: dict[str, float] = {}
    with workspace.ledger.read() as cx:
        for _, at, facts in workspace.ledger.outbox.all(cx):
            batch = decode(facts)
            if (batch.kind, batch.stage) == ("stage.started", stage):
                found |= {fact.document: at for fact in batch.facts}
    return found


def wait(workspace: Workspace, stage: str, name: str) -> float:
    """Until the stage has begun with a document; returns when that was."""
    while name not in (times := started(workspace, stage)):
        time.sleep(0.2)
    return times[name]


def waiting(workspace: Workspace, name: str) -> bool:
    query = select(func.count()).where(jobs.c.document == name, jobs.c.status == "waiting")
    with workspace.ledger.read() as cx:
        return bool(cx.execute(query).scalar_one())


def measure(folder: Path, count: int, dispatch: bool) -> dict[str, Any]:
    """Seconds from submission to the first stage, and from the flag to the stage behind the gate, one after another."""
    config = folder / "config"
    shutil.copytree(CONFIG, config)
    (config / "pipelines" / "gated.yaml").write_text(PIPELINE)
    (config / "profiles" / "measured.yaml").write_text(
        f"name: measured\nextends: tiny\ndispatch: {str(dispatch).lower()}\n"
    )
    workspace = Workspace(folder / "home", config, load_profile(config, "measured"))
    topology = load_topology(config, "measured", "gated")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    places = {"PENSTOCK_HOME": str(folder / "home"), "PENSTOCK_CONFIG": str(config), "PENSTOCK_PROFILE": "measured"}
    with (folder / "log").open("w") as log:
        up = subprocess.Popen(
            [sys.executable, "-m", "penstock", "up", "--port", str(port)],
            env=os.environ | places,
            stderr=log,
            stdout=log,
            start_new_session=True,
        )
    chance = random.Random(7)  # moments between two ticks
    submitted, resumed = [], []
    try:
        for number in range(count + 1):
            path = folder / f"{number}.md"
            path.write_text(f"# Note {number}\n\nSome words.\n")
            name = f"file:{path.name}"
            time.sleep(chance.uniform(0.0, 5.0))
            submit(workspace, topology, [str(path)], tenant="default")
            with workspace.ledger.read() as cx:
                asked = cx.execute(select(jobs.c.created_at).where(jobs.c.document == name)).scalar_one()
            submitted.append(wait(workspace, "ingest", name) - asked)
            while not waiting(workspace, name):
                time.sleep(0.2)
            time.sleep(chance.uniform(0.0, 5.0))
            with workspace.ledger.begin() as cx:
                set_at = cx.execute(select(now())).scalar_one()
                cx.execute(update(jobs).where(jobs.c.document == name).values(pdf_ir_ready=True))
            resumed.append(wait(workspace, "parse", name) - set_at)
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(60)
        workspace.close()
    # the first document waits for all processes to be up
    return {"dispatch": dispatch, "submitted": submitted[1:], "resumed": resumed[1:], "load": os.getloadavg()[0]}


def main() -> None:
    """Measure as the command line says."""
    with TemporaryDirectory(prefix="penstock-benchmark-") as folder:
        found = measure(Path(folder), int(sys.argv[1]), sys.argv[2] == "yes")
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
