"""What each stage did for each job: one row, the latest.

The runs of one stage lie together, since a batch writes them stage by stage; so whoever asks for those of a job names
the stages as well.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select

from penstock.ledger.among import among
from penstock.ledger.database import Database
from penstock.ledger.tables import jobs, stage_runs

_FIRST = select(func.min(stage_runs.c.stage).label("stage")).cte("stages", recursive=True)
_NEXT = select(func.min(stage_runs.c.stage)).where(stage_runs.c.stage > _FIRST.c.stage).scalar_subquery()
_STAGES = _FIRST.union_all(select(_NEXT).where(_FIRST.c.stage.is_not(None)))
"""The names of all stages that have run: from one to the next by the index, whatever rows there are of each."""


def of_jobs(ids: Sequence[str]) -> ColumnElement[bool]:
    """Whether a row is of one of these jobs."""
    return and_(stage_runs.c.stage.in_(select(_STAGES.c.stage)), among(stage_runs.c.job, ids))


class StageRuns:
    """The stage runs of a ledger."""

    def __init__(self, database: Database) -> None:
        self.database = database
        unfinished = stage_runs.c.status != "completed"
        self._record = database.upsert(stage_runs, "stage", "job")
        self._keep = database.upsert(stage_runs, "stage", "job", where=unfinished)

    def record(self, cx: Connection, rows: Sequence[Mapping[str, Any]], *, keep: bool = False) -> None:
        """Rows of job, stage, status, attempts, seconds, reused, work_key, run_id, error.

        Args:
            keep: leave rows of completed stages alone: a job that is resumed takes over what it did itself.
        """
        if rows:
            self.database.execute_many(cx, self._keep if keep else self._record, rows)

    def record_columns(self, cx: Connection, columns: Mapping[str, Sequence[Any]]) -> None:
        """The same, column by column, of stages that have run for a whole batch."""
        if columns["job"]:
            self.database.execute_columns(cx, self._record, columns)

    def of(self, cx: Connection, ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """The stage runs of each job, in the order in which they ended."""
        found: dict[str, list[dict[str, Any]]] = {job: [] for job in ids}
        for row in cx.execute(select(stage_runs).where(of_jobs(ids)).order_by(stage_runs.c.finished_at)):
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
