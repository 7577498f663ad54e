"""Dagster's own storage, under the home: set up once, quiet, and safe for many processes at the first use."""

import fcntl
import os
from pathlib import Path

from dagster import DagsterInstance

from penstock.effects import effect

SETTINGS = """\
# Written by Penstock at the first use of this home. Yours to change: it is not written again.
telemetry:
  enabled: false
nux:
  enabled: false

# Dagster's local compute logs fork `tail` processes that outlive a killed run; failures are in the runs' metadata.
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager

# Dagster's SQLite storage with connections that stay open; for PostgreSQL, see Dagster's guide to `dagster.yaml`.
run_storage:
  module: penstock.compiler.storage
  class: RunHistory
  config:
    folder:
      env: DAGSTER_HOME
event_log_storage:
  module: penstock.compiler.storage
  class: EventHistory
  config:
    folder:
      env: DAGSTER_HOME
schedule_storage:
  module: dagster._core.storage.schedules
  class: SqliteScheduleStorage
  config:
    base_dir:
      env: DAGSTER_HOME

# The policies of the stages retry, and nothing else.
run_retries:
  enabled: false

run_coordinator:
  module: dagster._core.run_coordinator.queued_run_coordinator
  class: QueuedRunCoordinator
  config:
    max_concurrent_runs: 2
    dequeue_interval_seconds: 1
"""


def dagster_home(home: Path) -> Path:
    """Where Dagster keeps its state."""
    return home / "dagster"


def prepare(home: Path) -> Path:
    """Make Dagster's folder and tables where they are absent; returns the folder.

    Two processes that create the tables of one fresh folder at once crash each other, hence the lock.
    """
    folder = dagster_home(home).absolute()
    ready = folder / ".ready"
    if ready.exists():
        return folder
    with effect("dagster.mkdir"):
        folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            settings = folder / "dagster.yaml"
            if not settings.exists():
                with effect("dagster.settings"):
                    settings.write_text(SETTINGS)
            with open_instance(folder) as instance:
                instance.get_run_records(limit=1)
                instance.all_instigator_state()
            with effect("dagster.ready"):
                ready.touch()
    return folder


def open_instance(folder: Path) -> DagsterInstance:
    """The Dagster instance of a prepared folder."""
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    return DagsterInstance.from_config(str(folder))
