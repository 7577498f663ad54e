"""A real HTTP server that follows a script, and notes when each request came and how it ended."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from benchmarks.resilience.called import ATTEMPT, DOCUMENT


@dataclass(frozen=True)
class Play:
    """What the server does about a request: after some seconds, and once `until` is set, this status. 0: nothing."""

    status: int = 200
    seconds: float = 0.0
    retry_after: int | None = None
    until: threading.Event | None = None


@dataclass(frozen=True, order=True)
class Visit:
    """A request as the server saw it, in seconds since 1970. `status` is 0 where the client went without an answer."""

    came: float
    went: float
    document: str
    attempt: int
    status: int


Script = Callable[[str, int], Play]
"""What to do, by the document's name and the number of its requests so far, this one included."""


@dataclass
class ScriptedServer:
    """Plays the script to whoever asks, each request in a thread of its own."""

    script: Script
    visits: list[Visit] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)

    def __enter__(self) -> "ScriptedServer":
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                scripted._answer(self)

            def log_message(self, *arguments: object) -> None:
                """Says nothing on stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        came = time.time()
        document = request.headers[DOCUMENT].removeprefix("file:")
        request.rfile.read(int(request.headers["content-length"]))
        self.asked[document] = self.asked.get(document, 0) + 1
        play = self.script(document, self.asked[document])
        if play.status:
            time.sleep(play.seconds)
            if play.until is not None:
                play.until.wait()
            request.send_response(play.status)
            if play.retry_after is not None:
                request.send_header("Retry-After", str(play.retry_after))
            request.send_header("Content-Length", "0")
            request.end_headers()
        else:
            while request.connection.recv(1):
                pass  # until the client is gone
        attempt = int(request.headers[ATTEMPT])
        self.visits.append(Visit(came, time.time(), document, attempt, play.status))
