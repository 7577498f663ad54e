"""Every bad answer that a network can give × every adapter that talks HTTP: the error's type, after one request."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.rest_server import declared
from tests.wire_server import (
    Play,
    WireServer,
    answer,
    endless_body,
    half_closed,
    no_http,
    redirect_loop,
    refused_port,
    reset_at_once,
    reset_in_the_middle,
    silence,
    slow_body,
    slow_headers,
)

from penstock.adapters.embed.openai import OpenAIEmbedder, OpenAISettings
from penstock.adapters.sources.rest import RestSource
from penstock.adapters.sources.rest_settings import RestSettings
from penstock.errors import PermanentError, RejectedError, StageError, TransientError, UnavailableError
from penstock.testing.factories import make_chunks, make_context, make_resources

SECONDS = 0.3
"""What the adapters allow a request. The server's drops come every 0.02 s, so that no single read is ever late."""

Ask = Callable[[str], object]


def embed(address: str) -> object:
    settings = {"base_url": f"{address}/v1", "model": "small", "dimension": 3, "timeout_seconds": SECONDS}
    adapter = OpenAIEmbedder(OpenAISettings.model_validate(settings), make_resources(Path()))
    return adapter.execute(make_context(), make_chunks(2))


def embed_query(address: str) -> object:
    settings = {"base_url": f"{address}/v1", "model": "small", "dimension": 3, "timeout_seconds": SECONDS}
    return OpenAIEmbedder(OpenAISettings.model_validate(settings), make_resources(Path())).embed_query("words")


def discover(address: str) -> object:
    declaration = declared("clinicaltrials", f"{address}/studies", timeout_seconds=SECONDS, max_bytes=2**20)
    settings = RestSettings.model_validate(declaration)
    return list(RestSource(settings, make_resources(Path())).discover("clinicaltrials:cancer"))


ADAPTERS = pytest.mark.parametrize("ask", [embed, embed_query, discover], ids=lambda ask: ask.__name__)

LATE = (TransientError, "no answer in time")
BROKEN_OFF = (TransientError, "the connection broke off")
BROKEN = (PermanentError, "the answer is broken, or larger than is allowed")
UNFIT = (
    PermanentError,
    ("the endpoint's answer is not one vector for each text", "an answer that is no page of records at `studies`"),
)
LATER = (TransientError, "it cannot answer now")

PLAYS: dict[str, tuple[Play, tuple[type[StageError], str | tuple[str, ...]]]] = {
    "silence": (silence, LATE),
    "slow headers": (slow_headers, LATE),
    "slow body": (slow_body, LATE),
    "endless body": (endless_body, BROKEN),
    "reset at once": (reset_at_once, BROKEN_OFF),
    "reset in the middle": (reset_in_the_middle, BROKEN_OFF),
    "half closed": (half_closed, BROKEN_OFF),
    "no HTTP": (no_http, BROKEN_OFF),
    "redirect loop": (redirect_loop, (UnavailableError, "status 302; it leads elsewhere, and no redirect is followed")),
    "no JSON": (answer(200, b"<html>"), UNFIT),
    "truncated JSON": (answer(200, b'{"studies": [{"id": 1}, "data": ['), UNFIT),
    "other JSON": (answer(200, [1, 2]), UNFIT),
    "no UTF-8": (answer(200, b'{"studies": "\xff'), UNFIT),
    "too often": (answer(429, retry_after="7"), (TransientError, "status 429; it was asked too often")),
    "broken": (answer(500), (TransientError, "status 500; it cannot answer now")),
    "refusing": (answer(400), (RejectedError, "status 400; it refuses what it was sent")),
}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def failure(ask: Ask, address: str) -> StageError:
    with pytest.raises(StageError) as caught:
        ask(address)
    return caught.value


@ADAPTERS
@pytest.mark.parametrize("name", PLAYS)
def test_a_bad_answer_is_told_by_its_type_after_one_request(name: str, ask: Ask) -> None:
    play, (kind, told) = PLAYS[name]
    with WireServer(play) as server:
        error = failure(ask, f"http://127.0.0.1:{server.port}")
    assert (type(error), server.requests) == (kind, 1)
    assert error.message.endswith(told)


@ADAPTERS
def test_a_server_that_is_not_there_is_transient(ask: Ask) -> None:
    error = failure(ask, f"http://127.0.0.1:{refused_port()}")
    assert (type(error), error.message.partition(": ")[2]) == (TransientError, "it cannot be reached")


@ADAPTERS
def test_what_does_not_speak_tls_is_unavailable(ask: Ask) -> None:
    with WireServer(no_http) as server:
        error = failure(ask, f"https://127.0.0.1:{server.port}")
    assert (type(error), error.message.partition(": ")[2]) == (UnavailableError, "it does not speak TLS as it should")
    assert error.hint == "check `https` and the port"


@ADAPTERS
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("Tue, 05 Aug 2025 12:02:00 GMT", 120.0),
        ("Tue, 05 Aug 2025 11:00:00 GMT", 0.0),
        ("9" * 30, 86_400.0),
        ("soon", None),
    ],
    ids=["seconds", "date", "past", "bounded", "nonsense"],
)
def test_retry_after_is_passed_on(ask: Ask, value: str, seconds: float | None) -> None:
    with WireServer(answer(503, retry_after=value, date="Tue, 05 Aug 2025 12:00:00 GMT")) as server:
        error = failure(ask, f"http://127.0.0.1:{server.port}")
    assert isinstance(error, TransientError)
    assert (error.retry_after_seconds, server.requests) == (seconds, 1)


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_an_embedding_that_is_compressed_unasked_is_not_unpacked(encoding: str) -> None:
    with WireServer(answer(200, b"\x1f\x8b", content_encoding=encoding)) as server:
        error = failure(embed, f"http://127.0.0.1:{server.port}")
    assert (type(error), server.requests) == (PermanentError, 1)


def test_an_environment_s_proxy_is_asked_in_the_endpoint_s_place(monkeypatch: pytest.MonkeyPatch) -> None:
    with WireServer(answer(407)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://name:word@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "elsewhere.example")
        error = failure(embed, "http://models.example")
        lines = proxy.asked[0][0].split(b"\r\n")
    assert lines[0] == b"POST http://models.example/v1/embeddings HTTP/1.1"
    assert b"proxy-authorization: Basic bmFtZTp3b3Jk" in [line.replace(b"Proxy-A", b"proxy-a") for line in lines]
    assert (type(error), error.message) == (UnavailableError, "model `small`: status 407; the proxy wants a key")


def vectors(count: int) -> dict[str, Any]:
    data = [{"object": "embedding", "index": place, "embedding": [1.0, 2.0, 3.0]} for place in range(count)]
    return {"object": "list", "data": data, "model": "small", "usage": {"prompt_tokens": 1, "total_tokens": 1}}


def test_a_connection_serves_many_requests() -> None:
    with WireServer(answer(200, vectors(1))) as server:
        settings = {"base_url": f"http://127.0.0.1:{server.port}", "model": "small", "dimension": 3}
        adapter = OpenAIEmbedder(OpenAISettings.model_validate(settings), make_resources(Path()))
        for _ in range(3):
            adapter.embed_query("words")
        del adapter
    assert (server.requests, server.connections) == (3, 1)
