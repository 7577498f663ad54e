"""Opening a gate by hand: an operator lets a waiting document through, and the ledger remembers who and why."""

import getpass

import msgspec

from penstock.errors import UsageError
from penstock.events.facts import Fact, FactBatch, encode
from penstock.execution.workspace import Workspace
from penstock.ledger.jobs import Job
from penstock.ledger.status import JobStatus


def open_by_hand(workspace: Workspace, tenant: str, document: str, gate: str, reason: str) -> list[Job]:
    """Queue the document's jobs that wait at a gate; returns them. The `gate.opened` event says who, when and why.

    Raises `UsageError` when none of its jobs waits there.
    """
    ledger = workspace.ledger
    with ledger.begin() as cx:
        ledger.database.exclusive(cx)
        waiting = [job for job in ledger.jobs.of_document(cx, tenant, document) if job.status == JobStatus.WAITING]
        chosen = [job for job in waiting if job.current_stage == gate]
        if not chosen:
            raise _not_waiting(document, gate, waiting)
        ledger.jobs.pass_gate(cx, [job.job for job in chosen])
        detail = {"gate": gate, "by": getpass.getuser(), "reason": reason}
        for job in chosen:
            fact = Fact(job.job, job.tenant, job.document, job.correlation_id, job.lease_token)
            facts = (msgspec.structs.replace(fact, detail=detail),)
            ledger.outbox.add(cx, encode(FactBatch("gate.opened", job.pipeline, job.version, gate, "", "", facts)), 1)
    return chosen


def _not_waiting(document: str, gate: str, waiting: list[Job]) -> UsageError:
    places = sorted({job.current_stage or "" for job in waiting})
    if not places:
        return UsageError(f"`{document}` waits at no gate", hint=f"penstock show {document}")
    return UsageError.unknown("gate that the document waits at", gate, places)
