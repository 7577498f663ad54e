"""What a run came to, as one JSON value: documents by end state, what each stage did, failures with their reasons."""

from collections.abc import Mapping
from typing import Any

from penstock.execution.report import StageOutcome
from penstock.execution.submit import Refusal, Submission
from penstock.execution.workspace import Workspace
from penstock.ledger.database import slices
from penstock.ledger.status import JobStatus, is_failure
from penstock.plan.topology import Topology


def run_result(
    workspace: Workspace, topology: Topology, submission: Submission, stages: Mapping[str, StageOutcome]
) -> dict[str, Any]:
    """The report of a run (`penstock run --json`), without its run ids and seconds.

    Args:
        stages: what each stage did in this process; empty where nothing was to be done.
    """
    waiting, failures = _ends(workspace, [*submission.jobs, *submission.failed])
    failures += [_refused(topology, each) for each in submission.refused]
    total = submission.total
    return {
        "pipeline": topology.pipeline,
        "version": topology.version,
        "documents": {
            "total": total,
            "done": total - submission.unchanged - len(failures) - waiting,
            "unchanged": submission.unchanged,
            "failed": len(failures),
            "waiting": waiting,
        },
        "stages": [
            {
                "name": stage.name,
                "type": stage.type,
                "executed": stages[stage.name].executed if stages else 0,
                "reused": submission.unchanged + (stages[stage.name].reused if stages else 0),
                "failed": stages[stage.name].failed if stages else 0,
                "seconds": round(stages[stage.name].seconds, 3) if stages else 0.0,
            }
            for stage in topology.stages
            if stage.gate is None
        ],
        "failures": failures,
    }


def _ends(workspace: Workspace, jobs: list[str]) -> tuple[int, list[dict[str, Any]]]:
    """How many of the jobs wait at a gate, and the failed ones."""
    waiting = 0
    failures: list[dict[str, Any]] = []
    with workspace.ledger.read() as cx:
        for part in slices(jobs):
            for job in workspace.ledger.jobs.get(cx, part).values():
                waiting += job.status == JobStatus.WAITING
                if is_failure(job.status):
                    failures.append(
                        {
                            "document": job.document,
                            "stage": job.error_stage,
                            "status": job.status,
                            "error_type": job.error_type,
                            "message": job.error_message,
                        }
                    )
    return waiting, failures


def _refused(topology: Topology, refusal: Refusal) -> dict[str, Any]:
    return {
        "document": refusal.document,
        "stage": topology.stages[0].name,
        "status": "rejected",
        "error_type": refusal.error_type,
        "message": refusal.message,
    }
