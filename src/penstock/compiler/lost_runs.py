"""Runs whose process is gone. Dagster's default launcher never notices, and counts them as running for ever.

So they would fill the queue's places one by one (`max_concurrent_runs`), and the UI would show what nobody does.
"""

from datetime import UTC, datetime

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from penstock.execution.workspace import Workspace

DIGEST_TAG = "penstock/digest"
_IN_PROGRESS = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
_MESSAGE = "The process of this run is gone; the ledger has given its documents to other runs."


def end_lost_runs(instance: DagsterInstance, workspace: Workspace) -> list[str]:
    """Mark as failed the runs that have been silent for a lease and hold no document; returns their ids.

    Call it after the ledger has recovered: a run that lives holds its documents, or is about to begin or end.
    """
    with workspace.ledger.read() as cx:
        working = workspace.ledger.batches.working(cx)
    lost = []
    now = datetime.now(UTC)
    for record in instance.get_run_records(RunsFilter(statuses=_IN_PROGRESS)):
        run = record.dagster_run
        silent = (now - record.update_timestamp.astimezone(UTC)).total_seconds()
        if DIGEST_TAG in run.tags and run.run_id not in working and silent > workspace.profile.lease_seconds:
            instance.report_run_failed(run, _MESSAGE)
            lost.append(run.run_id)
    return lost
