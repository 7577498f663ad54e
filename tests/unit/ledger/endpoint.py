"""An HTTP server of the tests' own: notes who called when, and answers as it is told."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Call = tuple[float, str]


class Endpoint:
    """A running server. `status` is what it answers from now on; `meanwhile` is done once, in a call by its name."""

    def __init__(self) -> None:
        self.status = 200
        self.calls: list[Call] = []
        self.meanwhile: dict[str, Callable[[], None]] = {}
        self._called = threading.Condition()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                at, name = time.monotonic(), self.path.removeprefix("/")
                with endpoint._called:
                    endpoint.calls.append((at, name))
                    if deed := endpoint.meanwhile.pop(name, None):
                        deed()
                    endpoint._called.notify_all()
                    self.send_response(endpoint.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]

    def until(self, holds: Callable[[list[Call]], bool]) -> None:
        """Wait for calls, until the condition holds of all so far."""
        with self._called:
            assert self._called.wait_for(lambda: holds(self.calls), timeout=60), "the calls did not come"

    def turn(self, status: int) -> int:
        """Answer otherwise from now on; returns how many calls there were before."""
        with self._called:
            self.status = status
            return len(self.calls)


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    """A server for as long as the context lasts."""
    found = Endpoint()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield found
    finally:
        found.server.shutdown()
        thread.join()
        found.server.server_close()
