"""What the tests of the ledger do over and over: add jobs, claim them, end them."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import select, update

from penstock.ledger.jobs import Failure, Job
from penstock.ledger.ledger import Ledger
from penstock.ledger.presence import lock_file
from penstock.ledger.tables import workers
from penstock.records import new_id

TENANT = "default"
BOTH = frozenset({"index", "graph"})


def job_row(document: str, generation: int, content: str, pipeline: str = "auto", **changes: Any) -> dict[str, Any]:
    return {
        "job": new_id(),
        "tenant": TENANT,
        "document": document,
        "source": "file",
        "pipeline": pipeline,
        "version": "1.0",
        "topology": pipeline,
        "work_digest": "digest",
        "content_hash": content,
        "size": len(content),
        "locator": document,
        "kind_hint": "",
        "metadata": {"source": "file"},
        "generation": generation,
        "correlation_id": new_id(),
        **changes,
    }


def add(ledger: Ledger, *documents: str, content: str = "c1", pipeline: str = "auto", **changes: Any) -> list[str]:
    """Queue a job for each document; returns their ids."""
    with ledger.begin() as cx:
        ledger.keep_topology(cx, pipeline, pipeline, "1.0", "{}")
        numbers = ledger.documents.raise_generation(cx, TENANT, dict.fromkeys(documents, "file"))
        rows = [job_row(name, numbers[name], content, pipeline, **changes) for name in documents]
        stored = [{name: row[name] for name in ("tenant", "document", "content_hash", "size")} for row in rows]
        ledger.documents.add_versions(cx, stored)
        ledger.jobs.add(cx, rows)
    return [row["job"] for row in rows]


def claim(ledger: Ledger, worker: str = "w1", pipeline: str = "auto", segment: int = 0, **narrowed: Any) -> list[Job]:
    with ledger.begin() as cx:
        return ledger.jobs.claim(cx, worker, pipeline, segment, **narrowed)


def claim_one(ledger: Ledger, job: str, worker: str = "w1", segment: int = 0) -> Job:
    with ledger.read() as cx:
        pipeline = ledger.jobs.get(cx, [job])[job].pipeline
    return claim(ledger, worker, pipeline, segment, ids=[job])[0]


def complete(ledger: Ledger, job: Job, writes: frozenset[str] = BOTH, **builds: str) -> None:
    """End a claimed job well; `index_build` and `graph_build` are what it leaves."""
    done = msgspec.structs.replace(job, **builds)
    with ledger.begin() as cx:
        ledger.jobs.complete(cx, [done])
        ledger.documents.activate(cx, [done], writes)


def run(ledger: Ledger, document: str, content: str = "c1", pipeline: str = "auto", **builds: str) -> str:
    """A job from queue to end, which leaves these builds in the stores that it names."""
    (job,) = add(ledger, document, content=content, pipeline=pipeline)
    complete(ledger, claim_one(ledger, job), frozenset(name.removesuffix("_build") for name in builds), **builds)
    return job


def failure(job: str, status: str = "parse_failed", **changes: Any) -> Failure:
    values: dict[str, Any] = {
        "job": job,
        "stage": "parse",
        "status": status,
        "error_type": "RejectedError",
        "message": "no text in it",
        "recovery": "rejected",
        "attempts": 1,
    }
    return Failure(**values | changes)


def fail(ledger: Ledger, job: str, status: str = "parse_failed", **changes: Any) -> None:
    """Claim a job and end it in a failure, with its dead letter."""
    taken = claim_one(ledger, job)
    failed = failure(job, status, **changes)
    with ledger.begin() as cx:
        ledger.jobs.fail(cx, [failed])
        ledger.dead_letters.add(cx, [(taken, failed)])


def wait(ledger: Ledger, job: str, gate: str = "gate") -> None:
    """Claim a job and let it wait at a gate."""
    claim_one(ledger, job)
    with ledger.begin() as cx:
        ledger.jobs.wait(cx, [job], gate, 1)


def statuses(ledger: Ledger, ids: Sequence[str]) -> list[str]:
    with ledger.read() as cx:
        found = {job: each.status for job, each in ledger.jobs.outlines(cx, ids).items()}
    return [found[each] for each in ids]


def delete(ledger: Ledger, document: str) -> None:
    with ledger.begin() as cx:
        ledger.jobs.supersede(cx, TENANT, document)
        ledger.dead_letters.resolve_document(cx, TENANT, document, "deleted")
        ledger.documents.bury(cx, TENANT, document)


def expire(ledger: Ledger, *names: str) -> None:
    """The leases of these workers, or of all, run out, by the database's clock and by the kernel's."""
    with ledger.begin() as cx:
        found = names or tuple(cx.execute(select(workers.c.worker)).scalars())
        cx.execute(update(workers).where(workers.c.worker.in_(found)).values(lease_expires_at=0.0))
    for name in found:
        path = lock_file(ledger.home, name)
        if path.exists():
            path.write_text("0 0\n")
