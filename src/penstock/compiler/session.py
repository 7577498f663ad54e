"""What the ops of one Dagster run share: the batch that the run takes through its segment, held under a lease."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from dagster import Field, InitResourceContext, ResourceDefinition

from penstock.errors import LostLeaseError
from penstock.execution.batch import BatchRun, claim_batch
from penstock.execution.report import StageOutcome
from penstock.execution.runner import run_stage
from penstock.execution.sweep import sweep
from penstock.execution.workspace import Workspace
from penstock.plan.topology import Topology

RESOURCE = "penstock"
BATCH_TAG = "penstock/batch"


def batch_tags(batch: BatchRun) -> dict[str, str]:
    """What a run is tagged by besides its pipeline and version: the batch, how many documents, whose they are."""
    tenants = sorted({job.tenant for job in batch.jobs.values()})
    shown = tenants[0] if len(tenants) == 1 else f"{len(tenants)} tenants"
    return {BATCH_TAG: batch.batch, "penstock/documents": str(batch.size), "penstock/tenant": shown}


class Session:
    """A batch and the outcomes of its stages so far; `error` is what broke the run off."""

    def __init__(self, batch: BatchRun | None) -> None:
        self.batch = batch
        self.outcomes: list[StageOutcome] = []
        self.lost = False
        self.error: BaseException | None = None

    def run(self, stage: str) -> StageOutcome:
        """Take the batch through a stage. A batch that another worker has taken over is left to it."""
        planned = self.batch.topology.stage(stage) if self.batch else None
        if self.batch is None or planned is None or self.lost:
            return StageOutcome(stage, planned.type if planned else "")
        try:
            outcome = run_stage(self.batch, planned)
        except LostLeaseError:
            self.lost = True
            return StageOutcome(stage, planned.type)
        except BaseException as exc:
            self.error = exc
            raise
        self.outcomes += [outcome, *self.batch.recomputed]
        self.batch.recomputed.clear()
        return outcome

    def let_go(self) -> None:
        """Forget the batch: what Dagster keeps of a run refers to the session until Python's collector looks for it."""
        self.batch, self.outcomes = None, []

    @property
    def waiting(self) -> int:
        """How many of the batch's documents have come to the gate that ends the segment."""
        return len(self.batch.jobs) if self.batch and not self.batch.open_stages else 0


def session_resource(open_workspace: Callable[[], Workspace], topology: Topology, segment: int) -> ResourceDefinition:
    """The resource of jobs that Dagster's daemon launches: claims the batch that the run config names.

    Without a batch (a run started by hand in the UI) it claims what is queued for the pipeline, up to a batch's size.
    """

    @contextmanager
    def open_session(context: InitResourceContext) -> Iterator[Session]:
        workspace = open_workspace()
        ledger, profile = workspace.ledger, workspace.profile
        with closing(workspace):
            ledger.recover()
            with ledger.worker(profile.lease_seconds) as worker:
                with ledger.begin() as cx:
                    ledger.keep_topology(cx, topology.digest, topology.pipeline, topology.version, topology.encode())
                batch = claim_batch(
                    workspace,
                    worker,
                    topology,
                    segment,
                    batch=context.resource_config["batch"] or None,
                    run_id=context.run.run_id if context.run else "",
                    limit=profile.batch.documents,
                )
                if batch and context.run and context.instance:
                    context.instance.add_run_tags(context.run.run_id, batch_tags(batch))
                workspace.stages.prepare(batch.stages if batch else ())
                yield Session(batch)
            sweep(workspace)
            workspace.send_events()

    return ResourceDefinition(
        open_session,
        config_schema={
            "batch": Field(str, default_value="", description="A batch of the ledger; empty: whatever is queued.")
        },
        description="The batch that the run takes through its stages.",
    )
