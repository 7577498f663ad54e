"""Fetching from an address that somebody else has written: guarded, hop by hop, in blocks.

    fetcher = Fetcher(Guard(resources.allowed_hosts), most_bytes=2**28)
    with fetcher.get("https://papers.example/1.pdf", until=time.monotonic() + 60) as answer:
        for block in answer.blocks: ...

There is no session: no cookies, no `.netrc`, no proxy of the environment, and a key goes to the host that it is for and
to no other. Nothing is tried twice: attempts belong to the stage's policy.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx

from penstock.adapters.guard import BlockedError, Guard, told
from penstock.adapters.transport import BoundedTransport
from penstock.endpoints import http_error, transport_error
from penstock.errors import PermanentError, RejectedError, StageTimeoutError

HOPS = 5
"""So many redirects are followed."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ANSWERS = frozenset({200, 206, 304, 416})
_GONE = frozenset({404, 410})
_SLACK = 2**20
"""So many bytes more may come on the wire before the transport breaks off: what is unpacked is counted here."""


class Answer(NamedTuple):
    """What came back: status 200, 206, 304 or 416.

    `url` is where the last redirect led. `packed`: the body was unpacked on its way, so that its offsets are not those
    of the server. `blocks` gives the body once, and may raise what `Fetcher.get` raises.
    """

    url: str
    status: int
    headers: httpx.Headers
    packed: bool
    blocks: Iterator[bytes]


class Fetcher:
    """Asks for files.

    Args:
        guard: what may be connected to.
        most_bytes: of an answer, on the wire and unpacked.
        user_agent: who asks.
        keys: host → key, sent as a bearer token to that host alone, and only where the connection is encrypted.
        before: called with the host before each request; waits until one may be made.
        connect_seconds, read_seconds: for a connection, and for the next bytes of an answer.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        most_bytes: int,
        user_agent: str = "penstock",
        keys: Mapping[str, str] = {},
        before: Callable[[str, float], None] = lambda host, until: None,
        connect_seconds: float = 10.0,
        read_seconds: float = 30.0,
    ) -> None:
        self._guard = guard
        self._most = most_bytes
        self._user_agent = user_agent
        self._keys = dict(keys)
        self._before = before
        self._timeout = {
            "connect": connect_seconds,
            "read": read_seconds,
            "write": read_seconds,
            "pool": connect_seconds,
        }

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str] = {}, *, until: float) -> Iterator[Answer]:
        """The answer for an address, its body not read yet; all of it ends at `until` (`time.monotonic`).

        Raises:
            BlockedError: the address, or one that it redirects to, must not be connected to.
            RejectedError: it is not there (404, 410), is larger than allowed, or redirects without end.
            TransientError, UnavailableError, PermanentError, QuotaError: as `penstock.endpoints` has it.
        """
        for _ in range(HOPS + 1):
            where = told(url)
            with self._request(url, where, headers, until) as response:
                target = _target(response, where)
                if target is None:
                    yield self._answer(response, where)
                    return
            url = target
        raise RejectedError(f"{where}: more than {HOPS} redirects")

    @contextmanager
    def _request(self, url: str, where: str, headers: Mapping[str, str], until: float) -> Iterator[httpx.Response]:
        address = self._guard.check(url)
        self._before(address.host, until)
        left = until - time.monotonic()
        if left <= 0:
            raise StageTimeoutError(f"{where}: no time is left to ask")
        mine = {"User-Agent": self._user_agent, "Accept-Encoding": "gzip", **headers}
        if address.host in self._keys and (address.scheme == "https" or address.host == "127.0.0.1"):
            mine["Authorization"] = f"Bearer {self._keys[address.host]}"
        transport = BoundedTransport(seconds=left, most_bytes=self._most + _SLACK, guard=self._guard)
        try:
            request = httpx.Request("GET", address, headers=mine, extensions={"timeout": self._timeout})
            with _told_as(where):
                response = transport.handle_request(request)
            response.request = request
            try:
                yield response
            finally:
                response.close()
        finally:
            transport.close()

    def _answer(self, response: httpx.Response, where: str) -> Answer:
        status, headers = response.status_code, response.headers
        if status in _GONE:
            raise RejectedError(f"{where}: status {status}; it is not there")
        if status not in _ANSWERS:
            raise http_error(where, status, retry_after=headers.get("retry-after"), date=headers.get("date"))
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._most:
            raise RejectedError(f"{where}: {length} bytes; at most {self._most} would be right")
        packed = bool(response.extensions.get("unpacked"))
        return Answer(str(response.request.url), status, headers, packed, _blocks(response, where, self._most))


def _target(response: httpx.Response, where: str) -> str | None:
    """Where an answer redirects to; None where it does not."""
    if response.status_code not in _REDIRECTS or "location" not in response.headers:
        return None
    try:
        target = response.request.url.join(response.headers["location"])
    except (httpx.InvalidURL, ValueError) as exc:
        raise RejectedError(f"{where}: it redirects to what is no address") from exc
    if response.request.url.scheme == "https" and target.scheme == "http":
        raise BlockedError(f"{where}: it redirects from https to http")
    return str(target)


def _blocks(response: httpx.Response, where: str, most: int) -> Iterator[bytes]:
    count = 0
    with _told_as(where):
        for block in response.iter_raw():
            count += len(block)
            if count > most:
                raise RejectedError(f"{where}: more than {most} bytes")
            yield block


@contextmanager
def _told_as(where: str) -> Iterator[Any]:
    try:
        yield
    except httpx.HTTPError as exc:
        raise transport_error(where, exc) or PermanentError(f"{where}: {type(exc).__name__}") from exc
