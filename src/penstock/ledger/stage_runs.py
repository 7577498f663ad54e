"""What each stage did for each job: one row, the latest."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from penstock.ledger.database import Database
from penstock.ledger.jobs import slices
from penstock.ledger.tables import stage_runs


class StageRuns:
    """The stage runs of a ledger."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def record(self, cx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows of job, stage, status, attempts, seconds, reused, work_key, run_id, error."""
        if rows:
            cx.execute(self.database.upsert(stage_runs, "job", "stage"), list(rows))

    def of(self, cx: Connection, jobs: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """The stage runs of each job, in the order in which they ended."""
        found: dict[str, list[dict[str, Any]]] = {job: [] for job in jobs}
        for part in slices(jobs):
            query = select(stage_runs).where(stage_runs.c.job.in_(part)).order_by(stage_runs.c.finished_at)
            for row in cx.execute(query):
                found[row.job].append(dict(row._mapping))
        return found
