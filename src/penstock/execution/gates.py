"""Gates: jobs go on when the condition holds, fail when it has not held for too long, or are let through by hand.

The condition is asked when a job comes to its gate, and again and again for as long as it waits: by the sensors, by the
dispatcher and by every run, at once and after any crash. Each opening and each failure is one conditional write,
together with the event that tells of it.
"""

import getpass
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from penstock.errors import UsageError
from penstock.events.facts import FactBatch, encode, fact_of
from penstock.execution.workspace import Workspace
from penstock.ledger.jobs import Failure, Job
from penstock.ledger.ledger import Ledger
from penstock.ledger.status import GATE_TIMEOUT, JobStatus
from penstock.plan.topology import GateRule, PlannedStage, Topology
from penstock.records import GATE_FLAGS

AT_ONCE = 5_000
"""So many jobs go through a gate in one transaction; the others with the next."""


def tend_gates(workspace: Workspace) -> int:
    """Queue the jobs whose gate's condition holds, end those that have waited too long; returns how many were queued.

    What holds and is overdue goes on: a sensor that was down is no reason to fail.
    """
    ledger = workspace.ledger
    with ledger.read() as cx:
        versions = ledger.versions_in_flight(cx, JobStatus.WAITING)
    opened = 0
    for topology in map(workspace.topology, versions):
        for stage in topology.stages:
            if stage.gate is not None and _is_due(ledger, topology, stage, stage.gate):
                with ledger.begin() as cx:
                    opened += len(open_gate(ledger, cx, topology, stage))
                    _end_overdue(ledger, cx, topology, stage)
    return opened


def open_gate(
    ledger: Ledger, cx: Connection, topology: Topology, stage: PlannedStage, ids: Sequence[str] | None = None
) -> list[str]:
    """Queue the jobs that wait at a gate whose condition holds, or those of these ids; returns them."""
    rule = stage.gate
    assert rule is not None
    given = (topology.digest, stage.name, rule.ledger_field, rule.equals)
    opened = ledger.jobs.open_gate(cx, *given, ids=ids, limit=AT_ONCE)
    if opened:
        jobs = ledger.jobs.get(cx, opened)
        _tell(ledger, cx, "gate.opened", stage.name, [jobs[job] for job in opened], {"condition": _condition(rule)})
    return opened


def open_by_hand(workspace: Workspace, tenant: str, document: str, gate: str, reason: str) -> list[Job]:
    """Queue the document's jobs that wait at a gate, or have waited too long; returns them as they were.

    The `gate.opened` event says who, when and why. Raises `UsageError` when none of its jobs is there.
    """
    ledger = workspace.ledger
    with ledger.begin() as cx:
        ledger.database.exclusive(cx)
        found = ledger.jobs.of_document(cx, tenant, document)
        there = [job for job in found if job.status in (JobStatus.WAITING, GATE_TIMEOUT)]
        chosen = [job for job in there if job.current_stage == gate]
        if not chosen:
            raise _not_waiting(document, gate, there)
        passed = set(ledger.jobs.pass_gate(cx, [job.job for job in chosen]))
        chosen = [job for job in chosen if job.job in passed]
        ledger.dead_letters.resolve(cx, [job.job for job in chosen if job.status == GATE_TIMEOUT], "opened")
        _tell(ledger, cx, "gate.opened", gate, chosen, {"by": getpass.getuser(), "reason": reason})
    return chosen


def _is_due(ledger: Ledger, topology: Topology, stage: PlannedStage, rule: GateRule) -> bool:
    """Whether a gate has anything to do, asked without keeping writers off. Only flags change while a job waits."""
    at = (topology.digest, stage.name)
    with ledger.read() as cx:
        asked = rule.ledger_field in GATE_FLAGS
        if asked and ledger.jobs.ready(cx, *at, rule.ledger_field, rule.equals, 1, None):
            return True
        return rule.timeout_seconds is not None and bool(ledger.jobs.overdue(cx, *at, rule.timeout_seconds, 1))


def _end_overdue(ledger: Ledger, cx: Connection, topology: Topology, stage: PlannedStage) -> None:
    rule = stage.gate
    if rule is None or rule.timeout_seconds is None:
        return
    overdue = ledger.jobs.overdue(cx, topology.digest, stage.name, rule.timeout_seconds, AT_ONCE)
    if not overdue:
        return
    message = f"{_condition(rule)} did not come true within {rule.timeout_seconds:g} s"
    failures = [
        Failure(
            job=job.job,
            stage=stage.name,
            status=GATE_TIMEOUT,
            error_type="GateTimeoutError",
            message=message,
            recovery="permanent",
            attempts=0,
        )
        for job in overdue
    ]
    ledger.jobs.fail(cx, failures)
    ledger.dead_letters.add(cx, list(zip(overdue, failures, strict=True)))
    _tell(ledger, cx, "gate.timed_out", stage.name, overdue, {"condition": _condition(rule)})
    error = {"error_type": failures[0].error_type, "error_message": message}
    _tell(ledger, cx, "job.failed", "", overdue, {"status": GATE_TIMEOUT}, **error)


def _condition(rule: GateRule) -> str:
    return f"{rule.ledger_field} = {msgspec.json.encode(rule.equals).decode()}"


def _tell(
    ledger: Ledger, cx: Connection, kind: str, gate: str, jobs: Sequence[Job], detail: dict[str, str], **fields: Any
) -> None:
    """Owe an event for each job; jobs of one pipeline version make one row of the outbox."""
    for pipeline, version in dict.fromkeys((job.pipeline, job.version) for job in jobs):
        mine = [job for job in jobs if (job.pipeline, job.version) == (pipeline, version)]
        facts = tuple(fact_of(job, detail=({"gate": gate} if gate else {}) | detail, **fields) for job in mine)
        ledger.outbox.add(cx, encode(FactBatch(kind, pipeline, version, gate, "", "", facts)), len(facts))


def _not_waiting(document: str, gate: str, there: Sequence[Job]) -> UsageError:
    places = sorted({job.current_stage or "" for job in there})
    if not places:
        return UsageError(f"`{document}` waits at no gate", hint=f"penstock show {document}")
    return UsageError.unknown("gate that the document waits at", gate, places)
