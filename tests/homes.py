"""Homes with documents in them, made by the real stages and stores of the profile `tiny`, without Dagster."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from penstock.audit.mend import Repair, repair
from penstock.execution.batch import claim_batch
from penstock.execution.removal import delete
from penstock.execution.runner import run_stage
from penstock.execution.submit import submit
from penstock.execution.sweep import sweep
from penstock.execution.workspace import Workspace
from penstock.plan.load import load_topology
from penstock.plan.profiles import load_profile
from penstock.plan.topology import Topology

CONFIG = Path(__file__).parents[1] / "config"
PAPERS = {
    "aspirin.md": "# Aspirin after a heart attack\n\n## Background\n\nAspirin lowers the risk of a second heart attack "
    "in adults with hypertension.\n\n## Methods\n\nWe gave 100 mg a day to 240 people for two years.\n",
    "metformin.md": "# Metformin and diabetes\n\nMetformin treats type 2 diabetes mellitus in adults.\n",
    "tea.md": "# Tea\n\nGreen tea is a drink. It is not known to treat diabetes mellitus.\n",
}


@dataclass
class Home:
    """A home, its config folder and a folder of documents."""

    path: Path
    config: Path
    documents: Path

    def __post_init__(self) -> None:
        profile = load_profile(self.config, "tiny").model_copy(update={"isolation": "inline"})
        self.workspace = Workspace(self.path, self.config, profile)

    def write(self, texts: dict[str, str]) -> None:
        """Write documents by file name."""
        self.documents.mkdir(exist_ok=True)
        for name, text in texts.items():
            (self.documents / name).write_text(text)

    def ingest(self, *targets: Path, tenant: str = "default", pipeline: str = "auto", stop_before: str = "") -> None:
        """Take the documents, or these targets, through a pipeline; with `stop_before` as if killed before a stage."""
        topology = load_topology(self.config, "tiny", pipeline)
        names = [str(each) for each in targets or (self.documents,)]
        jobs = submit(self.workspace, topology, names, tenant=tenant).jobs
        self.work(topology, jobs, stop_before)

    def work(self, topology: Topology, jobs: Sequence[str], stop_before: str = "") -> None:
        """Take queued jobs through a pipeline without gates, as a run does."""
        with self.workspace.ledger.worker(60) as worker:
            while batch := claim_batch(self.workspace, worker, topology, 0, ids=jobs):
                for stage in batch.stages:
                    if stage.name == stop_before:
                        return
                    run_stage(batch, stage)

    def repair(self, **options: Any) -> Repair:
        """`penstock repair`, without Dagster."""

        def run(jobs: Sequence[str]) -> None:
            with self.workspace.ledger.read() as cx:
                versions = {job.job: job.topology for job in self.workspace.ledger.jobs.get(cx, jobs).values()}
            for digest in sorted(set(versions.values())):
                self.work(self.workspace.topology(digest), [job for job in jobs if versions[job] == digest])

        return repair(self.workspace, run, **options)

    def sweep(self) -> None:
        sweep(self.workspace)

    def delete(self, *names: str, tenant: str = "default") -> None:
        delete(self.workspace, tenant, names)


@pytest.fixture
def new_home(tmp_path: Path) -> Iterator[Callable[..., Home]]:
    """`new_home()` is an empty home with its own config; `new_home(other)` a copy of another one."""
    made: list[Home] = []

    def make(other: Home | None = None) -> Home:
        folder = tmp_path / str(len(made))
        shutil.copytree(other.config if other else CONFIG, folder / "config")
        if other is not None:
            shutil.copytree(other.path, folder / "home")
            shutil.copytree(other.documents, folder / "documents")
        made.append(Home(folder / "home", folder / "config", folder / "documents"))
        return made[-1]

    yield make
    for each in made:
        each.workspace.close()


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with three papers, for looking only."""
    folder = tmp_path_factory.mktemp("papers")
    shutil.copytree(CONFIG, folder / "config")
    home = Home(folder / "home", folder / "config", folder / "documents")
    home.write(PAPERS)
    home.ingest()
    yield home
    home.workspace.close()
