"""Retrying: failed documents are queued again, from where they stopped or from a stage of choice."""

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from penstock.errors import UsageError
from penstock.execution.batch import stages_from
from penstock.execution.pdf_requests import ask_again
from penstock.execution.submit import keys_of
from penstock.execution.workspace import Workspace
from penstock.ledger.jobs import Job
from penstock.plan.topology import Topology

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def retry(
    workspace: Workspace,
    documents: Sequence[str],
    *,
    stage: str = "",
    error: str = "",
    since: str = "",
    from_stage: str = "",
    tenant: str | None = None,
) -> list[Job]:
    """Queue the failed jobs that fit; returns them as they were.

    Args:
        since: a date, a date and time (ISO 8601), or an age (`90m`, `2h`, `3d`).
        from_stage: forget the outputs from this stage on, so that they are computed again.
    """
    ledger = workspace.ledger
    after = parse_since(since) if since else None
    with ledger.begin() as cx:
        ledger.database.exclusive(cx)
        failed = ledger.jobs.failed(
            cx, documents=documents, tenant=tenant, stage=stage or None, error=error or None, since=after
        )
        # bytes that were never stored cannot be tried again: only finding the document again helps
        failed = [job for job in failed if job.size]
        if from_stage:
            for job in failed:
                topology = Topology.decode(ledger.topology(cx, job.topology) or "")
                keys = keys_of(topology, job.tenant, job, job.content_hash, job.kind_hint)
                again = stages_from(topology, from_stage)
                ledger.artifacts.forget(cx, [key for name in again if (key := keys[name]) is not None])
        ledger.dead_letters.resolve(cx, [job.job for job in failed], "retried")
        queued = set(ledger.jobs.requeue_failed(cx, [job.job for job in failed]))
        ask_again(ledger, cx, [job for job in failed if job.job in queued])
    return [job for job in failed if job.job in queued]


def parse_since(text: str) -> float:
    """Seconds since 1970. Raises `UsageError` when the text is neither a date nor an age."""
    age = re.fullmatch(r"(\d+)([smhdw])", text)
    if age:
        return time.time() - int(age[1]) * _SECONDS[age[2]]
    try:
        found = datetime.fromisoformat(text)
    except ValueError as exc:
        raise UsageError(f"`{text}` is no time: write `2026-01-31`, `2026-01-31T08:00`, `2h` or `3d`") from exc
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
