"""A project made by `create-dagster` mounts a folder of Penstock pipelines by five lines of YAML."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.command import PROJECT, Penstock

BIN = Path(sys.executable).parent
MOUNT = """\
type: penstock.component.Pipelines
attributes:
  config: config
  home: state
  profile: tiny
"""

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]
"""`dg` loads Dagster anew for every command: what takes so long stands beside the servers."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = [BIN / "create-dagster", "project", "demo", "--no-uv-sync"]
    environment = _environment(tmp_path)
    subprocess.run(made, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=400)
    folder = tmp_path / "demo"
    shutil.copytree(PROJECT / "config", folder / "config")
    (folder / "src" / "demo" / "defs" / "documents").mkdir()
    (folder / "src" / "demo" / "defs" / "documents" / "defs.yaml").write_text(MOUNT)
    return folder


def test_a_project_mounts_pipelines_and_takes_what_was_submitted(project: Path) -> None:
    listed = json.loads(dg(project, "list", "components", "--json").stdout)["items"]
    found = {each["key"]: each["summary"] for each in listed}
    assert "The pipelines of a Penstock config folder" in found["penstock.component.Pipelines"]
    (project / "config" / "pipelines" / "broken.yaml").write_text("version: 1.0\nname: broken\nstages: []\n")
    told = dg(project, "check", "defs")
    assert "broken.yaml:1:10" in told.stdout + told.stderr, "it is left out, and loud; the others are there"
    documents = project / "notes"
    documents.mkdir()
    (documents / "tea.md").write_text("# Tea\n\nGreen tea is a drink.\n")
    penstock = Penstock(project / "state", project / "config", {"PENSTOCK_PROFILE": "tiny"})
    penstock("submit", "auto", "--input", documents).ok()
    dg(project, "launch", "--job", "auto_pipeline_job")
    shown = penstock("show", "file:tea.md", "--json").ok().json
    assert [job["status"] for job in shown["jobs"]] == ["completed"]
    assert penstock("audit", "--json").ok().json["consistent"]


def test_the_guide_mounts_what_is_tested() -> None:
    assert f'defs.yaml"\n{MOUNT}```' in (PROJECT / "docs/guides/dagster-project.md").read_text()


def test_a_mistake_in_the_mount_is_told_by_dg(project: Path) -> None:
    mount = project / "src" / "demo" / "defs" / "documents" / "defs.yaml"
    mount.write_text(MOUNT.replace("home: state", "hoem: state"))
    told = dg(project, "check", "yaml", ok=False)
    assert "hoem" in told.stdout + told.stderr


def dg(project: Path, *arguments: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
    environment = _environment(project.parent) | {"PYTHONPATH": str(project / "src")}
    done = subprocess.run(
        [BIN / "dg", *arguments], cwd=project, env=environment, capture_output=True, text=True, timeout=400
    )
    assert (done.returncode == 0) is ok, done.stdout + done.stderr
    return done


def _environment(folder: Path) -> dict[str, str]:
    """A user's, with a home of its own: `dg` keeps its settings there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER_", "PENSTOCK_"))}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return kept | {"HOME": str(folder), "PATH": path, "VIRTUAL_ENV": str(BIN.parent), "DAGSTER_DISABLE_TELEMETRY": "1"}
