"""What each stage did for each job: one row, the latest."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from penstock.ledger.database import Database, slices
from penstock.ledger.tables import jobs, stage_runs


class StageRuns:
    """The stage runs of a ledger."""

    def __init__(self, database: Database) -> None:
        self.database = database
        unfinished = stage_runs.c.status != "completed"
        self._record = database.upsert(stage_runs, "job", "stage")
        self._keep = database.upsert(stage_runs, "job", "stage", where=unfinished)

    def record(self, cx: Connection, rows: Sequence[Mapping[str, Any]], *, keep: bool = False) -> None:
        """Rows of job, stage, status, attempts, seconds, reused, work_key, run_id, error.

        Args:
            keep: leave rows of completed stages alone: a job that is resumed takes over what it did itself.
        """
        if rows:
            self.database.execute_many(cx, self._keep if keep else self._record, rows)

    def of(self, cx: Connection, ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """The stage runs of each job, in the order in which they ended."""
        found: dict[str, list[dict[str, Any]]] = {job: [] for job in ids}
        for part in slices(ids):
            query = select(stage_runs).where(stage_runs.c.job.in_(part)).order_by(stage_runs.c.finished_at)
            for row in cx.execute(query):
                found[row.job].append(dict(row._mapping))
        return found

    def average_seconds(self, cx: Connection, pipeline: str) -> dict[str, float]:
        """How long each stage of a pipeline has taken for a document, on average."""
        query = (
            select(stage_runs.c.stage, func.avg(stage_runs.c.seconds))
            .join(jobs, jobs.c.job == stage_runs.c.job)
            .where(jobs.c.pipeline == pipeline, stage_runs.c.reused.is_(False))
            .group_by(stage_runs.c.stage)
        )
        return {stage: float(seconds) for stage, seconds in cx.execute(query)}
