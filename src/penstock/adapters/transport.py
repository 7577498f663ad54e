"""How every adapter talks HTTP: one try, to an address that was checked, in a bounded time, for a bounded answer.

The clients' own timeouts are per read: a server that sends a byte now and then is never late for them. Here the time of
a whole request, headers and body, is bounded, as are the bytes of its answer, which are counted as they come, packed
and unpacked. Imported where a client is made, never at the top of an adapter.
"""

import os
import socket
import ssl
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from penstock.adapters.guard import ANYWHERE, Guard

_PIECE = 2**18


class BoundedTransport(httpx.BaseTransport):
    """A transport of httpx for clients of one origin, with keep-alive, without retries and without redirects.

    A request that is not answered whole within `seconds` is a `ReadTimeout`, one whose host is not even found or
    connected to a `ConnectTimeout`. An answer of more than `most_bytes`, on the wire or unpacked, is a `DecodingError`,
    and so is one that is packed although the request asks for `identity`, or otherwise than with gzip.

    Args:
        guard: what may be connected to. Without one, the address is one that a setting names: it may lead anywhere but
            to a metadata service, and by way of the proxy that the environment names.
    """

    def __init__(self, *, seconds: float, most_bytes: int, guard: Guard | None = None) -> None:
        self._seconds = seconds
        self._most = most_bytes
        self._guard = guard
        self._clock = _Clock()
        self._pools: dict[str, httpcore.ConnectionPool] = {}
        self._making = threading.Lock()
        weakref.finalize(self, _close, self._pools)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request; the answer's body is read later, within the same time."""
        assert isinstance(request.stream, httpx.SyncByteStream)
        url = request.url
        plain = request.headers.get("accept-encoding") == "identity"
        if not plain:
            request.headers["accept-encoding"] = "gzip"
        wanted = httpcore.Request(
            method=request.method,
            url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        until = time.monotonic() + self._seconds
        with self._clock.until(until), _as_httpx():
            answer = self._pool(url).handle_request(wanted)
        body = _Body(answer, self._most, lambda: self._clock.until(until))
        packing = _header(answer, b"content-encoding", b"identity")
        if packing == b"identity":
            return httpx.Response(answer.status, headers=answer.headers, stream=body, extensions=answer.extensions)
        if plain or packing not in (b"gzip", b"x-gzip"):
            body.close()
            raise httpx.DecodingError("the answer is compressed; it was asked not to be", request=request)
        headers = [each for each in answer.headers if each[0].lower() not in (b"content-encoding", b"content-length")]
        told = {**answer.extensions, "unpacked": True}
        return httpx.Response(answer.status, headers=headers, stream=_Unpacked(body, self._most), extensions=told)

    def close(self) -> None:
        """Close every connection."""
        _close(self._pools)

    def _pool(self, url: httpx.URL) -> httpcore.ConnectionPool:
        with self._making:
            if url.host not in self._pools:
                self._pools[url.host] = self._new_pool(url)
            return self._pools[url.host]

    def _new_pool(self, url: httpx.URL) -> httpcore.ConnectionPool:
        options: dict[str, Any] = {
            "ssl_context": _ssl_context(),
            "max_connections": 100,
            "keepalive_expiry": 5.0,
            "retries": 0,
            "network_backend": _GuardedBackend(self._clock, self._guard or ANYWHERE),
        }
        address = getproxies().get(url.scheme) if self._guard is None else None
        if not address or proxy_bypass(url.host):
            return httpcore.ConnectionPool(**options)
        proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
        where = httpcore.URL(
            scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=proxy.url.raw_path
        )
        return httpcore.HTTPProxy(
            proxy_url=where, proxy_auth=proxy.raw_auth, proxy_headers=proxy.headers.raw, **options
        )


def _ssl_context() -> ssl.SSLContext:
    return _trusting(os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", ""))


@cache
def _trusting(file: str, folder: str) -> ssl.SSLContext:
    """What httpx makes of the two variables; reading the certificates takes longer than many a request."""
    return httpx.create_ssl_context()


def _close(pools: dict[str, httpcore.ConnectionPool]) -> None:
    for pool in pools.values():
        pool.close()


def _header(answer: httpcore.Response, name: bytes, otherwise: bytes) -> bytes:
    return next((value.lower() for key, value in answer.headers if key.lower() == name), otherwise)


class _Clock(threading.local):
    """Until when the request that this thread is at may take: the pool works in the thread that calls it."""

    due = 0.0

    @contextmanager
    def until(self, due: float) -> Iterator[None]:
        before, self.due = self.due, due
        try:
            yield
        finally:
            self.due = before

    def left(self, timeout: float | None, error: type[Exception]) -> float:
        """The seconds for the next step: no more than are left of the request."""
        left = self.due - time.monotonic()
        if left <= 0:
            raise error("the time for the whole request is over")
        return left if timeout is None else min(left, timeout)


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response, most: int, timed: Callable[[], Any]) -> None:
        self._answer = answer
        self._most = most
        self._timed = timed

    def __iter__(self) -> Iterator[bytes]:
        assert isinstance(self._answer.stream, Iterable)
        parts = iter(self._answer.stream)
        count = 0
        while True:
            with self._timed(), _as_httpx():
                part = next(parts, None)
            if part is None:
                return
            count += len(part)
            if count > self._most:
                raise httpx.DecodingError(f"an answer of more than {self._most} bytes")
            yield part

    def close(self) -> None:
        self._answer.close()


class _Unpacked(httpx.SyncByteStream):
    """The bytes that gzip packed (RFC 1952), in pieces of a bounded size however far they unfold."""

    def __init__(self, body: _Body, most: int) -> None:
        self._body = body
        self._most = most

    def __iter__(self) -> Iterator[bytes]:
        unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        count = 0
        for part in self._body:
            left = part
            while left:
                if unpacker.eof:  # one packed file after another
                    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
                try:
                    piece = unpacker.decompress(left, _PIECE)
                except zlib.error as exc:
                    raise httpx.DecodingError("the answer is not packed as it says") from exc
                count += len(piece)
                if count > self._most:
                    raise httpx.DecodingError(f"an answer that unfolds to more than {self._most} bytes")
                if piece:
                    yield piece
                left = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        if not unpacker.eof:
            raise httpx.DecodingError("the answer ends in the middle of what is packed")

    def close(self) -> None:
        self._body.close()


class _TimedStream(httpcore.NetworkStream):
    """A connection each of whose steps ends with the request's time."""

    def __init__(self, stream: httpcore.NetworkStream, clock: _Clock) -> None:
        self._stream = stream
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._clock.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._clock.left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._clock.left(timeout, httpcore.ConnectTimeout)
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, left), self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _GuardedBackend(httpcore.SyncBackend):
    """Opens connections to addresses that the guard has checked, and to no others: a name is looked up once."""

    def __init__(self, clock: _Clock, guard: Guard) -> None:
        self._clock = clock
        self._guard = guard

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = self._guard.addresses(host, port, self._clock.left(timeout, httpcore.ConnectTimeout))
        except TimeoutError as exc:
            raise httpcore.ConnectTimeout(str(exc)) from exc
        except socket.gaierror as exc:
            raise httpcore.ConnectError(str(exc)) from exc
        while True:
            address, *found = found
            left = self._clock.left(timeout, httpcore.ConnectTimeout) / (1 + len(found))
            try:
                stream = super().connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not found:
                    raise
            else:
                return _TimedStream(stream, self._clock)


@contextmanager
def _as_httpx() -> Iterator[None]:
    """Errors of the pool as those that users of httpx know: they bear the same names."""
    try:
        yield
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.ProxyError,
        httpcore.UnsupportedProtocol,
    ) as exc:
        raise getattr(httpx, type(exc).__name__)(str(exc)) from exc
