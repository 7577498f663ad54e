import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from penstock.adapters.embed.openai import OpenAIEmbedder, OpenAISettings
from penstock.errors import (
    MissingDependencyError,
    PermanentError,
    QuotaError,
    RejectedError,
    StageError,
    TransientError,
    UnavailableError,
)
from penstock.records import EmbeddingBatch
from penstock.testing.embed_stage import EmbedStageContract, rows
from penstock.testing.factories import make_chunks, make_context, make_resources

Answer = Callable[[dict[str, Any]], tuple[int, dict[str, str], Any]]


def embeddings(request: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
    texts = [request["input"]] if isinstance(request["input"], str) else request["input"]
    data = [
        {"object": "embedding", "index": place, "embedding": [float(len(text)), float(sum(text.encode()) % 97), 1.0]}
        for place, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return 200, {}, {"object": "list", "data": data, "model": request["model"], "usage": usage}


def refusal(status: int, code: str = "", **headers: str) -> Answer:
    body = {"error": {"message": "planted-secret text of the document", "type": code, "code": code, "param": None}}
    return lambda request: (status, {key.replace("_", "-"): value for key, value in headers.items()}, body)


class Endpoint(ThreadingHTTPServer):
    """An OpenAI-compatible server of embeddings; `answer` may be replaced, `requests` are kept."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: Answer = embeddings
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.requests.append(request)
        self.server.keys.append(self.headers["authorization"])
        status, headers, body = self.server.answer(request)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        with suppress(ConnectionError):  # a client whose time is over has gone
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def adapter(endpoint: Endpoint) -> OpenAIEmbedder:
    return embedder(endpoint.url)


def embedder(url: str, **settings: Any) -> OpenAIEmbedder:
    values = {"base_url": url, "model": "small", "dimension": 3, "timeout_seconds": 5, "batch_size": 4, **settings}
    return OpenAIEmbedder(OpenAISettings.model_validate(values), make_resources(Path()))


class TestOpenAIEmbedder(EmbedStageContract):
    @pytest.fixture
    def adapter(self, endpoint: Endpoint) -> Any:
        return embedder(endpoint.url, with_title=False, with_headings=False)


def test_an_endpoint_is_counted_by_its_address_without_its_password() -> None:
    assert embedder("https://me:secret@models.example/v1/").endpoint == "https://models.example:443/v1"
    assert embedder("http://127.0.0.1:9/v1").endpoint == "http://127.0.0.1:9/v1"


def test_one_request_serves_chunks_of_several_documents(endpoint: Endpoint, adapter: OpenAIEmbedder) -> None:
    items = [(make_context(), make_chunks(count, document_id=f"d{count}")) for count in (3, 1, 2)]
    results = adapter.execute_batch(items)
    assert [len(request["input"]) for request in endpoint.requests] == [4, 2]
    assert results == [adapter.execute(ctx, chunks) for ctx, chunks in items]


def test_the_request_is_the_published_one(endpoint: Endpoint) -> None:
    embedder(endpoint.url).execute(make_context(), make_chunks(1, text="Words.", title="Title"))
    embedder(endpoint.url, send_dimension=True).embed_query("words")
    assert endpoint.requests == [
        {"input": ["Title\nWords."], "model": "small", "encoding_format": "float"},
        {"input": "words", "model": "small", "encoding_format": "float", "dimensions": 3},
    ]


def test_the_key_comes_from_the_environment(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDDING_KEY", "s3cret")
    embedder(endpoint.url, api_key={"env": "EMBEDDING_KEY"}).embed_query("words")
    assert endpoint.keys == ["Bearer s3cret"]


def test_a_key_that_is_not_set_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMBEDDING_KEY", raising=False)
    with pytest.raises(MissingDependencyError) as error:
        embedder("http://127.0.0.1:9/v1", api_key={"env": "EMBEDDING_KEY"})
    assert str(error.value) == "adapter `openai`: the environment variable `EMBEDDING_KEY` of `api_key` is not set"


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (refusal(429), TransientError, "model `small`: status 429; it was asked too often"),
        (refusal(503), TransientError, "model `small`: status 503; it cannot answer now"),
        (
            refusal(500, x_request_id="r-1"),
            TransientError,
            "model `small`, request `r-1`: status 500; it cannot answer now",
        ),
        (
            refusal(429, "insufficient_quota"),
            QuotaError,
            "model `small`: status 429; its budget is used up",
        ),
        (
            refusal(401),
            UnavailableError,
            "model `small`: status 401; it wants another key",
        ),
        (refusal(404), UnavailableError, "model `small`: status 404; it does not serve this"),
        (
            refusal(400),
            RejectedError,
            "model `small`: status 400; it refuses what it was sent",
        ),
        (
            lambda request: (200, {}, {"object": "list", "data": [], "model": "small", "usage": {}}),
            PermanentError,
            "model `small`: the endpoint's answer is not one vector for each text",
        ),
        (
            lambda request: (200, {}, b"<html>"),
            PermanentError,
            "model `small`: the endpoint's answer is not one vector for each text",
        ),
    ],
    ids=["rate", "busy", "broken", "quota", "key", "model", "input", "empty-answer", "no-json"],
)
def test_a_failure_is_told_by_type_after_one_request(
    endpoint: Endpoint, adapter: OpenAIEmbedder, answer: Answer, kind: type[StageError], message: str
) -> None:
    endpoint.answer = answer
    with pytest.raises(StageError) as error:
        adapter.execute(make_context(), make_chunks(1))
    assert len(endpoint.requests) == 1
    assert isinstance(error.value, kind)
    assert (str(error.value), "planted-secret" in str(error.value)) == (message, False)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("-3", None), ("soon", None)],
    ids=["seconds", "fraction", "negative", "nonsense"],
)
def test_retry_after_is_passed_on(
    endpoint: Endpoint, adapter: OpenAIEmbedder, value: str, seconds: float | None
) -> None:
    endpoint.answer = refusal(429, Retry_After=value)
    with pytest.raises(TransientError) as error:
        adapter.embed_query("words")
    assert error.value.retry_after_seconds == seconds


def test_retry_after_may_be_a_date(endpoint: Endpoint, adapter: OpenAIEmbedder) -> None:
    endpoint.answer = refusal(503, Retry_After=format_datetime(datetime.now(UTC) + timedelta(minutes=2), usegmt=True))
    with pytest.raises(TransientError) as error:
        adapter.embed_query("words")
    assert 60 < (error.value.retry_after_seconds or 0) <= 120


def test_a_server_that_is_not_there_is_transient() -> None:
    with pytest.raises(TransientError) as error:
        embedder("http://127.0.0.1:9/v1").embed_query("words")
    assert str(error.value) == "model `small`: it cannot be reached"


def test_a_server_that_does_not_answer_is_transient(endpoint: Endpoint) -> None:
    released = threading.Event()

    def wait(request: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        released.wait(10)
        return 200, {"connection": "close"}, b""

    endpoint.answer = wait
    with pytest.raises(TransientError) as error:
        embedder(endpoint.url, timeout_seconds=0.2).embed_query("words")
    released.set()
    assert str(error.value) == "model `small`: no answer in time"


@pytest.mark.parametrize(
    ("poisoned", "kind"),
    [(refusal(400), RejectedError), (lambda request: (200, {}, b'{"data": [NaN'), PermanentError)],
    ids=["refused", "unreadable"],
)
def test_one_bad_document_does_not_fail_the_others(
    endpoint: Endpoint, adapter: OpenAIEmbedder, poisoned: Answer, kind: type[StageError]
) -> None:
    endpoint.answer = lambda request: (
        poisoned(request) if any("poison" in text for text in request["input"]) else embeddings(request)
    )
    items = [
        (make_context(), make_chunks(1, document_id="good")),
        (make_context(), make_chunks(1, document_id="bad", text="poison")),
        (make_context(), make_chunks(2, document_id="fine")),
    ]
    good, bad, fine = adapter.execute_batch(items)
    assert [isinstance(each, EmbeddingBatch) for each in (good, bad, fine)] == [True, False, True]
    assert type(bad) is kind
    assert len(endpoint.requests) == 4


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(503), TransientError),
        (refusal(401), UnavailableError),
        (refusal(429, "insufficient_quota"), QuotaError),
    ],
    ids=["busy", "key", "quota"],
)
def test_after_an_endpoint_s_own_failure_nothing_more_is_asked(
    endpoint: Endpoint, adapter: OpenAIEmbedder, answer: Answer, kind: type[StageError]
) -> None:
    endpoint.answer = lambda request: embeddings(request) if len(endpoint.requests) == 1 else answer(request)
    results = adapter.execute_batch([(make_context(), make_chunks(4, document_id=f"d{item}")) for item in range(4)])
    assert [type(each) for each in results] == [EmbeddingBatch, kind, kind, kind]
    assert len(endpoint.requests) == 2


def test_a_vector_of_another_dimension_is_permanent(endpoint: Endpoint) -> None:
    with pytest.raises(PermanentError) as error:
        embedder(endpoint.url, dimension=4).execute(make_context(), make_chunks(1))
    assert str(error.value) == ("chunk `file:paper.md#0`: model `small` gave a vector of 3 numbers; the settings say 4")


def test_vectors_are_normalised(adapter: OpenAIEmbedder) -> None:
    batch = adapter.execute(make_context(), make_chunks(2))
    assert [round(sum(value * value for value in row), 5) for row in rows(batch)] == [1.0, 1.0]
