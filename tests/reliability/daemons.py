"""Dagster's sensor daemon over Penstock's code location, in forked children that are killed, doubled, or deprived.

python -m tests.reliability.daemons FOLDER SCENARIO REPEATS POINT…: prints what came of each. The folder holds `config`
and `home`, in which documents are queued; each repeat has a copy of that home.
"""

import importlib
import json
import logging
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

QUEUE = "penstock_queue_sensor"
POINTS = ("TICK_CREATED", "TICK_HELD", "RUN_IDS_RESERVED", "RUN_CREATED", "RUN_LAUNCHED")
"""Where Dagster's own tests kill its daemon (`check_for_debug_crash` in `dagster._daemon.sensor`)."""

OURS = ("BEFORE_PLANNING", "BATCHES_PLANNED")
"""Before and after the ledger has been written by the sensor."""

_WARM = (
    "dagster._core.test_utils",
    "dagster._core.workspace.context",
    "dagster._daemon.sensor",
    "penstock.audit",
    "penstock.compiler.sensors",
    "penstock.compiler.session",
    "penstock.events.cloudevents",
    "penstock.execution.submit",
    "penstock.plan.load",
)


class Place:
    """A home with queued documents. What is done there is done in children, each as new as a restarted daemon."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        self._ticks = 0

    def child(self, work: Callable[[], Any], result: Path | None = None) -> int:
        """Do some work in a child, to its end; returns its process id."""
        pid = os.fork()
        if pid:
            return pid
        code = 70
        try:
            os.environ |= {
                "PENSTOCK_HOME": str(self.home),
                "PENSTOCK_CONFIG": str(self.folder / "config"),
                "PENSTOCK_PROFILE": "notes",
                "DAGSTER_DISABLE_TELEMETRY": "yes",
            }
            value = work()
            if result is not None:
                result.write_text(json.dumps(value))
            code = 0
        except BaseException:  # the child must never go on as its parent
            logging.exception("a child of %s", self.home)
        finally:
            os._exit(code)

    def do(self, work: Callable[[], Any]) -> Any:
        """As `child`, and wait for what it returns."""
        result = self.home.with_suffix(".json")
        assert ended(self.child(work, result)) == 0
        return json.loads(result.read_text())

    def tick(self, crash: str = "") -> int:
        """One round of the daemon over all sensors; returns the child."""
        self._ticks += 1
        now = time.time() + 60 * self._ticks  # Dagster's clock: the least interval between ticks has passed
        return self.child(lambda: _tick(now, crash))


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _tick(now: float, crash: str) -> None:
    from dagster._core.test_utils import InProcessTestWorkspaceLoadTarget, freeze_time
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._daemon.sensor import execute_sensor_iteration

    from penstock.compiler import sensors

    if crash in OURS:
        planned = sensors.plan_batches

        def plan(*args: Any) -> Any:
            found = planned(*args) if crash == "BATCHES_PLANNED" else None
            os.kill(os.getpid(), signal.SIGKILL)
            return found

        sensors.plan_batches = plan
    flags: Any = {QUEUE: {crash: signal.SIGKILL}} if crash in POINTS else None
    with _instance() as instance:
        target = InProcessTestWorkspaceLoadTarget(_origin())
        with WorkspaceProcessContext(instance, target) as context, freeze_time(now):
            logger = logging.getLogger("daemon")
            errors = [each for each in execute_sensor_iteration(context, logger, None, None, None, flags) if each]
            assert errors == [], errors


def _origin() -> Any:
    from dagster._core.remote_origin import InProcessCodeLocationOrigin
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

    return InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="penstock.definitions"))


def _instance() -> Any:
    from penstock.compiler.instance import open_instance, prepare

    return open_instance(prepare(Path(os.environ["PENSTOCK_HOME"])))


def runs() -> list[str]:
    """The run key of each run that there is."""
    with _instance() as instance:
        return sorted(run.tags["dagster/run_key"] for run in instance.get_runs())


def work() -> dict[str, Any]:
    """Do what the queued runs are there for, all of them, and tell what came of the documents."""
    from dagster import DagsterRunStatus, RunsFilter

    from penstock.definitions import defs

    asked = runs()
    with _instance() as instance:
        queued = instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.QUEUED]))
        for run in reversed(queued):
            instance.report_run_canceled(run)  # it is run here, and not by the queue's daemon
            job = defs.get_job_def(run.job_name)
            tags = {name: value for name, value in run.tags.items() if name != "dagster/run_key"}
            done = job.execute_in_process(instance=instance, run_config=run.run_config, tags=tags)
            assert done.success
    return {"runs": asked, **_told()}


def _told() -> dict[str, Any]:
    from penstock.events.cloudevents import render
    from penstock.events.facts import decode
    from penstock.ledger.ledger import Ledger

    ledger = Ledger.open(Path(os.environ["PENSTOCK_HOME"]))
    with ledger.read() as cx:
        rows = list(ledger.outbox.all(cx))
        counts = {status: count for _, status, count in ledger.jobs.counts(cx)}
    ledger.close()
    events = [event for sequence, at, facts in rows for event in render(decode(facts), sequence, at, "p")]
    stages = Counter((each["subject"], each["data"]["stage"]) for each in events if each["type"] == "p.stage.completed")
    return {"jobs": counts, "executed": len(stages), "twice": sum(count > 1 for count in stages.values())}


# ── scenarios ───────────────────────────────────────────────────────────────────────────────────────────────────────


def killed(place: Place, point: str) -> dict[str, Any]:
    """The daemon is killed at a point of its tick; a new one ticks."""
    codes = [ended(place.tick(point)), ended(place.tick())]
    return {"codes": codes, **place.do(work)}


def doubled(place: Place, _: str) -> dict[str, Any]:
    """Two daemons tick at the same time, twice."""
    codes = []
    for _ in range(2):
        both = [place.tick(), place.tick()]
        codes.append([ended(each) for each in both])
    return {"codes": codes, **place.do(work)}


def forgetful(place: Place, _: str) -> dict[str, Any]:
    """All that Dagster remembers of its sensors is lost, and their cursors are garbage."""
    codes = [ended(place.tick())]
    before = place.do(runs)
    cursors = place.do(_forget)
    codes.append(ended(place.tick()))
    place.do(_garble)
    codes.append(ended(place.tick()))
    assert place.do(runs) == before
    return {"codes": codes, "cursors": cursors, **place.do(work)}


def _forget() -> list[Any]:
    """Delete the state of every sensor; returns the cursors that stood there."""
    cursors = []
    with _instance() as instance:
        for state in instance.all_instigator_state():
            cursors.append(state.instigator_data.cursor)
            instance.delete_instigator_state(state.instigator_origin_id, state.selector_id)
    return cursors


def _garble() -> None:
    from dagster._core.scheduler.instigation import SensorInstigatorData

    with _instance() as instance:
        for state in instance.all_instigator_state():
            instance.update_instigator_state(
                state.with_data(SensorInstigatorData(cursor="set back by a month", last_tick_timestamp=1.0))
            )


def meddled(place: Place, _: str) -> dict[str, Any]:
    """Somebody deletes runs in the UI before they begin, and after; and runs one again that is done."""
    codes = [ended(place.tick())]
    before = place.do(runs)
    place.do(_delete_first)
    codes.append(ended(place.tick()))
    first = place.do(work)
    again = place.do(_execute_again)
    place.do(_delete_first)
    codes.append(ended(place.tick()))
    return {"codes": codes, "before": before, "again": again, **first}


def _delete_first() -> None:
    with _instance() as instance:
        instance.delete_run(sorted(run.run_id for run in instance.get_runs())[0])


def _execute_again() -> dict[str, Any]:
    """As the UI's *re-execute* does it: the same config and tags, in a new run."""
    from penstock.definitions import defs

    with _instance() as instance:
        run = instance.get_runs()[0]
        job = defs.get_job_def(run.job_name)
        done = job.execute_in_process(instance=instance, run_config=run.run_config, tags=dict(run.tags))
        assert done.success
    return _told()


SCENARIOS = {"killed": killed, "doubled": doubled, "forgetful": forgetful, "meddled": meddled}


def main() -> None:
    folder, scenario, repeats, points = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:]
    for each in _WARM:
        importlib.import_module(each)
    assert ended(Place(folder, folder / "home").child(lambda: _instance().dispose())) == 0
    found = []
    for repeat in range(repeats):
        for point in points or [""]:
            home = folder / "places" / f"{scenario}-{point}-{repeat}"
            shutil.copytree(folder / "home", home)
            found.append({"point": point, **SCENARIOS[scenario](Place(folder, home), point)})
            shutil.rmtree(home)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
