"""Fetching from servers that answer as badly as servers do, on real sockets; names are given by functions."""

import gzip
import ssl
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import trustme
from tests.wire_server import (
    Connection,
    Play,
    WireServer,
    answer,
    endless_body,
    half_closed,
    head,
    no_http,
    redirect_loop,
    refused_port,
    reset_at_once,
    reset_in_the_middle,
    silence,
    slow_body,
    slow_headers,
)

from penstock.adapters.fetch import HOPS, Answer, Fetcher
from penstock.adapters.guard import BlockedError, Guard
from penstock.errors import PermanentError, RejectedError, StageError, TransientError, UnavailableError

LOOPBACK = ["127.0.0.1"]
PDF = b"%PDF-1.7\n" + b"x" * 1000


@pytest.fixture(autouse=True)
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[WireServer]:
    """A proxy that the environment names, and that nobody may ask."""
    with WireServer(answer(200, b"%PDF- from the proxy")) as server:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.port}")
        monkeypatch.setenv("NETRC", str(Path(__file__).with_name("netrc")))
        yield server
    assert server.requests == 0


def fetch(server: WireServer | str, *, seconds: float = 5.0, guard: Guard | None = None, **settings: object) -> bytes:
    """All that comes from a server, or from an address."""
    url = server if isinstance(server, str) else f"http://127.0.0.1:{server.port}/a.pdf"
    options = {"most_bytes": 10_000_000, **settings}
    with Fetcher(guard or Guard(LOOPBACK), **options).get(url, until=time.monotonic() + seconds) as found:  # type: ignore[arg-type]  # any of its settings
        return b"".join(found.blocks)


def failure(server: WireServer | str, **settings: object) -> StageError:
    with pytest.raises(StageError) as caught:
        fetch(server, **settings)  # type: ignore[arg-type]  # any of its settings
    return caught.value


def named(**hosts: Sequence[str]) -> Guard:
    """A guard to which some names are known, and which lets this machine be asked by its number."""
    return Guard(LOOPBACK, resolve=lambda host, port: hosts[host.partition(".")[0]])


def redirects(*targets: str) -> Play:
    """Redirects to one target after the other, and gives a PDF in the end."""
    left = list(targets)

    def play(connection: Connection) -> None:
        if left:
            connection.send(head(302, length=0, location=left.pop(0)))
        else:
            connection.send(head(200, length=len(PDF)) + PDF)

    return play


# ── addresses ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_public_by_its_name_and_private_by_its_address_is_not_connected_to() -> None:
    with WireServer(answer(200, PDF)) as server:
        error = failure(f"http://papers.example:{server.port}/a.pdf", guard=Guard(["papers.example"]))
        assert isinstance(error, UnavailableError | TransientError)  # nobody knows the name here
        error = failure("http://papers.example/a.pdf", guard=Guard(resolve=lambda host, port: LOOPBACK))
        assert str(error) == "`papers.example` (127.0.0.1): loopback, and not on the public internet"
        error = failure(f"http://127.0.0.1:{server.port}/a.pdf", guard=Guard())
        assert isinstance(error, BlockedError)
    assert server.connections == 0


def test_the_connection_goes_to_the_address_that_was_checked_and_the_name_is_looked_up_once() -> None:
    looked_up: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        looked_up.append(host)
        return LOOPBACK if len(looked_up) == 1 else ["192.0.2.1"]

    with WireServer(answer(200, PDF)) as server:
        url = f"http://papers.example:{server.port}/a.pdf?x=1"
        assert fetch(url, guard=Guard(["papers.example"], resolve=rebinding)) == PDF
        [(asked, _)] = server.asked
    assert looked_up == ["papers.example"]
    assert asked.startswith(b"GET /a.pdf?x=1 HTTP/1.1\r\n")
    assert f"\r\nHost: papers.example:{server.port}\r\n".lower().encode() in asked.lower() + b"\r\n"


def test_an_address_where_nobody_listens_gives_way_to_the_next() -> None:
    with WireServer(answer(200, PDF)) as server:
        guard = Guard(["papers.example"], resolve=lambda host, port: ["::1", "127.0.0.2", "127.0.0.1"])
        assert fetch(f"http://papers.example:{server.port}/a.pdf", guard=guard) == PDF


