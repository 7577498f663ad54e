"""Runs whose process is gone. Dagster's default launcher never notices, and counts them as running for ever.

So they would fill the queue's places one by one (`max_concurrent_runs`), and the UI would show what nobody does.
"""

from datetime import UTC, datetime

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from penstock.execution.workspace import Workspace

DIGEST_TAG = "penstock/digest"
SLOW_SECONDS = 180.0
"""How long a run may take to start, or to end, on a machine that is busy."""

_IN_PROGRESS = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
_MESSAGE = "The process of this run is gone; the ledger has given its documents to other runs."


def end_lost_runs(instance: DagsterInstance, workspace: Workspace) -> list[str]:
    """Mark as failed the runs that nobody works on any more; returns their ids.

    Call it after the ledger has recovered. A run whose batch is under way and holds none of its documents has lost them
    with its process. One that has not claimed its batch yet may only be slow to start, and one whose batch has ended
    may be sweeping: they are given `SLOW_SECONDS`.
    """
    records = instance.get_run_records(RunsFilter(statuses=_IN_PROGRESS))
    records = [record for record in records if DIGEST_TAG in record.dagster_run.tags]
    if not records:
        return []
    with workspace.ledger.read() as cx:
        working = workspace.ledger.batches.working(cx)
        begun = workspace.ledger.batches.of_runs(cx, [record.dagster_run.run_id for record in records])
    lost = []
    now = datetime.now(UTC)
    for record in records:
        run = record.dagster_run
        status, seconds = begun.get(run.run_id, ("", (now - record.update_timestamp.astimezone(UTC)).total_seconds()))
        patience = workspace.profile.lease_seconds if status == "started" else SLOW_SECONDS
        if run.run_id not in working and seconds > patience:
            instance.report_run_failed(run, _MESSAGE)
            lost.append(run.run_id)
    return lost
