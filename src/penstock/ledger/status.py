"""What state a job can be in, and which state leads to which.

queued → running → completed
                 → waiting (at a gate) → queued
                 → <a failure>          → queued (retried), waiting (at a gate, whose PDF is to be read)
        waiting  → <a failure>          (what it waits for cannot be had)
anything but completed → superseded (the document changed, or was deleted)
"""

from enum import StrEnum


class JobStatus(StrEnum):
    """The states that every pipeline knows; failures are strings of their own (`parse_failed`, `gate_timeout`, …)."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    SUPERSEDED = "superseded"


LIVE = (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.WAITING)
"""In flight: the job will go on without anybody's help."""

GATE_TIMEOUT = "gate_timeout"
"""The failure of a job that has waited too long; retried, it waits anew."""

NO_DOCUMENT = "no_document"
"""The failure of a job whose gate was opened by hand before there was a Document; retried, it waits for that."""

FAILURES = (
    "ingest_failed",
    "parse_failed",
    "needs_ocr",
    "pdf_broken",
    "pdf_empty",
    "pdf_encrypted",
    "pdf_too_large",
    "validation_failed",
    "pdf_download_failed",
    "chunk_failed",
    "embed_failed",
    "embed_failed_no_gpu",
    "gpu_unavailable",
    "gpu_out_of_memory",
    "index_failed",
    "extract_failed",
    "kg_failed",
    GATE_TIMEOUT,
    NO_DOCUMENT,
    "quarantined",
    "rejected",
    "stage_failed",
)
"""The failures of the built-in stage types; a stage type of one's own brings its own `…_failed`."""

_LEADS_TO: dict[str, frozenset[str]] = {
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.SUPERSEDED}),
    JobStatus.RUNNING: frozenset({JobStatus.QUEUED, JobStatus.WAITING, JobStatus.COMPLETED, JobStatus.SUPERSEDED}),
    JobStatus.WAITING: frozenset({JobStatus.QUEUED, JobStatus.SUPERSEDED}),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.SUPERSEDED: frozenset(),
}


def is_failure(status: str) -> bool:
    """Whether the state is a failure: not in flight, not done, somebody may retry it."""
    return status not in _LEADS_TO


def leads_to(before: str, after: str) -> bool:
    """Whether a job that is `before` may become `after`."""
    if is_failure(before):
        return after in (JobStatus.QUEUED, JobStatus.WAITING, JobStatus.SUPERSEDED)
    return after in _LEADS_TO[before] or (before in (JobStatus.RUNNING, JobStatus.WAITING) and is_failure(after))


def sources_of(after: str) -> tuple[str, ...]:
    """The states, failures apart, that lead to `after`: the `WHERE` of an update."""
    return tuple(before for before in JobStatus if leads_to(before, after))
