"""Asking for PDFs to be read: a stage has stored one, and the worker behind the gate is told of it.

The request, its fact for the outside and `pdf_downloaded` are one transaction. Where the Document is there already
under the gate's work key, nobody is asked and the gate is open.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection

from penstock.execution.batch import BatchRun
from penstock.execution.pdf_requests import gate_run, tell
from penstock.execution.stored_pdfs import stores_pdfs
from penstock.ledger.jobs import Job
from penstock.plan.topology import PlannedStage, Topology
from penstock.records import PDFFile, new_id
from penstock.stages.types import GATE_WORKERS

_DECODER = msgspec.msgpack.Decoder(PDFFile)


def gates_fed_by(topology: Topology, stage: PlannedStage) -> list[PlannedStage]:
    """The gates whose worker reads the PDFs that a stage stores: of several such stages before a gate, the last."""
    if not stores_pdfs(stage):
        return []
    found = []
    for gate in topology.stages:
        if gate.gate is not None and gate.gate.ledger_field in GATE_WORKERS and gate.uses:
            before = topology.upstream(gate.name)
            storing = [each.name for each in topology.stages if each.name in before and stores_pdfs(each)]
            if storing[-1:] == [stage.name]:
                found.append(gate)
    return found


def ask(batch: BatchRun, stage: PlannedStage, cx: Connection, files: Mapping[str, bytes]) -> None:
    """Have the PDFs read that a stage has stored (job → encoded `PDFFile`). The caller holds the jobs."""
    ledger = batch.workspace.ledger
    for gate in gates_fed_by(batch.topology, stage):
        keys = {job: key for job in files if (key := batch.keys[gate.name][job]) is not None}
        there = ledger.artifacts.existing(cx, list(keys.values()))
        ready = [job for job, key in keys.items() if key in there]
        rows = [_row(batch.jobs[job], gate, key, files[job]) for job, key in keys.items() if key not in there]
        asked = ledger.pdf_requests.ask(cx, rows)
        ledger.jobs.at_stage(cx, ready, stage.name, pdf_ir_ready=True)
        ledger.jobs.at_stage(cx, [each.job for each in asked], stage.name, pdf_ir_ready=False)
        runs = [gate_run(job, gate.name, keys[job], run_id=batch.run_id or None) for job in ready]
        ledger.stage_runs.record(cx, runs, keep=True)
        tell(ledger, cx, [(batch.jobs[each.job], each) for each in asked])


def _row(job: Job, gate: PlannedStage, key: str, file: bytes) -> dict[str, Any]:
    stored = _DECODER.decode(file)
    return {
        "request": new_id(),
        "job": job.job,
        "gate": gate.name,
        "tenant": job.tenant,
        "document": job.document,
        "path": stored.path,
        "sha256": stored.sha256,
        "size": stored.size,
        "work_key": key,
    }
