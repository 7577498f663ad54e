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

RUN_KEY_TAG = "dagster/run_key"
_SECONDS = 5

JobNames = Mapping[tuple[str, int], str]
"""(topology digest, segment) → the name of its job in this code location."""


def queue_sensor(
    open_workspace: Callable[[], Workspace], jobs: Collection[JobDefinition], names: JobNames, problems: int
) -> SensorDefinition:
    """The sensor that starts what `penstock submit` and schedules have queued."""
    return _sensor("penstock_queue_sensor", open_workspace, jobs, names, problems, gated=False)


def gate_sensor(
    open_workspace: Callable[[], Workspace], jobs: Collection[JobDefinition], names: JobNames, problems: int
) -> SensorDefinition:
    """The sensor that takes jobs on whose gate has opened."""
    return _sensor("pdf_ir_ready_sensor", open_workspace, jobs, names, problems, gated=True)


def _sensor(
    name: str,
    open_workspace: Callable[[], Workspace],
    jobs: Collection[JobDefinition],
    names: JobNames,
    problems: int,
    *,
    gated: bool,
) -> SensorDefinition:
    def evaluate(context: SensorEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        with closing(open_workspace()) as workspace:
            workspace.ledger.recover()
            end_lost_runs(context.instance, workspace)
            batches = plan_batches(workspace, gated, lambda key: _ended(context.instance, key))
        unknown = 0
        for batch in batches:
            job = names.get((batch.topology, batch.segment))
            if job is None:
                unknown += 1
                continue
            yield RunRequest(
                run_key=run_key(batch),
                job_name=job,
                run_config=run_config(batch.batch),
                tags={BATCH_TAG: batch.batch, "penstock/documents": str(batch.size)},
            )
        notes = [f"{problems} problems in the configuration: penstock validate"] if problems else []
        if unknown:
            notes.append(
                f"{unknown} batches are of pipeline versions that this code location has not loaded: reload it"
            )
        for note in notes:
            context.log.warning(note)
        if len(batches) == unknown:
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
