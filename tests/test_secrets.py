"""A secret that is planted everywhere a user may put one is found nowhere afterwards."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from tests.command import Penstock

SECRET = "planted-secret-6f1d2a"
LITERAL = "planted-literal-93be07"
PIPELINE = """\
version: "1.0"
name: remote
stages:
  - {name: ingest, type: IngestStage}
  - {name: parse, type: ParseStage, depends_on: [ingest]}
  - {name: chunk, type: ChunkStage, depends_on: [parse]}
  - name: embed
    type: EmbedStage
    depends_on: [chunk]
    uses: openai
    with: {base_url: "URL", model: tiny, dimension: 2, api_key: KEY}
  - {name: index, type: IndexStage, depends_on: [embed]}
"""


class Endpoint(BaseHTTPRequestHandler):
    """An embedding server that wants the secret, and gives it back in an error where a text asks for one."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers["Authorization"].removeprefix("Bearer ")
        refused = key != SECRET or any("refuse" in text for text in body["input"])
        vectors = [{"object": "embedding", "index": n, "embedding": [1.0, 0.5]} for n in range(len(body["input"]))]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        answer = {"object": "list", "data": vectors, "model": "tiny", "usage": usage}
        if refused:
            answer = {"error": {"message": f"incorrect API key provided: {key}", "type": "invalid_request_error"}}
        content = json.dumps(answer).encode()
        self.send_response(400 if refused else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def plant(penstock: Penstock, url: str, key: str) -> None:
    (penstock.config / "pipelines" / "remote.yaml").write_text(PIPELINE.replace("URL", url).replace("KEY", key))


def files_with(secret: str, folder: Path) -> list[str]:
    return [str(each) for each in folder.rglob("*") if each.is_file() and secret.encode() in each.read_bytes()]


def test_a_secret_from_the_environment_is_kept_nowhere(tmp_path: Path, endpoint: str) -> None:
    penstock = Penstock.at(tmp_path, PLANTED_KEY=SECRET)
    plant(penstock, endpoint, "{env: PLANTED_KEY}")
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "pump.md").write_text("# Pumps\n\nA pump moves water uphill.\n")
    (docs / "refused.md").write_text("# Refused\n\nThe endpoint will refuse this one, and repeat the key.\n")

    said = [
        penstock("validate"),
        penstock("plan", "remote", "--input", docs),
        penstock("run", "remote", "--input", docs),
        penstock("run", "remote", "--input", docs, "--json"),
        penstock("status", "--json"),
        penstock("show", "file:pump.md", "--json"),
        penstock("show", "file:refused.md"),
        penstock("events"),
    ]

    assert [answer.code for answer in said] == [0, 0, 1, 1, 0, 0, 0, 0]
    assert said[3].json["documents"] == {
        "total": 2, "done": 0, "unchanged": 1, "failed": 1, "waiting": 0, "deleted": 0
    }  # fmt: skip # a table: one entry a line would hide its shape
    assert [answer.out + answer.err for answer in said if SECRET in answer.out + answer.err] == []
    assert files_with(SECRET, tmp_path) == []


def test_a_secret_written_into_yaml_is_refused_and_not_repeated(tmp_path: Path, endpoint: str) -> None:
    penstock = Penstock.at(tmp_path)
    plant(penstock, endpoint, LITERAL)
    (tmp_path / "a.md").write_text("# A\n\nSome words.\n")

    said = [
        penstock("validate"),
        penstock("validate", "--json"),
        penstock("plan", "remote", "--input", tmp_path / "a.md"),
        penstock("run", "remote", "--input", tmp_path / "a.md"),
        penstock("run", "auto", "--input", tmp_path / "a.md"),
    ]

    assert [answer.code for answer in said] == [1, 1, 1, 1, 0]
    assert [answer.out + answer.err for answer in said if LITERAL in answer.out + answer.err] == []
    assert files_with(LITERAL, penstock.home) == []
