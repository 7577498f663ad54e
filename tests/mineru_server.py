"""A server that speaks MinerU's HTTP API as its releases 3 and 4 do, in a process of its own, without models.

    with mineru_server(release=4, output=middle) as server:
        ...                                   # the adapter asks server.address
        server.play(health={"status": 503, "code": "engine_dead", "message": "…"})
    assert server.journal()[0]["path"] == "/v1/health"

It checks requests as the real ones do and refuses what they refuse. Where the shapes of its answers come from says
`tests/unit/adapters/mineru/recorded/PROVENANCE.md`. What it plays can be changed while it runs.
"""

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

FORM = frozenset({
    "files", "lang_list", "backend", "effort", "parse_method", "formula_enable", "table_enable", "image_analysis",
    "server_url", "return_md", "return_middle_json", "return_model_output", "return_content_list", "return_images",
    "response_format_zip", "return_original_file", "client_side_output_generation", "start_page_id", "end_page_id",
})  # fmt: skip # a table: one entry a line would hide its shape
"""Fields of release 3's form (`mineru/cli/api_request.py`)."""
BACKENDS = frozenset({"pipeline", "vlm-engine", "hybrid-engine", "vlm-http-client", "hybrid-http-client"})
OPTIONS: dict[str, frozenset[str]] = {
    "tier": frozenset({"flash", "basic", "standard", "advanced"}),
    "ocr_mode": frozenset({"auto", "txt", "ocr"}),
    "output_formats": frozenset({"markdown", "middle_json", "structured_content", "zip"}),
}
"""Query parameters of release 4 (`UploadTaskOptions`), besides `filename`, `page_range` and `sha256sum`."""


