"""What becomes of a request to read a PDF: taken, read, given back, tried again later, or ended with a reason.

A result is taken for the request, the token and the worker that it was read under, while its job waits for it; any
other is refused. The Document, the ledger's field and the event that tells of it are one transaction.
"""

from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from penstock.errors import StageCrashError, StageError, TransientError
from penstock.events.facts import Fact, FactBatch, encode, fact_of
from penstock.execution.messages import Reading, fault_of
from penstock.execution.outputs import write_pack
from penstock.execution.pdf_requests import gate_run
from penstock.execution.workspace import Workspace
from penstock.ledger.jobs import Failure, Job
from penstock.ledger.pdf_requests import PDFRequest, RequestState
from penstock.ledger.workers import Worker
from penstock.plan.topology import PlannedStage, Topology
from penstock.records import Document

FAILED_STATUS = "parse_failed"
"""The state of a job whose PDF could not be read, where the reader does not say more."""
QUARANTINED_STATUS = "quarantined"

_DECODER = msgspec.msgpack.Decoder(Document)


class Claim(NamedTuple):
    """A request that a worker holds, with the job that waits for it and the gate where it waits."""

    request: PDFRequest
    job: Job
    gate: PlannedStage


def take(workspace: Workspace, worker: Worker, *, request: str | None = None, after: str = "") -> Claim | None:
    """Take a request: this one, or the next in the tenants' turns (`after`: who had the last), if there is one.

    What another job has had read meanwhile, under the same work key, is not read again.
    """
    ledger = workspace.ledger
    with ledger.begin() as cx:
        while (found := ledger.pdf_requests.claim(cx, worker.id, request=request, after=after)) is not None:
            job = ledger.jobs.get(cx, [found.job])[found.job]
            gate = Topology.decode(ledger.topology(cx, job.topology) or "").stage(found.gate)
            claim = Claim(found, job, gate)
            if found.work_key not in ledger.artifacts.existing(cx, [found.work_key]):
                _tell(workspace, cx, claim, "stage.started", fact_of(job))
                return claim
            ledger.stage_runs.record(cx, [gate_run(found.job, found.gate, found.work_key)])
            ledger.pdf_requests.done(cx, found)
    return None


def accept(workspace: Workspace, worker: Worker, claim: Claim, reading: Reading, pages: int | None = None) -> bool:
    """Keep what was read and open the gate for it; False where nobody waits for it any more.

    Raises `StageCrashError` where it is not what a reader of this PDF could have given.
    """
    request, ledger = claim.request, workspace.ledger
    data = _checked(claim, reading)
    with worker.settling():
        rows = write_pack(workspace.resources.packs, worker.id, {request.work_key: data}, {})
        with ledger.begin() as cx:
            if not ledger.pdf_requests.is_held(cx, request):
                workspace.resources.packs.remove(sorted({row.pack for row in rows}))
                return False
            ledger.artifacts.add(cx, rows)
            run = gate_run(
                request.job,
                request.gate,
                request.work_key,
                attempts=request.deliveries,
                seconds=round(reading.seconds, 6),
                reused=False,
            )
            ledger.stage_runs.record(cx, [run])
            ledger.pdf_requests.done(cx, request, pages)
            fact = fact_of(claim.job, output_count=reading.result.count, duration_ms=reading.seconds * 1000)
            _tell(workspace, cx, claim, "stage.completed", fact)
    return True


def fail(workspace: Workspace, claim: Claim, error: StageError, *, poison: bool = False, seconds: float = 0.0) -> bool:
    """End the job with what went wrong, as a dead letter; False where nobody waits for it any more.

    Args:
        poison: the PDF has taken down whoever read it; it is quarantined, and no run tries it again by itself.
    """
    request, ledger = claim.request, workspace.ledger
    fault = fault_of(error)
    failure = Failure(
        job=request.job,
        stage=request.gate,
        status=QUARANTINED_STATUS if poison else error.status or FAILED_STATUS,
        error_type=fault.name,
        message=f"given up after {request.deliveries} readers: {fault.message}" if poison else fault.message,
        recovery="permanent" if poison else error.recovery,
        attempts=request.deliveries,
        chain=fault.causes,
    )
    with ledger.begin() as cx:
        if not ledger.pdf_requests.is_held(cx, request):
            return False
        state = RequestState.QUARANTINED if poison else RequestState.FAILED
        ledger.pdf_requests.end(cx, request, state, failure.message)
        ledger.jobs.fail(cx, [failure])
        ledger.dead_letters.add(cx, [(claim.job, failure)])
        run = gate_run(
            request.job,
            request.gate,
            request.work_key,
            status=failure.status,
            attempts=request.deliveries,
            seconds=round(seconds, 6),
            reused=False,
            error=failure.message,
        )
        ledger.stage_runs.record(cx, [run])
        told = {"error_type": failure.error_type, "error_message": failure.message}
        _tell(workspace, cx, claim, "stage.failed", fact_of(claim.job, duration_ms=seconds * 1000, **told))
        _tell(workspace, cx, claim, "job.failed", fact_of(claim.job, detail={"status": failure.status}, **told))
    return True


def put_off(workspace: Workspace, claim: Claim, error: TransientError, seconds: float) -> bool:
    """Have the PDF tried again, by whoever comes, not before so many seconds."""
    ledger = workspace.ledger
    fault = fault_of(error)
    with ledger.begin() as cx:
        if not ledger.pdf_requests.is_held(cx, claim.request):
            return False
        ledger.pdf_requests.put_off(cx, claim.request, fault.message, seconds)
        told = {"error_type": fault.name, "error_message": fault.message}
        _tell(workspace, cx, claim, "stage.retrying", fact_of(claim.job, backoff_ms=seconds * 1000, **told))
    return True


def give_back(workspace: Workspace, claim: Claim) -> None:
    """Queue a request again as if it had not been taken."""
    with workspace.ledger.begin() as cx:
        workspace.ledger.pdf_requests.give_back(cx, claim.request)


def _checked(claim: Claim, reading: Reading) -> bytes:
    """The encoded Document, where it can be that of the PDF that was asked for."""
    request = claim.request
    problem = ""
    if (reading.request, reading.token) != (request.request, request.token):
        problem = "it is that of another request"
    elif reading.sha256 != request.sha256:
        problem = "it is that of other bytes"
    else:
        try:
            document = _DECODER.decode(reading.result.output)
        except (msgspec.MsgspecError, UnicodeError) as exc:
            problem = f"it is no Document: {exc}"
        else:
            if (document.document_id, document.provenance.raw) != (request.document, request.sha256):
                problem = "it is that of another document"
    if problem:
        raise StageCrashError(f"what the reader gave is refused: {problem}")
    return reading.result.output


def _tell(workspace: Workspace, cx: Connection, claim: Claim, kind: str, fact: Fact) -> None:
    job, request = claim.job, claim.request
    told = msgspec.structs.replace(fact, claim=request.token, attempt=request.deliveries)
    batch = FactBatch(kind, job.pipeline, job.version, request.gate, "", "", (told,))
    workspace.ledger.outbox.add(cx, encode(batch), 1)
