"""A batch through Dagster in this process: a run that the UI shows like any other, without a process of its own."""

import os

from dagster import DagsterEventType, DagsterInstance, ExecuteInProcessResult, JobDefinition
from dagster._core.errors import DagsterExecutionInterruptedError

from penstock.compiler.job import compile_job, run_config
from penstock.compiler.session import RESOURCE, Session, batch_tags
from penstock.errors import PenstockError
from penstock.execution.batch import BatchRun

LOCATION = "penstock.definitions"
"""What the code location of `penstock up` is called."""

_SHOWN_WITH = {".dagster/repository": f"__repository__@{LOCATION}"}
"""By this tag the page of a job finds its runs."""


def run_in_process(session: Session, instance: DagsterInstance, job: JobDefinition | None = None) -> None:
    """Take a session's batch through its segment, as the Dagster run of its run id.

    Raises what broke the run off: `KeyboardInterrupt` where that was a signal, and `PenstockError` otherwise.

    Args:
        job: the compiled segment, where there is one already.
    """
    batch = session.batch
    assert batch is not None
    result = (job or compile_job(batch.topology, batch.segment)).execute_in_process(
        instance=instance,
        run_id=batch.run_id,
        run_config=run_config(console="ERROR" if os.environ.get("PENSTOCK_DEBUG") else "CRITICAL"),
        resources={RESOURCE: session},
        tags=_SHOWN_WITH | batch_tags(batch),
        raise_on_error=False,
    )
    if not result.success:
        reason = _reason(result, session, batch)
        raise reason from (None if reason is session.error else session.error)


def _reason(result: ExecuteInProcessResult, session: Session, batch: BatchRun) -> BaseException:
    """Why a run broke off: the error itself where it is ours, the user's interrupt as such."""
    canceled = any(event.event_type == DagsterEventType.RUN_CANCELED for event in result.all_events)
    errors = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    errors += [event.job_failure_data.error for event in result.all_events if event.is_job_failure]
    error = next(filter(None, errors), None)
    cause = (error.cause or error) if error else None
    interrupted = isinstance(session.error, DagsterExecutionInterruptedError)
    # before a stage, between two, or on the way out of one, Dagster takes its own interrupt for a failure
    if canceled or interrupted or (cause and cause.cls_name == DagsterExecutionInterruptedError.__name__):
        return KeyboardInterrupt()
    if isinstance(session.error, PenstockError):
        return session.error
    shown = cause.message.strip().splitlines()[0] if cause else "no reason recorded"
    return PenstockError(
        f"Dagster run `{result.run_id}` of batch `{batch.batch}` broke off: {shown}",
        hint="penstock run … again finishes what is unfinished; PENSTOCK_DEBUG=1 shows more",
    )
