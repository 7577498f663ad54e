"""The real MinerU, where it is named: what needs no model (`MINERU_4=…/bin`, `MINERU_3=…/bin`).

    python -m venv m4 && m4/bin/pip install mineru==4.0.12
    MINERU_4=m4/bin make test-services

Release 4 reads the characters of a PDF without a model (`--tier flash`); release 3 takes a task and fails it, for lack
of torch. Both tell in their OpenAPI schema what they accept.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from penstock.adapters.mineru.api import Release3, Release4
from penstock.adapters.mineru.command import MinerUCommand
from penstock.adapters.mineru.reader import MinerUReader
from penstock.adapters.mineru.settings import MinerUCommandSettings, MinerUServerSettings
from penstock.errors import UnavailableError
from penstock.records import RawPayload
from penstock.testing import PDFReaderContract
from penstock.testing.factories import make_context, make_payload, make_pdf, make_resources

pytestmark = pytest.mark.services
START_SECONDS = 280.0


def program(name: str, release: int) -> str:
    path = shutil.which(name, path=os.environ.get(f"MINERU_{release}", ""))
    if path is None:
        pytest.skip(f"MINERU_{release} names no folder with MinerU's programs (see the head of this file)")
    return path


@contextmanager
def serving(release: int, folder: Path, *options: str) -> Iterator[str]:
    """A real server of that release; its address. It keeps its files below `folder`."""
    path = program("mineru-api", release)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {"HOME": str(folder), "MINERU_API_OUTPUT_ROOT": str(folder / "output")}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [path, "--host", "127.0.0.1", "--port", str(port), *options],
            stdout=log, stderr=subprocess.STDOUT, cwd=folder, env=environment,
        )  # fmt: skip # a table: one entry a line would hide its shape
    address = f"http://127.0.0.1:{port}"
    until = time.monotonic() + START_SECONDS
    try:
        while True:
            try:
                fetched(f"{address}/{'v1/' if release == 4 else ''}health")
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    pytest.fail(f"`mineru-api` did not start:\n{(folder / 'log').read_text()[-2000:]}")
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait()


def fetched(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def release_4(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(4, tmp_path_factory.mktemp("mineru4"), "--tier", "flash") as address:
        yield address


@pytest.fixture(scope="module")
def release_3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(3, tmp_path_factory.mktemp("mineru3")) as address:
        yield address


def settings(address: str, **values: Any) -> MinerUServerSettings:
    return MinerUServerSettings.model_validate({"servers": [address], "device": "cpu", "tier": "flash"} | values)


PDF = make_payload(make_pdf("Pumps move water.", "Valves stop it."), kind="pdf", document_id="file:pumps.pdf")


class TestServerOfRelease4(PDFReaderContract):
    @pytest.fixture
    def adapter(self, release_4: str, tmp_path: Path) -> MinerUReader:
        return MinerUReader(settings(release_4, ocr="txt"), make_resources(tmp_path))


class TestCommandOfRelease4(PDFReaderContract):
    @pytest.fixture
    def adapter(self) -> MinerUCommand:
        command = program("mineru-kit", 4)
        values = {"command": command, "device": "cpu", "tier": "flash", "ocr": "txt"}
        return MinerUCommand(MinerUCommandSettings.model_validate(values), make_resources(Path()))

    @pytest.fixture
    def payload(self) -> RawPayload:
        return PDF


def test_release_4_accepts_what_it_is_asked(release_4: str) -> None:
    schema = fetched(f"{release_4}/openapi.json")
    post = schema["paths"]["/v1/tasks"]["post"]
    accepted = {each["name"]: each["schema"] for each in post["parameters"]}
    submission = Release4(settings(release_4)).submission(b"%PDF")
    assert set(submission["params"]) <= set(accepted)
    assert submission["headers"]["content-type"] in post["requestBody"]["content"]
    assert {"/v1/tasks/{task_id}", "/v1/tasks/{task_id}/result", "/v1/health"} <= set(schema["paths"])
    assert "delete" in schema["paths"]["/v1/tasks/{task_id}"]


def test_release_3_accepts_what_it_is_asked(release_3: str) -> None:
    schema = fetched(f"{release_3}/openapi.json")
    content = schema["paths"]["/tasks"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    form = schema["components"]["schemas"][content["$ref"].rpartition("/")[2]]["properties"]
    submission = Release3(settings(release_3, release=3)).submission(b"%PDF")
    assert {*submission["data"], *submission["files"]} <= set(form)
    assert submission["data"]["backend"] in form["backend"]["enum"]
    assert {"/tasks/{task_id}", "/tasks/{task_id}/result", "/health"} <= set(schema["paths"])


def test_a_tier_that_is_not_served_is_told(release_4: str, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="does not serve this tier"):
        MinerUReader(settings(release_4, tier="basic"), make_resources(tmp_path)).read(make_context(), PDF)


def test_release_3_without_torch_is_told(release_3: str, tmp_path: Path) -> None:
    adapter = MinerUReader(settings(release_3, release=3, backend="pipeline"), make_resources(tmp_path))
    with pytest.raises(UnavailableError, match="lacks models, or what runs them"):
        adapter.read(make_context(), PDF)
