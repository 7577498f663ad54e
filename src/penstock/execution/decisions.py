"""What is to be done about a document that was found."""

from collections.abc import Mapping
from enum import Enum

from penstock.execution.discovery import Found
from penstock.ledger.documents import DocumentRow
from penstock.ledger.jobs import Job
from penstock.ledger.status import LIVE, JobStatus
from penstock.plan.topology import Topology

RETRIED_BY_ITSELF = frozenset({"transient", "timeout", "unavailable"})
"""Failures that a later run tries again without being told: the cause lay outside the document."""

ATTEMPTS = 100
"""After so many attempts in all, a document is tried again only when somebody says `penstock retry`."""


class Decision(Enum):
    """What is to be done about a document that was found."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    IN_FLIGHT = "in flight"
    RETRY = "retry"
    FAILED = "failed"


def decide(
    found: Found, head: Job | None, row: DocumentRow | None, topology: Topology, spent: Mapping[str, int]
) -> Decision:
    """What is to be done about a document, given its newest job in this pipeline and the attempts spent on it."""
    if head is None or (row is not None and row.deleted_at is not None and head.status not in LIVE):
        return Decision.NEW
    same = (head.content_hash, head.work_digest, head.kind_hint) == (
        found.content_hash,
        topology.work_digest,
        found.kind_hint,
    )
    if not same or head.status == JobStatus.SUPERSEDED:
        return Decision.CHANGED
    if head.status in LIVE:
        return Decision.IN_FLIGHT
    if head.status != JobStatus.COMPLETED:
        return Decision.RETRY if is_retried(head, spent) else Decision.FAILED
    shown = row is not None and row.active_hash == head.content_hash
    shown = shown and row is not None and head.index_build in (None, row.index_build)
    shown = shown and row is not None and head.graph_build in (None, row.graph_build)
    return Decision.UNCHANGED if shown else Decision.CHANGED


def is_retried(job: Job, spent: Mapping[str, int]) -> bool:
    """Whether a failed job is tried again without being told, given the attempts spent on each."""
    return job.error_recovery in RETRIED_BY_ITSELF and spent.get(job.job, 0) < ATTEMPTS
