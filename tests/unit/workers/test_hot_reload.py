"""Hot reload under a real `penstock up`: an edit is live, a mistake changes nothing, what waits keeps its stages."""

import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from tests.command import Penstock, kill
from tests.unit.workers.test_up import free_port

PIPELINE = """\
version: "1"
name: waits
stages:
  - {name: ingest, type: IngestStage}
  - name: look
    type: Gate
    condition: {ledger_field: source, equals: nobody}
    resume_stage: parse
    depends_on: [ingest]
  - {name: parse, type: ParseStage, depends_on: [look], inputs: {RawPayload: ingest}}
"""
JOBS = "{ repositoriesOrError { ... on RepositoryConnection { nodes { jobs { name description } } } } }"
OPS = """{ graphOrError(selector: {repositoryName: "__repository__", repositoryLocationName: "penstock.definitions",
graphName: "%s"}) { ... on Graph { solidHandles { handleID } } } }"""


class Up:
    """A running `penstock up`."""

    def __init__(self, penstock: Penstock, port: int) -> None:
        self.penstock, self.port = penstock, port
        self.file = penstock.config / "pipelines" / "waits.yaml"
        self.process = penstock.start("up", "--port", port)

    def ask(self, query: str) -> Any:
        """What Dagster's webserver answers; nothing while it is not there."""
        body = json.dumps({"query": query}).encode()
        request = Request(f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=20) as answer:
                return json.load(answer)["data"]
        except (URLError, ConnectionError, TimeoutError):
            return None

    def jobs(self) -> dict[str, str]:
        """The jobs that the UI shows, and their descriptions."""
        found = self.ask(JOBS)
        nodes = found["repositoriesOrError"].get("nodes", []) if found else []
        return {job["name"]: job["description"] for node in nodes for job in node["jobs"]}

    def stages(self, job: str) -> set[str]:
        found = self.ask(OPS % job)
        return {each["handleID"] for each in found["graphOrError"].get("solidHandles", [])} if found else set()

    def events(self, kind: str) -> list[Any]:
        return self.penstock("events", "--type", f"org.medicalkg.orchestration.{kind}").ok().lines

    def wait(self, holds: Callable[[], Any], seconds: float = 240) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.2)

    def edit(self, change: Callable[[str], str]) -> None:
        self.file.write_text(change(self.file.read_text()))


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    penstock = Penstock.at(tmp_path)
    for path in (penstock.config / "pipelines").iterdir():
        path.unlink()
    (penstock.config / "pipelines" / "waits.yaml").write_text(PIPELINE)
    (tmp_path / "note.md").write_text("# Tea\n\nGreen tea.\n")
    up = Up(penstock, free_port())
    try:
        yield up
    except BaseException:
        kill(up.process)
        raise
    up.process.send_signal(signal.SIGTERM)
    _, err = up.process.communicate(timeout=100)
    assert up.process.returncode == 0, err[-3000:]


@pytest.mark.usefixtures("measured")
def test_an_edit_is_live_a_mistake_is_not_and_what_waits_keeps_its_stages(up: Up) -> None:
    job, behind = "waits_pipeline_job", "waits_pipeline_after_look_job"
    up.wait(lambda: job in up.jobs())
    up.penstock("submit", "waits", "--input", "note.md").ok()
    up.wait(lambda: up.penstock("status", "--json").ok().json["jobs"] == {"waiting": 1})

    up.edit(
        lambda text: (
            text.replace('"1"', '"2"').replace("name: parse", "name: read").replace("stage: parse", "stage: read")
        )
    )
    up.wait(lambda: up.stages(behind) == {"read"})
    up.wait(lambda: up.events("config.reloaded"))
    (told,) = up.events("config.reloaded")
    assert (told["subject"], told["data"]["pipeline_version"]) == ("waits", "2")
    old = next(name for name in up.jobs() if re.fullmatch(behind + "_[0-9a-f]{8}", name))
    assert up.stages(old) == {"parse"}, "the version that a document waits in is there"

    up.edit(lambda text: text.replace("depends_on: [ingest]", "depends_on: [ingset]"))
    up.wait(lambda: up.events("config.rejected"))
    assert up.stages(behind) == {"read"}, "the last sound version stays"
    (unsound,) = up.penstock("status", "--json").ok().json["config"]
    assert unsound["pipeline"] == "waits"
    assert "ingset" in unsound["problem"]
    assert "stays in force" in up.penstock("status").ok().out

    up.penstock("gate", "open", "file:note.md", "--gate", "look", "--reason", "read by hand").ok()
    up.wait(lambda: up.penstock("status", "--json").ok().json["jobs"] == {"completed": 1})
    (shown,) = up.penstock("show", "file:note.md", "--json").ok().json["jobs"]
    assert [stage["name"] for stage in shown["stages"]] == ["ingest", "parse"]

    up.edit(lambda text: text.replace("ingset", "ingest"))
    up.wait(lambda: not up.penstock("status", "--json").ok().json["config"])
    rolled = up.penstock("rollback", "waits", "--json").ok().json
    assert rolled["version"] == "1"
    up.wait(lambda: up.stages(behind) == {"parse"})
    listed = up.penstock("versions", "waits", "--json").ok().json["versions"]
    assert [(each["version"], each["in_force"]) for each in listed] == [("2", False), ("1", True)]
    plan = up.penstock("plan", "waits", "--input", "note.md", "--json").ok().json
    assert (plan["version"], plan["digest"]) == ("1", rolled["digest"])


def test_policies_come_in_force_when_they_are_sound(up: Up) -> None:
    file = up.penstock.config / "resilience.yaml"
    shipped = file.read_text()
    up.wait(lambda: "waits_pipeline_job" in up.jobs())
    file.write_text(shipped.replace("max_attempts: 3", "max_attempts: 4", 1))
    up.wait(lambda: _files(up) == {"resilience.yaml", "waits.yaml"})

    file.write_text(shipped.replace("max_attempts: 3", "max_attempts: 99", 1))
    up.wait(lambda: up.penstock("status", "--json").ok().json["config"])
    (unsound,) = up.penstock("status", "--json").ok().json["config"]
    assert unsound["pipeline"] == "waits", "what names the policy stays as it was"
    assert "resilience.yaml:15:19: `policies.default.max_attempts`" in unsound["problem"]
    assert len(up.events("config.reloaded")) == 2
    assert [event["subject"] for event in up.events("config.rejected")] == ["waits"]


def _files(up: Up) -> set[str]:
    """The files that have been told of: a policy is also part of the versions that name it."""
    return {event["data"]["file"] for event in up.events("config.reloaded")}
