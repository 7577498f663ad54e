"""Nobody but the guard tries again: what every library does by itself, and that it is off."""

import re
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from dagster import DagsterInstance
from tests.homes import CONFIG
from tests.rest_server import declared
from tests.unit.execution.scene import INGEST, PARSE, Scene, pipeline
from tests.wire_server import WireServer, reset_at_once

from penstock.adapters.embed.openai import OpenAIEmbedder, OpenAISettings
from penstock.adapters.sources.rest import RestSource
from penstock.adapters.sources.rest_settings import RestSettings
from penstock.compiler.job import compile_job, run_config
from penstock.compiler.session import session_resource
from penstock.endpoints import http_error
from penstock.errors import PenstockError, PermanentError, StageError
from penstock.execution.workspace import Workspace
from penstock.ledger.ledger import Ledger
from penstock.plan.load import load_topology
from penstock.testing.factories import make_chunks, make_context, make_resources

PROJECT = Path(__file__).parents[3]

SILENT = "asks nobody over a network"
LIBRARIES = {
    **dict.fromkeys(
        [
            *("ahocorasick-rs", "aiolimiter", "alembic", "cloudevents", "defusedxml", "docutils", "faiss-cpu", "lxml"),
            *("markdown-it-py", "msgspec", "numpy", "onnx", "onnxruntime", "pdfplumber", "pillow", "pybreaker"),
            *("pydantic", "pypdfium2", "pyyaml", "rich", "selectolax", "tantivy", "tenacity", "tokenizers", "typer"),
        ],
        SILENT,
    ),
    "confluent-kafka": "sends again within the bounded time of one delivery, and doubles nothing (idempotence)",
    "dagster": "`run_retries` is off, and no op and no job has a retry policy",
    "dagster-webserver": "serves, and asks nobody",
    "haystack-ai": "`max_retries=0` for its openai client, `raise_on_failure=True` for its embedder",
    "httpcore": "`retries=0` in `BoundedTransport`",
    "httpx": "used with `BoundedTransport`, `follow_redirects=False`",
    "obstore": "`max_retries` 0 in its retry settings",
    "openai": "`max_retries=0` for its client",
    "psycopg": "connects once; a statement is never sent again",
    "trafilatura": "given the page, it fetches nothing",
    "sqlalchemy": "replaces a pooled connection that is dead before a transaction, never in one",
}
"""How the retries of each library that Penstock may depend on are off. Whoever adds one says so here."""


def dependencies() -> set[str]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(each for extra in project["optional-dependencies"].values() for each in extra)]
    names = (re.match(r"[\w.-]+", line) for line in lines)
    return {re.sub(r"[-_.]+", "-", name[0]).lower() for name in names if name}


def test_of_every_dependency_it_is_known_whether_it_retries() -> None:
    assert dependencies() == set(LIBRARIES)


SERVICE = "https://service.example"


def embed() -> Callable[[], object]:
    settings = OpenAISettings.model_validate({"base_url": SERVICE, "model": "small", "dimension": 3})
    adapter = OpenAIEmbedder(settings, make_resources(Path()))
    return lambda: adapter.execute(make_context(), make_chunks(1))


def discover() -> Callable[[], object]:
    adapter = RestSource(RestSettings.model_validate(declared("clinicaltrials", SERVICE)), make_resources(Path()))
    return lambda: list(adapter.discover("clinicaltrials:cancer"))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("adapter", [embed, discover], ids=lambda adapter: adapter.__name__)
def test_every_status_is_answered_by_its_type_after_one_request(adapter: Callable[[], Callable[[], object]]) -> None:
    ask = adapter()
    asked: Counter[int] = Counter()
    for status in (*range(300, 309), *range(400, 452), *range(500, 531)):
        with respx.mock(base_url=SERVICE) as router:
            route = router.route().mock(return_value=httpx.Response(status, headers={"Retry-After": "0.001"}, json={}))
            with pytest.raises(StageError) as caught:
                ask()
        assert type(caught.value) is type(http_error("", status)), status
        asked[route.call_count] += 1
    assert asked == {1: 92}


def test_a_database_that_is_not_well_is_asked_once(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed (pip install 'penstock[postgres]')")
    with WireServer(reset_at_once) as server:
        address = f"postgresql://127.0.0.1:{server.port}/ledger?sslmode=disable&gssencmode=disable"
        with pytest.raises(PenstockError):
            Ledger.open(tmp_path, address)
    assert server.connections == 1


def test_dagster_runs_a_failed_document_once(scene: Scene, toys: Any, instance: DagsterInstance) -> None:
    scene.write(a="aspirin")
    topology = pipeline(INGEST, PARSE, name="fails")
    toys.on["parse"] = failing
    scene.submit(topology)

    def again() -> Workspace:
        return Workspace(scene.home, scene.workspace.config, scene.workspace.profile)

    job = compile_job(topology, 0, session_resource(again, topology, 0))
    job.execute_in_process(instance=instance, run_config=run_config(), raise_on_error=False)
    assert [call for call in toys.calls if call[0] == "parse"] == [("parse", "file:a.txt", 1)]
    assert len(instance.get_runs()) == 1


def failing(ctx: Any, value: Any) -> None:
    raise PermanentError("no")


def test_dagster_has_no_policy_to_run_anything_again(instance: DagsterInstance) -> None:
    assert instance.run_retries_enabled is False
    for name in ("auto", "clinical-trials", "pdf-two-phase", "pmc-fulltext"):
        topology = load_topology(CONFIG, "tiny", name)
        for segment in range(topology.segments):
            job = compile_job(topology, segment)
            policies = [node.definition.retry_policy or node.retry_policy for node in job.nodes]
            assert (len(policies) >= 1, set(policies), job.op_retry_policy) == (True, {None}, None)
