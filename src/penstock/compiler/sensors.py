"""Sensors: what the ledger wants done becomes Dagster runs. They decide nothing themselves (`execution.planning`)."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing

from dagster import (
    DagsterInstance,
    DefaultSensorStatus,
    JobDefinition,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
)

from penstock.compiler.job import run_config
from penstock.compiler.lost_runs import end_lost_runs
from penstock.compiler.session import BATCH_TAG
from penstock.execution.planning import plan_batches, run_key
from penstock.execution.workspace import Workspace
from penstock.ledger.status import JobStatus

RUN_KEY_TAG = "dagster/run_key"
_SECONDS = 3
"""Dagster's daemon looks every five: a sensor that asked for five would be passed over for some milliseconds."""

JobNames = Mapping[tuple[str, int], str]
"""(topology digest, segment) → the name of its job in this code location."""


def queue_sensor(
    open_workspace: Callable[[], Workspace],
    jobs: Collection[JobDefinition],
    names: JobNames,
    problems: int,
    patience: float = 0.0,
) -> SensorDefinition:
    """The sensor that starts what `penstock submit` and schedules have queued."""
    return _sensor("penstock_queue_sensor", open_workspace, jobs, names, problems, patience, gated=False)


def gate_sensor(
    open_workspace: Callable[[], Workspace],
    jobs: Collection[JobDefinition],
    names: JobNames,
    problems: int,
    patience: float = 0.0,
) -> SensorDefinition:
    """The sensor that takes jobs on whose gate has opened."""
    return _sensor("pdf_ir_ready_sensor", open_workspace, jobs, names, problems, patience, gated=True)


def _sensor(
    name: str,
    open_workspace: Callable[[], Workspace],
    jobs: Collection[JobDefinition],
    names: JobNames,
    problems: int,
    patience: float,
    *,
    gated: bool,
) -> SensorDefinition:
    def evaluate(context: SensorEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        with closing(open_workspace()) as workspace:
            workspace.ledger.recover()
            end_lost_runs(context.instance, workspace)
            batches = plan_batches(workspace, gated, names.keys(), lambda key: _ended(context.instance, key), patience)
            with workspace.ledger.read() as cx:
                queued = workspace.ledger.versions_in_flight(cx, JobStatus.QUEUED)
        for batch in batches:
            yield RunRequest(
                run_key=run_key(batch),
                job_name=names[batch.topology, batch.segment],
                run_config=run_config(batch.batch),
                tags={BATCH_TAG: batch.batch, "penstock/documents": str(batch.size)},
            )
        notes = [f"{problems} problems in the configuration: penstock validate"] if problems else []
        unknown = [digest for digest in queued if (digest, 0) not in names]
        if unknown:
            notes.append(f"{len(unknown)} pipeline versions are queued that this location has not loaded: reload it")
        for note in notes:
            context.log.warning(note)
        if not batches:
            yield SkipReason("; ".join(notes) or ("no gate has opened" if gated else "nothing is queued"))

    what = "Takes jobs on whose gate has opened." if gated else "Starts a run for each batch of queued documents."
    return SensorDefinition(
        name,
        evaluation_fn=evaluate,
        jobs=list(jobs),
        minimum_interval_seconds=_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description=f"{what} Run keys are `<batch>:<generation>`; the ledger decides, so two daemons do no harm.",
    )


def _ended(instance: DagsterInstance, key: str) -> bool:
    runs = instance.get_runs(filters=RunsFilter(tags={RUN_KEY_TAG: key}), limit=1)
    return bool(runs) and runs[0].is_finished
