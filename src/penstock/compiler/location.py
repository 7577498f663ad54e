"""A Dagster code location: the jobs and sensors of everything in a config folder, and of what a ledger still needs."""

import logging
from pathlib import Path

from dagster import Definitions, JobDefinition

from penstock.compiler.job import compile_job
from penstock.compiler.sensors import gate_sensor, queue_sensor
from penstock.compiler.session import session_resource
from penstock.execution.releases import in_force
from penstock.execution.workspace import Workspace
from penstock.plan.load import load_config
from penstock.plan.topology import Topology

DISPATCHER_FIRST_SECONDS = 2.0
"""What is queued for a shorter time is left to the dispatcher, where there is one: a run takes longer to start."""

_log = logging.getLogger("penstock.definitions")


def definitions_of(home: Path, config: Path, profile: str) -> Definitions:
    """Definitions of everything in a config folder, and of what the ledger of the home still needs.

    A pipeline file that is not sound is logged: the version that was in force before stays, and without one the
    pipeline is left out. Versions that are no longer in force are there for as long as jobs of theirs are in flight.
    """
    loaded = load_config(config, profile)
    for problem in loaded.problems:
        _log.error(problem.render())

    def open_workspace() -> Workspace:
        return Workspace(home, config, loaded.profile)

    workspace = open_workspace()
    current = {topology.digest: topology for topology in in_force(workspace, loaded).values()}
    older: dict[str, Topology] = {}
    if workspace.existing_ledger is not None:
        with workspace.existing_ledger.read() as cx:
            digests = workspace.existing_ledger.versions_in_flight(cx)
        older = {digest: workspace.topology(digest) for digest in digests if digest not in current}
    workspace.close()
    jobs: list[JobDefinition] = []
    names: dict[tuple[str, int], str] = {}
    for topology in [*current.values(), *older.values()]:
        for segment in range(topology.segments):
            session = session_resource(open_workspace, topology, segment)
            job = compile_job(topology, segment, session, superseded=topology.digest in older)
            jobs.append(job)
            names[topology.digest, segment] = job.name
    problems = len(loaded.problems)
    patience = DISPATCHER_FIRST_SECONDS if loaded.profile.dispatch else 0.0
    sensors = [each(open_workspace, jobs, names, problems, patience) for each in (queue_sensor, gate_sensor)]
    return Definitions(jobs=jobs, sensors=sensors)