def test_tls_keeps_the_name_while_the_connection_goes_to_the_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("papers.example").configure_cert(context)
    names: list[str | None] = []
    context.sni_callback = lambda connection, name, _: names.append(name)

    def over_tls(connection: Connection) -> None:
        """Speaks TLS from the first bytes on, which are read already."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        incoming.write(connection.head)
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                tls.read()
                break
            except ssl.SSLWantReadError:
                connection.send(outgoing.read())
                incoming.write(connection.socket.recv(65_536))
        tls.write(head(200, length=len(PDF)) + PDF)
        connection.send(outgoing.read())

    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with WireServer(over_tls) as server:
        guard = Guard(["papers.example", "other.example"], resolve=lambda host, port: LOOPBACK)
        assert fetch(f"https://papers.example:{server.port}/a.pdf", guard=guard) == PDF
        error = failure(f"https://other.example:{server.port}/a.pdf", guard=guard)
    assert names == ["papers.example", "other.example"]
    assert (type(error), str(error).partition(": ")[2]) == (UnavailableError, "its certificate is not trusted")


# ── redirects ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_redirects_are_followed_and_the_last_address_is_told() -> None:
    with WireServer(redirects("/b", "c?d=1")) as server:
        url = f"http://127.0.0.1:{server.port}/a.pdf"
        with Fetcher(Guard(LOOPBACK), most_bytes=10_000).get(url, until=time.monotonic() + 5) as found:
            assert b"".join(found.blocks) == PDF
            assert found.url == f"http://127.0.0.1:{server.port}/c?d=1"


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://[::1]/",
        "//localhost/",
        "http://0x7f000001/",
        "http://2130706433/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://name:word@papers.example/",
        "http://papers.example:22/",
        "http://inside.example/",
        "http://mixed.example/",
        "\\\\inside.example\\share",
        "http://[",
        "http://\x7f/",
    ],
)
def test_each_hop_is_checked_as_the_first_address_was(target: str) -> None:
    guard = named(inside=["192.168.1.1"], mixed=["93.184.215.14", "fd00::1"], localhost=["::1"])
    with WireServer(redirects(target)) as server:
        error = failure(f"http://127.0.0.1:{server.port}/a.pdf", guard=guard)
        assert isinstance(error, RejectedError)
        assert server.requests == 1


def test_hops_end() -> None:
    with WireServer(redirect_loop) as server:
        error = failure(server)
    assert (type(error), server.requests) == (RejectedError, HOPS + 1)
    assert str(error).endswith(f"/a.pdf`: more than {HOPS} redirects")


def test_all_hops_together_have_one_time() -> None:
    def slow_redirect(connection: Connection) -> None:
        connection.stopped.wait(0.2)
        redirect_loop(connection)

    with WireServer(slow_redirect) as server:
        error = failure(server, seconds=0.5)
    assert isinstance(error, TransientError)
    assert server.requests <= 4


def test_a_key_goes_to_its_host_alone() -> None:
    with WireServer(answer(200, PDF)) as other, WireServer(redirects(f"http://localhost:{other.port}/b.pdf")) as first:
        guard = Guard(["127.0.0.1", "localhost"], resolve=lambda host, port: LOOPBACK)
        assert fetch(first, guard=guard, keys={"127.0.0.1": "s3cret"}) == PDF
        assert b"authorization: bearer s3cret" in first.asked[0][0].lower()
        assert b"s3cret" not in other.asked[0][0]
        assert b"cookie" not in other.asked[0][0].lower()


def test_a_key_is_not_sent_unencrypted() -> None:
    with WireServer(answer(200, PDF)) as server:
        guard = Guard(["papers.example"], resolve=lambda host, port: LOOPBACK)
        fetch(f"http://papers.example:{server.port}/a.pdf", guard=guard, keys={"papers.example": "s3cret"})
        assert b"s3cret" not in server.asked[0][0]


def test_https_does_not_lead_to_http() -> None:
    import httpx

    from penstock.adapters.fetch import _target

    request = httpx.Request("GET", "https://papers.example/a.pdf")
    with pytest.raises(BlockedError, match="from https to http"):
        _target(httpx.Response(302, headers={"location": "http://papers.example/a.pdf"}, request=request), "`x`")
    assert _target(httpx.Response(302, headers={"location": "/b"}, request=request), "`x`") == (
        "https://papers.example/b"
    )


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

LATE = (TransientError, "no answer in time")
BROKEN_OFF = (TransientError, "the connection broke off")
BROKEN = (PermanentError, "the answer is broken, or larger than is allowed")

TOO_LARGE = (RejectedError, "more than 10000000 bytes")


def many_headers(connection: Connection) -> None:
    """Headers without end, as fast as they go."""
    connection.send(b"HTTP/1.1 200 OK\r\n")
    while not connection.stopped.is_set():
        connection.send(b"x-more: " + b"a" * 8_000 + b"\r\n")


def endless_interim(connection: Connection) -> None:
    """Interim answers without end."""
    while not connection.stopped.wait(0.001):
        connection.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")


def lying_length(connection: Connection) -> None:
    """Fewer bytes than were said, then the end."""
    connection.send(head(200, length=len(PDF) + 1) + PDF)
    connection.reset()


def two_lengths(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 7\r\n\r\nabcdefg")


def packed(content: bytes, coding: str = "gzip") -> Play:
    return answer(200, content, content_encoding=coding)


PLAYS: dict[str, tuple[Play, tuple[type[StageError], str]]] = {
    "silence": (silence, LATE),
    "slow headers": (slow_headers, LATE),
    "slow body": (slow_body, LATE),
    "interim answers": (endless_interim, LATE),
    "endless body": (endless_body, TOO_LARGE),
    "endless headers": (many_headers, BROKEN_OFF),
    "reset at once": (reset_at_once, BROKEN_OFF),
    "reset in the middle": (reset_in_the_middle, BROKEN_OFF),
    "half closed": (half_closed, BROKEN_OFF),
    "fewer bytes than said": (lying_length, BROKEN_OFF),
    "two lengths": (two_lengths, BROKEN_OFF),
    "no HTTP": (no_http, BROKEN_OFF),
    "gzip that is none": (packed(PDF), BROKEN),
    "gzip that ends early": (packed(gzip.compress(PDF)[:-9]), BROKEN),
    "gzip that unfolds without end": (packed(gzip.compress(bytes(11_000_000))), TOO_LARGE),
    "many small gzips": (packed(gzip.compress(bytes(100_000)) * 200), TOO_LARGE),
    "gzip in gzip": (packed(gzip.compress(gzip.compress(PDF)), "gzip, gzip"), BROKEN),
    "brotli": (packed(b"\x0b\x02\x80", "br"), BROKEN),
    "zstd": (packed(b"\x28\xb5\x2f\xfd", "zstd"), BROKEN),
    "deflate": (packed(zlib.compress(PDF), "deflate"), BROKEN),
    "too often": (answer(429, retry_after="7"), (TransientError, "status 429; it was asked too often")),
    "broken": (answer(503), (TransientError, "status 503; it cannot answer now")),
    "gone": (answer(410), (RejectedError, "status 410; it is not there")),
    "not there": (answer(404), (RejectedError, "status 404; it is not there")),
    "forbidden": (answer(403), (UnavailableError, "status 403; it wants another key")),
    "by law": (answer(451), (RejectedError, "status 451; it may not serve this by law")),
    "nothing": (answer(204), (PermanentError, "status 204; that is not the answer that was asked for")),
    "redirect to nowhere": (
        answer(302),
        (UnavailableError, "status 302; it leads elsewhere, and no redirect is followed"),
    ),
}


@pytest.mark.parametrize("name", PLAYS)
def test_a_bad_answer_is_told_by_its_type_after_one_request(name: str) -> None:
    play, (kind, words) = PLAYS[name]
    with WireServer(play) as server:
        error = failure(server, seconds=0.4 if (kind, words) == LATE else 20.0)
    assert (type(error), str(error).rpartition("`: ")[2]) == (kind, words)
    assert server.requests == 1


def test_an_answer_that_says_that_it_is_too_large_is_not_read() -> None:
    def large(connection: Connection) -> None:
        connection.send(head(200, length=10**12))
        connection.hold()

    with WireServer(large) as server:
        error = failure(server)
    assert str(error).endswith("1000000000000 bytes; at most 10000000 would be right")


def test_what_is_packed_unfolds_in_pieces() -> None:
    content = bytes(9_000_000)
    with WireServer(packed(gzip.compress(content))) as server:
        url = f"http://127.0.0.1:{server.port}/a.pdf"
        with Fetcher(Guard(LOOPBACK), most_bytes=10_000_000).get(url, until=time.monotonic() + 20) as found:
            assert isinstance(found, Answer)
            pieces = [len(block) for block in found.blocks]
    assert (sum(pieces), found.packed) == (len(content), True)
    assert max(pieces) <= 2**18


def test_how_long_to_wait_is_passed_on() -> None:
    with WireServer(answer(503, retry_after="120")) as server:
        error = failure(server)
    assert isinstance(error, TransientError)
    assert error.retry_after_seconds == 120.0


def test_a_server_that_is_not_there_may_be_there_later() -> None:
    error = failure(f"http://127.0.0.1:{refused_port()}/a.pdf")
    assert (type(error), str(error).rpartition("`: ")[2]) == (TransientError, "it cannot be reached")


def test_no_query_is_told() -> None:
    with WireServer(answer(500)) as server:
        error = failure(f"http://127.0.0.1:{server.port}/a.pdf?signature=s3cret")
    assert "s3cret" not in str(error)
