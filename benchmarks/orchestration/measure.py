"""One measurement in a process of its own, so that its peak memory is its own; prints one JSON value."""

import argparse
import cProfile
import io
import json
import os
import pstats
import resource
import shutil
import sys
import sysconfig
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from benchmarks.orchestration.stages import STAGES, install
from penstock import registry
from penstock.compiler.lanes import Lanes
from penstock.compiler.launch import Launcher
from penstock.execution.submit import submit
from penstock.execution.sweep import sweep
from penstock.execution.workspace import Workspace
from penstock.plan.load import load_topology
from penstock.plan.profiles import load_profile
from penstock.plan.topology import Topology
from penstock.records import AdapterRequest, StageContext, content_name

CONFIG = Path(__file__).parents[2] / "config"
REAL = ("IngestStage", "ParseStage", "ChunkStage", "EmbedStage", "IndexStage")
BATCH = 256
WORDS = 240


def configure(folder: Path, name: str, stages: tuple[str, ...], uses: dict[str, str]) -> Path:
    """The shipped configuration with a pipeline of these stages, one after another."""
    shutil.copytree(CONFIG, folder, dirs_exist_ok=True)
    steps: list[dict[str, Any]] = []
    for kind in stages:
        step = {"name": kind.removesuffix("Stage").lower(), "type": kind, "uses": uses.get(kind, "null")}
        steps.append(step | ({"depends_on": [steps[-1]["name"]]} if steps else {}))
    pipeline = {"version": "1.0", "name": name, "description": "for measurement", "stages": steps}
    (folder / "pipelines" / f"{name}.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False))
    return folder


def run(home: Path, config: Path, pipeline: str, target: str, workers: int = 1) -> dict[str, float]:
    """What `penstock run` does once its adapters are made, phase by phase, in seconds."""
    topology = load_topology(config, "tiny", pipeline)
    workspace = Workspace(home, config, load_profile(config, "tiny"))
    for stage in topology.stages:
        workspace.stages.form(stage)
    marks = [time.perf_counter()]
    with Lanes(workspace, topology, workers - 1) as lanes:
        submission = submit(workspace, topology, [target], tenant="default", on_jobs=lanes.feed)
        marks.append(time.perf_counter())
        launcher = Launcher(workspace, topology, lanes=lanes)
        launcher.run(submission.jobs, lambda done, total: _send_events(workspace))
    marks.append(time.perf_counter())
    sweep(workspace)
    _send_events(workspace)
    marks.append(time.perf_counter())
    workspace.close()
    phases = dict(zip(("submit", "run", "end"), (b - a for a, b in pairwise(marks)), strict=True))
    return phases | {"documents": submission.total, "unchanged": submission.unchanged}


def _send_events(workspace: Workspace) -> None:
    workspace.relay.send()


def null(folder: Path, documents: int, workers: int = 1) -> dict[str, Any]:
    """Documents through eight stages that do nothing; on a home that has them already, an unchanged re-run."""
    config = configure(folder / "config", "null", tuple(STAGES), {})
    run(folder / "home", config, "null", "null:1")  # loads the libraries and creates the home, whatever the size
    return run(folder / "home", config, "null", f"null:{documents}", workers)


def bare(folder: Path, documents: int, workers: int = 1, embedder: str = "hashing") -> dict[str, Any]:
    """Chunk, embed and index: once as a loop over the adapters' functions, once as a pipeline."""
    uses = {"ChunkStage": "haystack", "EmbedStage": embedder, "IndexStage": "hybrid"}
    config = configure(folder / "config", "real", REAL, uses)
    run(folder / "warm", config, "real", f"null:2:{WORDS}")  # both sides find the libraries loaded
    target = f"null:{documents}:{WORDS}"
    seconds = loop(folder / "bare", config, load_topology(config, "tiny", "real"), target)
    return {"loop": seconds} | run(folder / "home", config, "real", target, workers)


def loop(home: Path, config: Path, topology: Topology, target: str) -> float:
    """The same functions on the same batches, with neither ledger nor events nor artifacts; returns the seconds."""
    workspace = Workspace(home, config, load_profile(config, "tiny"))
    adapters = [workspace.adapter(stage) for stage in topology.stages]
    began = time.perf_counter()
    source = registry.build("Source", "null", registry.adapter("Source", "null").settings_type(), workspace.resources)
    items = list(source.discover(target))
    for first in range(0, len(items), BATCH):
        members: list[tuple[StageContext, Any]] = []
        for item in items[first : first + BATCH]:
            content = item.read()
            name = content_name(content)
            context = StageContext(
                tenant_id="default",
                doc_id=item.document_id,
                job_id="",
                correlation_id="",
                pipeline="real",
                pipeline_version="1.0",
                stage="",
                build=name,
            )
            request = AdapterRequest(
                document_id=item.document_id,
                source=item.source,
                locator=item.locator,
                raw=name,
                size=len(content),
                content=content,
            )
            members.append((context, request))
        workspace.resources.raw.put_many("default", [request.content for _, request in members])
        for adapter in adapters:
            members = [(member[0], value) for member, value in zip(members, _call(adapter, members), strict=True)]
    return time.perf_counter() - began


def _call(adapter: Any, members: list[tuple[StageContext, Any]]) -> list[Any]:
    if not hasattr(adapter, "execute_batch"):
        return [adapter.execute(context, value) for context, value in members]
    size = getattr(adapter, "batch_documents", None) or len(members)
    parts = [members[first : first + size] for first in range(0, len(members), size)]
    return [result for part in parts for result in adapter.execute_batch(part)]


def profiled(measure: Callable[[int], dict[str, Any]], documents: int, lines: int = 40) -> dict[str, Any]:
    """The same under cProfile: the functions of Penstock and its libraries that took longest, by their own path."""
    measure(1)  # what is paid once is paid here
    profile = cProfile.Profile()
    result = profile.runcall(measure, documents)
    text = io.StringIO()
    stats = pstats.Stats(profile, stream=text)
    stats.sort_stats("cumulative").print_stats(lines)
    shown = text.getvalue()
    project = CONFIG.parent
    for folder in (sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"), project / "src", project):
        shown = shown.replace(f"{folder}{os.sep}", "")
    return result | {"profile": shown}


def main() -> None:
    """Measure what the arguments name, and print it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("null", "bare", "profile"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("documents", type=int)
    parser.add_argument("workers", type=int, nargs="?", default=1)
    parser.add_argument("embedder", nargs="?", default="hashing")
    given = parser.parse_args()
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"
    with TemporaryDirectory() as plugins:
        install(Path(plugins) / "plugins")
        measures: dict[str, Callable[[], dict[str, Any]]] = {
            "null": lambda: null(given.folder, given.documents, given.workers),
            "bare": lambda: bare(given.folder, given.documents, given.workers, given.embedder),
            "profile": lambda: profiled(partial(null, given.folder), given.documents),
        }
        result = measures[given.what]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result["peak_mb"] = round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1)
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
