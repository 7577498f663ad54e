"""Documents set aside: why, where, after how many attempts, and where their bytes are. An entry is never erased."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select, update

from penstock.ledger.clock import now
from penstock.ledger.database import Database, slices
from penstock.ledger.jobs import Failure, Job
from penstock.ledger.tables import dead_letters


class DeadLetters:
    """The dead letters of a ledger."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, cx: Connection, failures: Sequence[tuple[Job, Failure]]) -> None:
        if failures:
            cx.execute(
                dead_letters.insert(),
                [
                    {
                        "job": job.job,
                        "tenant": job.tenant,
                        "document": job.document,
                        "pipeline": job.pipeline,
                        "stage": failure.stage,
                        "status": failure.status,
                        "error_type": failure.error_type,
                        "message": failure.message,
                        "recovery": failure.recovery,
                        "chain": msgspec.json.encode(failure.chain).decode(),
                        "attempts": failure.attempts,
                        "raw": job.content_hash,
                    }
                    for job, failure in failures
                ],
            )

    def resolve(self, cx: Connection, jobs: Sequence[str], resolution: str) -> None:
        """Close the open entries of jobs: `completed`, `retried`, `superseded` or `deleted`."""
        for part in slices(jobs):
            self._close(cx, resolution, dead_letters.c.job.in_(part))

    def resolve_document(self, cx: Connection, tenant: str, document: str, resolution: str) -> None:
        self._close(cx, resolution, dead_letters.c.tenant == tenant, dead_letters.c.document == document)

    def ends(self, cx: Connection, jobs: Sequence[str]) -> dict[str, dict[str, int]]:
        """How often each job has failed, by type of error, whether the entry is closed or not."""
        found: dict[str, dict[str, int]] = {}
        for part in slices(jobs):
            query = select(dead_letters.c.job, dead_letters.c.error_type, func.count()).where(
                dead_letters.c.job.in_(part)
            )
            for job, error, count in cx.execute(query.group_by(dead_letters.c.job, dead_letters.c.error_type)):
                found.setdefault(job, {})[error] = count
        return found

    def attempts(self, cx: Connection, jobs: Sequence[str]) -> dict[str, int]:
        """How many attempts each job's failures have taken in all; refusals without a call count nothing."""
        found: dict[str, int] = {}
        for part in slices(jobs):
            total = func.sum(dead_letters.c.attempts)
            query = select(dead_letters.c.job, total).where(dead_letters.c.job.in_(part)).group_by(dead_letters.c.job)
            found |= {job: int(attempts) for job, attempts in cx.execute(query)}
        return found

    def of(self, cx: Connection, jobs: Sequence[str]) -> list[dict[str, Any]]:
        """Every entry of these jobs, closed or not, oldest first."""
        found: list[dict[str, Any]] = []
        for part in slices(jobs):
            query = select(dead_letters).where(dead_letters.c.job.in_(part))
            found += [{**row, "chain": msgspec.json.decode(row["chain"])} for row in cx.execute(query).mappings()]
        return sorted(found, key=lambda entry: int(entry["id"]))

    def open_count(self, cx: Connection) -> int:
        return cx.execute(select(func.count()).where(dead_letters.c.resolved_at.is_(None))).scalar_one()

    def _close(self, cx: Connection, resolution: str, *where: ColumnElement[bool]) -> None:
        cx.execute(
            update(dead_letters)
            .where(dead_letters.c.resolved_at.is_(None), *where)
            .values(resolved_at=now(), resolution=resolution)
        )
