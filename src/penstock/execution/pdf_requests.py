"""What is told of requests to read PDFs, and what is left of a gate that was read for."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from penstock.events.facts import FactBatch, encode, fact_of
from penstock.ledger.jobs import Job
from penstock.ledger.ledger import Ledger
from penstock.ledger.pdf_requests import PDFRequest, RequestState


def ask_again(ledger: Ledger, cx: Connection, jobs: Sequence[Job]) -> None:
    """Tell the outside of what is asked for again, since jobs that failed at their gate were put back there."""
    by_id = {job.job: job for job in jobs}
    requests = ledger.pdf_requests.of_jobs(cx, list(by_id))
    tell(ledger, cx, [(by_id[each.job], each) for each in requests if each.state == RequestState.QUEUED])


def tell(ledger: Ledger, cx: Connection, asked: Sequence[tuple[Job, PDFRequest]]) -> None:
    """Owe the outside a `pdf.requested` for each request."""
    for job, each in asked:
        detail = {
            "request_id": each.request,
            "gate": each.gate,
            "object": each.path,
            "sha256": each.sha256,
            "size": str(each.size),
            "work_key": each.work_key,
        }
        fact = msgspec.structs.replace(fact_of(job, detail=detail), claim=each.token)
        ledger.outbox.add(
            cx, encode(FactBatch("pdf.requested", job.pipeline, job.version, each.gate, "", "", (fact,))), 1
        )


def gate_run(job: str, gate: str, work_key: str, **changes: Any) -> dict[str, Any]:
    """The stage run of a gate, or of a stage: by default, of one whose output was there already."""
    values = {"status": "completed", "attempts": 0, "seconds": 0.0, "reused": True, "run_id": None, "error": None}
    return {"job": job, "stage": gate, "work_key": work_key, **values, **changes}
