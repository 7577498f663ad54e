"""The ClinicalTrials.gov service, played by a local server that answers as it does."""

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from penstock.adapters.sources.clinicaltrials import ClinicalTrialsSettings, ClinicalTrialsSource
from penstock.errors import (
    PermanentError,
    RejectedError,
    StageError,
    TransientError,
    UnavailableError,
    UsageError,
)
from penstock.testing.factories import make_resources

NUMBERS = ["NCT00000001", "NCT00000002", "NCT00000003"]


def study(number: str) -> dict[str, Any]:
    return {"protocolSection": {"identificationModule": {"nctId": number, "briefTitle": f"Study {number}"}}}


class Registry(BaseHTTPRequestHandler):
    """Pages through `NUMBERS`, or gives the `answer` it was told to give."""

    asked: ClassVar[list[dict[str, list[str]]]] = []
    answer: ClassVar[tuple[int, dict[str, str], bytes] | None] = None

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        self.asked.append(query)
        status, headers, body = self.answer or (200, {}, self.page(query))
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def page(self, query: dict[str, list[str]]) -> bytes:
        wanted = query["filter.ids"][0].split(",") if "filter.ids" in query else NUMBERS
        matching = [number for number in NUMBERS if number in wanted]
        first = int(query.get("pageToken", ["0"])[0])
        after = first + int(query["pageSize"][0])
        token = {"nextPageToken": str(after)} if after < len(matching) else {}
        return json.dumps({"studies": [study(number) for number in matching[first:after]], **token}).encode()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    Registry.asked, Registry.answer = [], None
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api/v2"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def source(address: str, tmp_path: Path) -> ClinicalTrialsSource:
    settings = ClinicalTrialsSettings(base_url=address, page_size=2, requests_per_second=1e6, max_bytes=5_000)
    return ClinicalTrialsSource(settings, make_resources(tmp_path))


def test_a_query_is_read_page_by_page(source: ClinicalTrialsSource) -> None:
    items = list(source.discover("clinicaltrials:gastric cancer"))
    assert [(item.document_id, item.source, item.locator) for item in items] == [
        (f"clinicaltrials:{number}", "clinicaltrials", f"https://clinicaltrials.gov/study/{number}")
        for number in NUMBERS
    ]
    assert [json.loads(item.read()) for item in items] == [study(number) for number in NUMBERS]
    asked = {"format": ["json"], "pageSize": ["2"], "query.term": ["gastric cancer"]}
    assert Registry.asked == [asked, asked | {"pageToken": ["2"]}]


def test_numbers_are_asked_for_by_number(source: ClinicalTrialsSource) -> None:
    items = list(source.discover("clinicaltrials:nct00000003, NCT00000001"))
    assert [item.document_id for item in items] == ["clinicaltrials:NCT00000003", "clinicaltrials:NCT00000001"]
    assert [each["filter.ids"] for each in Registry.asked] == [["NCT00000003,NCT00000001"]]


def test_a_number_that_the_registry_does_not_know_is_rejected(source: ClinicalTrialsSource) -> None:
    (item,) = source.discover("clinicaltrials:NCT99999999")
    with pytest.raises(RejectedError) as caught:
        item.read()
    assert str(caught.value) == "`NCT99999999`: ClinicalTrials.gov has no such study"


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ((429, {"Retry-After": "7"}, b""), TransientError, "ClinicalTrials.gov: status 429; it was asked too often"),
        ((503, {}, b""), TransientError, "ClinicalTrials.gov: status 503; it cannot answer now"),
        ((400, {}, b"secret"), RejectedError, "ClinicalTrials.gov: status 400; it refuses what it was sent"),
        (
            (302, {"Location": "http://elsewhere.example/"}, b""),
            UnavailableError,
            "ClinicalTrials.gov: status 302; it leads elsewhere, and no redirect is followed",
        ),
        ((200, {}, b"<html>"), PermanentError, "ClinicalTrials.gov: an answer that is no page of studies"),
        (
            (200, {}, b" " * 5_001),
            PermanentError,
            "ClinicalTrials.gov: the answer is broken, or larger than is allowed",
        ),
        (
            (200, {"Content-Encoding": "gzip"}, gzip.compress(b" " * 500_000)),
            PermanentError,
            "ClinicalTrials.gov: the answer is broken, or larger than is allowed",
        ),
        (
            (200, {}, b'{"studies": [], "nextPageToken": "x"}'),
            PermanentError,
            "ClinicalTrials.gov: the same page twice; a further one would be right",
        ),
    ],
)
def test_a_failure_tells_by_its_type_what_follows(
    source: ClinicalTrialsSource, answer: tuple[int, dict[str, str], bytes], error: type[StageError], message: str
) -> None:
    Registry.answer = answer
    with pytest.raises(error) as caught:
        list(source.discover("clinicaltrials:cancer"))
    assert (type(caught.value), str(caught.value)) == (error, message)


def test_how_long_to_wait_is_passed_on(source: ClinicalTrialsSource) -> None:
    Registry.answer = (429, {"Retry-After": "7"}, b"")
    with pytest.raises(TransientError) as caught:
        list(source.discover("clinicaltrials:cancer"))
    assert caught.value.retry_after_seconds == 7.0
    assert len(Registry.asked) == 1


def test_a_server_that_is_not_there_may_be_there_later(tmp_path: Path) -> None:
    settings = ClinicalTrialsSettings(base_url="http://127.0.0.1:9", requests_per_second=1e6)
    with pytest.raises(TransientError) as caught:
        list(ClinicalTrialsSource(settings, make_resources(tmp_path)).discover("clinicaltrials:cancer"))
    assert str(caught.value) == "ClinicalTrials.gov: it cannot be reached"


@pytest.mark.parametrize("target", ["cancer", "clinicaltrials:", "clinicaltrials: "])
def test_another_form_of_target_is_a_mistake_of_the_user(source: ClinicalTrialsSource, target: str) -> None:
    with pytest.raises(UsageError):
        list(source.discover(target))


@pytest.mark.parametrize("base_url", ["http://clinicaltrials.gov/api/v2", "file:///etc", "http://127.0.0.1.evil.org"])
def test_only_an_encrypted_address_is_taken(base_url: str) -> None:
    with pytest.raises(ValidationError, match="must begin with `https://`"):
        ClinicalTrialsSettings(base_url=base_url)