@dataclass
class MinerUServer:
    """A stand-in that runs."""

    address: str
    process: "subprocess.Popen[str]"

    def play(self, **changes: Any) -> None:
        """Change what it does from now on: see `_Play`."""
        self._ask("PUT", changes)

    def journal(self) -> list[dict[str, Any]]:
        """The requests that it got, in order: method, path, query, form, the hash of the PDF, tasks at work."""
        found: list[dict[str, Any]] = self._ask("GET")
        return found

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()

    def _ask(self, method: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/_stand_in", data=data, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)


@contextmanager
def mineru_server(*, release: int, output: Any = None, port: int = 0, **play: Any) -> Iterator[MinerUServer]:
    """A server with `output` for every PDF: the Middle JSON of release 4, the content list of release 3."""
    given = json.dumps({"release": release, "output": output, "port": port, **play})
    process = subprocess.Popen([sys.executable, __file__, given], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield MinerUServer(f"http://127.0.0.1:{process.stdout.readline().strip()}", process)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


class _Play:
    """What the server does. `health` and `submit` are answers given instead of the usual ones; `failure` is what tasks
    end with; `polls` is how often a task is asked for before it is done; `result` is sent instead of the result."""

    release = 4
    output: Any = None
    port = 0
    health: dict[str, Any] | None = None
    submit: dict[str, Any] | None = None
    failure: dict[str, str] | None = None
    polls = 0
    work_seconds = 0.0
    forget = False
    result: str | None = None
    result_bytes = 0
    drip = False
    api_key = ""
    task_id = ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, given: dict[str, Any]) -> None:
        self.played = _Play()
        vars(self.played).update(given)
        self.seen: list[dict[str, Any]] = []
        self.tasks: dict[str, dict[str, Any]] = {}
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", self.played.port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve(b"")

    def do_DELETE(self) -> None:
        self._serve(b"")

    def do_PUT(self) -> None:
        self._serve(self._body())

    def do_POST(self) -> None:
        self._serve(self._body())

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def _serve(self, body: bytes) -> None:
        play, address = self.server.played, urlsplit(self.path)
        if address.path == "/_stand_in":
            if self.command == "PUT":
                vars(play).update(json.loads(body))
            self._send(200, self.server.seen)
            return
        root = "/v1" if play.release == 4 else ""
        entry: dict[str, Any] = {
            "method": self.command,
            "path": address.path,
            "query": {name: values[0] for name, values in parse_qs(address.query).items()},
            "encoding": self.headers.get("accept-encoding"),
        }
        self.server.seen.append(entry)
        parts = address.path.removeprefix(root).strip("/").split("/")
        if not address.path.startswith(f"{root}/"):
            self._refuse(404, "not_found", "Not Found")
        elif parts == ["health"] and self.command == "GET":
            self._health(play)
        elif play.api_key and self.headers.get("authorization") != f"Bearer {play.api_key}":
            self._refuse(401, "unauthorized", "Invalid API key")
        elif parts == ["tasks"] and self.command == "POST":
            self._submit(play, entry, body)
        elif parts[0] == "tasks" and len(parts) in (2, 3):
            self._task(play, parts)
        else:
            self._refuse(404, "not_found", "Not Found")

    def _health(self, play: _Play) -> None:
        if play.health:
            self._refuse(play.health["status"], play.health.get("code", ""), play.health.get("message", ""))
        elif play.release == 4:
            formats = ["markdown", "middle_json", "structured_content", "zip"]
            features = {"webhook": False, "output_formats": formats, "sources": ["file_id", "url", "inline"]}
            self._send(200, {"status": "ok", "version": "4.0.12", "features": features})
        else:
            counts = {"queued_tasks": 0, "processing_tasks": 0, "completed_tasks": 0, "failed_tasks": 0}
            self._send(200, {"status": "healthy", "version": "3.4.5", "protocol_version": 2, **counts})

    def _submit(self, play: _Play, entry: dict[str, Any], body: bytes) -> None:
        refused = self._checked_4(entry, body) if play.release == 4 else self._checked_3(entry, body)
        if refused:
            self._refuse(*refused)
            return
        if play.submit:
            headers = {"retry-after": play.submit["retry_after"]} if "retry_after" in play.submit else {}
            self._refuse(
                play.submit["status"], play.submit.get("code", ""), play.submit.get("message", ""), headers=headers
            )
            return
        with self.server.lock:
            task = play.task_id or f"job_{len(self.server.tasks):024x}"
            self.server.tasks[task] = {"asked": 0, "begun": time.monotonic(), "state": "at work"}
            entry["at_work"] = sum(each["state"] == "at work" for each in self.server.tasks.values())
        self._send(202, self._told(play, task, "queued" if play.release == 4 else "pending"))

    def _checked_4(self, entry: dict[str, Any], body: bytes) -> tuple[int, str, str] | None:
        query = entry["query"]
        unknown = set(query) - {*OPTIONS, "filename", "page_range", "sha256sum"}
        if self.headers.get("content-type") != "application/octet-stream":
            return 415, "invalid_request", "Use application/json, multipart/form-data or application/octet-stream"
        if unknown or any(query.get(name, next(iter(known))) not in known for name, known in OPTIONS.items()):
            return 400, "invalid_request", "1 validation error for UploadTaskOptions"
        if "filename" not in query or not body:
            return 400, "invalid_request", "filename is required for raw uploads"
        entry["pdf"] = sha256(body).hexdigest()
        return None

    def _checked_3(self, entry: dict[str, Any], body: bytes) -> tuple[int, str, str] | None:
        head = f"content-type: {self.headers.get('content-type')}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + body)
        parts = list(message.iter_parts()) if message.is_multipart() else []
        form = {str(part.get_param("name", header="content-disposition")): part for part in parts}
        if "files" not in form:
            return 422, "", "Field required"
        values = {name: part.get_payload() for name, part in form.items() if name != "files"}
        if set(form) - FORM or values.get("backend", "hybrid-engine") not in BACKENDS:
            return 400, "", f"Invalid backend. Allowed values: {', '.join(sorted(BACKENDS))}"
        entry["form"] = values
        entry["pdf"] = sha256(form["files"].get_payload(decode=True)).hexdigest()
        return None

    def _task(self, play: _Play, parts: list[str]) -> None:
        task = self.server.tasks.get(parts[1])
        if task is None or play.forget:
            self._refuse(404, "job_not_found", "Task not found")
            return
        if self.command == "DELETE":
            task["state"] = "canceled"
            self._send(200, self._told(play, parts[1], "canceled"))
            return
        task["asked"] += 1
        over = task["asked"] > play.polls and time.monotonic() - task["begun"] >= play.work_seconds
        if len(parts) == 2:
            if over:
                task["state"] = "over"
            working = "running" if play.release == 4 else "processing"
            self._send(
                200, self._told(play, parts[1], ("failed" if play.failure else "completed") if over else working)
            )
        elif play.failure:
            self._send(409, self._told(play, parts[1], "failed"))
        else:
            self._result(play, parts[1])

    def _result(self, play: _Play, task: str) -> None:
        if play.result is not None:
            self._send_bytes(200, play.result.encode("utf-8", "surrogateescape"))
        elif play.result_bytes:
            self._send_bytes(200, b'{"padding": "' + b"x" * play.result_bytes + b'"}')
        elif play.release == 4:
            told = self._told(play, task, "completed")
            told["files"][0]["content"] = {"middle_json": play.output}
            self._send(200, told)
        else:
            results = {"document": {"content_list": json.dumps(play.output, ensure_ascii=False)}}
            self._send(200, {"backend": "pipeline", "version": "3.4.5", "results": results})

    def _told(self, play: _Play, task: str, status: str) -> dict[str, Any]:
        failure = play.failure if status == "failed" and play.failure else None
        if play.release == 3:
            message = failure["message"] if failure else None
            urls = {"status_url": f"/tasks/{task}", "result_url": f"/tasks/{task}/result"}
            named = {"task_id": task, "status": status, "backend": "pipeline", "file_names": ["document"]}
            return {**named, "created_at": "2026-11-28T10:49:03+00:00", "error": message, **urls}
        error = {"type": "engine_error", "param": None, **failure} if failure else None
        file = {"file_id": "file-1", "name": "document.pdf", "page_range": "", "status": status, "error": error}
        links = {"self": f"/v1/tasks/{task}", "cancel": f"/v1/tasks/{task}"}
        return {"status": status, "tier": "standard", "files": [file], "links": links, "task_id": task}

    def _refuse(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        if self.server.played.release == 4:
            kind = "engine_error" if status >= 500 else "invalid_request_error"
            self._send(status, {"error": {"type": kind, "code": code, "message": message, "param": None}}, headers)
        elif self.path.endswith("/health"):
            self._send(status, {"status": "unhealthy", "version": "3.4.5", "error": message}, headers)
        else:
            self._send(status, {"detail": message}, headers)

    def _send(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        self._send_bytes(status, json.dumps(value).encode(), headers)

    def _send_bytes(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.server.played.drip and "/_stand_in" not in self.path:
            for place in range(len(content)):
                self.wfile.write(content[place : place + 1])
                self.wfile.flush()
                time.sleep(0.02)
        else:
            self.wfile.write(content)


def recorded(name: str) -> Any:
    """One of the recorded outputs."""
    path = Path(__file__).parent / "unit" / "adapters" / "mineru" / "recorded" / name
    return json.loads(path.read_text("utf-8"))


if __name__ == "__main__":
    server = _Server(json.loads(sys.argv[1]))
    print(server.server_port, flush=True)
    server.serve_forever()
