"""A server on a real socket that answers as badly as servers do: late, in drops, with half an answer, with none.

    with WireServer(answer(503)) as server:
        ...                       # a client asks http://127.0.0.1:{server.port}
    assert server.requests == 1

What it plays is a function of the connection, called once a request.
"""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

PAUSE_SECONDS = 0.02
"""Between two drops: far below every client's timeout for a read."""


@dataclass
class Connection:
    """One client's connection, and the request that it has just sent."""

    socket: socket.socket
    stopped: threading.Event
    head: bytes = b""
    body: bytes = b""

    def send(self, content: bytes) -> None:
        self.socket.sendall(content)

    def drip(self, drops: Iterator[bytes]) -> None:
        """Send one drop after the other until there are no more, the client goes or the server stops."""
        for drop in drops:
            if self.stopped.wait(PAUSE_SECONDS):
                return
            self.send(drop)

    def hold(self) -> None:
        """Say nothing more, and keep the connection until the client closes it or the server stops."""
        self.socket.settimeout(PAUSE_SECONDS)
        while not self.stopped.is_set():
            with suppress(TimeoutError):
                if not self.socket.recv(65_536):
                    return

    def reset(self) -> None:
        """End the connection with a reset (RST) instead of an orderly close."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Play = Callable[[Connection], None]


@dataclass
class WireServer:
    """Plays to whoever connects, counts requests and connections, and remembers what was asked."""

    play: Play
    requests: int = 0
    connections: int = 0
    asked: list[tuple[bytes, bytes]] = field(default_factory=list)

    def __enter__(self) -> "WireServer":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PAUSE_SECONDS)
        self.port = self._listener.getsockname()[1]
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            with suppress(TimeoutError):
                accepted, _ = self._listener.accept()
                self.connections += 1
                self._threads.append(threading.Thread(target=self._serve, args=(accepted,)))
                self._threads[-1].start()

    def _serve(self, accepted: socket.socket) -> None:
        connection = Connection(accepted, self._stopped)
        with accepted, suppress(OSError):
            while self._read(connection):
                self.requests += 1
                self.asked.append((connection.head, connection.body))
                accepted.settimeout(None)
                self.play(connection)

    def _read(self, connection: Connection) -> bool:
        """The next request on the connection; False when there is none."""
        content = b""
        connection.socket.settimeout(PAUSE_SECONDS)
        while not self._stopped.is_set():
            head, mark, body = content.partition(b"\r\n\r\n")
            if mark and len(body) >= _length(head):
                connection.head, connection.body = head, body
                return True
            with suppress(TimeoutError):
                part = connection.socket.recv(65_536)
                if not part or part.startswith((b"\x16\x03", b"\0\0")):  # no HTTP: a TLS or a PostgreSQL client
                    if part:
                        connection.head = part
                    return bool(part)
                content += part
        return False


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def answer(status: int, body: Any = b"", **headers: str) -> Play:
    """A whole answer; what is no bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda connection: connection.send(head(status, length=len(content), **headers) + content)


def head(status: int, length: int | None = None, **headers: str) -> bytes:
    """The first lines of an answer."""
    lines = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if length is not None:
        lines["content-length"] = str(length)
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Played\r\n{text}\r\n".encode()


def silence(connection: Connection) -> None:
    """No answer at all."""
    connection.hold()


def slow_headers(connection: Connection) -> None:
    """Headers that never end, a letter at a time."""
    connection.send(b"HTTP/1.1 200 OK\r\nx-slow: ")
    connection.drip(iter(lambda: b"a", b""))


def slow_body(connection: Connection) -> None:
    """A body that never ends, a letter at a time."""
    connection.send(head(200, length=10**6))
    connection.drip(iter(lambda: b" ", b""))


def endless_body(connection: Connection) -> None:
    """A body that never ends, as fast as it goes."""
    connection.send(head(200, transfer_encoding="chunked"))
    while not connection.stopped.is_set():
        connection.send(b"10000\r\n" + b" " * 65_536 + b"\r\n")


def reset_at_once(connection: Connection) -> None:
    """The connection is reset instead of an answer."""
    connection.reset()


def reset_in_the_middle(connection: Connection) -> None:
    """The connection is reset within the body."""
    connection.send(head(200, length=1000) + b'{"data": [')
    connection.reset()


def half_closed(connection: Connection) -> None:
    """Half a body, then the end of the stream, though the server goes on listening."""
    connection.send(head(200, length=1000) + b'{"data": [')
    connection.socket.shutdown(socket.SHUT_WR)
    connection.hold()


def no_http(connection: Connection) -> None:
    """Something that is no HTTP, or no TLS."""
    connection.send(b"\x00\x01 220 mail.example ESMTP\r\n")
    connection.hold()


def redirect_loop(connection: Connection) -> None:
    """The answer is where the question was asked."""
    target = connection.head.split(b" ")[1].decode()
    connection.send(head(302, length=0, location=target))


def refused_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
