"""Studies of ClinicalTrials.gov, from its API v2 (https://clinicaltrials.gov/data-api/api)."""

import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

import msgspec
from pydantic import BaseModel, ConfigDict, Field, field_validator

from penstock.adapters.sniff import NCT_ID
from penstock.adapters.sources.lines import study_id
from penstock.endpoints import http_error, transport_error
from penstock.errors import PermanentError, RejectedError, UsageError
from penstock.ports import Resources
from penstock.records import SourceItem

if TYPE_CHECKING:
    import httpx

PREFIX = "clinicaltrials:"
_SERVICE = "ClinicalTrials.gov"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_IDS_PER_REQUEST = 100


class ClinicalTrialsSettings(BaseModel):
    """Where the service is, and how much is asked of it: its own limit is about 50 requests a minute.

    `timeout_seconds` and `max_bytes` are for a page: from the connection to its last byte.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base_url: str = "https://clinicaltrials.gov/api/v2"
    page_size: int = Field(default=100, ge=1, le=1000)
    requests_per_second: float = Field(default=0.8, gt=0)
    timeout_seconds: float = Field(default=60, gt=0)
    max_bytes: int = Field(default=64 * 2**20, gt=0)

    @field_validator("base_url")
    @classmethod
    def _encrypted(cls, value: str) -> str:
        address = urlsplit(value)
        if address.scheme != "https" and not (address.scheme == "http" and address.hostname in _LOOPBACK):
            raise ValueError("must begin with `https://`")
        return value.rstrip("/")


class _Page(msgspec.Struct):
    studies: list[msgspec.Raw] = []
    nextPageToken: str = ""  # noqa: N815  # the service's own name


class ClinicalTrialsSource:
    """Finds studies by a query or by their NCT numbers, a page at a time."""

    settings_type: ClassVar[type[BaseModel]] = ClinicalTrialsSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: ClinicalTrialsSettings, resources: Resources) -> None:
        self._settings = settings
        self._next_at = 0.0

    def discover(self, target: str) -> Iterator[SourceItem]:
        """The studies for `clinicaltrials:QUERY` or `clinicaltrials:NCT…,NCT…`.

        A number that the service does not know is an item that is rejected when it is read. Raises `UsageError` for
        another form of target, and for failures of the service what `penstock.endpoints` makes of them.
        """
        wanted = target.removeprefix(PREFIX).strip()
        if not target.startswith(PREFIX) or not wanted:
            raise UsageError(f"source `{target}`: `clinicaltrials:QUERY` or `clinicaltrials:NCT…,NCT…` would be right")
        numbers = list(dict.fromkeys(each.strip().upper() for each in wanted.split(",")))
        if not all(NCT_ID.fullmatch(each) for each in numbers):
            yield from (_item(number, content) for number, content in self._studies({"query.term": wanted}))
            return
        for first in range(0, len(numbers), _IDS_PER_REQUEST):
            asked = numbers[first : first + _IDS_PER_REQUEST]
            found = dict(self._studies({"filter.ids": ",".join(asked)}))
            yield from (_item(number, found.get(number)) for number in asked)

    def _studies(self, query: dict[str, str]) -> Iterator[tuple[str, bytes]]:
        """(NCT number, the study's bytes) from every page."""
        import httpx

        from penstock.adapters.transport import BoundedTransport

        settings = self._settings
        transport = BoundedTransport(seconds=settings.timeout_seconds, most_bytes=settings.max_bytes)
        parameters = {"format": "json", "pageSize": str(settings.page_size), **query}
        seen: set[str] = set()
        with httpx.Client(timeout=settings.timeout_seconds, transport=transport, follow_redirects=False) as client:
            while True:
                page = self._page(client, parameters)
                for study in map(bytes, page.studies):
                    number = study_id(study)
                    if number:
                        yield number, study
                if not page.nextPageToken:
                    return
                if page.nextPageToken in seen:
                    raise PermanentError(f"{_SERVICE}: the same page twice; a further one would be right")
                seen.add(page.nextPageToken)
                parameters["pageToken"] = page.nextPageToken

    def _page(self, client: "httpx.Client", parameters: dict[str, str]) -> _Page:
        import httpx

        self._wait()
        try:
            with client.stream("GET", f"{self._settings.base_url}/studies", params=parameters) as answer:
                if answer.status_code != httpx.codes.OK:
                    wait, date = answer.headers.get("retry-after"), answer.headers.get("date")
                    raise http_error(_SERVICE, answer.status_code, retry_after=wait, date=date)
                content = answer.read()
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise transport_error(_SERVICE, exc) or PermanentError(f"{_SERVICE}: {type(exc).__name__}") from exc
        try:
            return msgspec.json.decode(content, type=_Page)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise PermanentError(f"{_SERVICE}: an answer that is no page of studies") from exc

    def _wait(self) -> None:
        now = time.monotonic()
        if now < self._next_at:
            time.sleep(self._next_at - now)
        self._next_at = max(now, self._next_at) + 1 / self._settings.requests_per_second


def _item(number: str, content: bytes | None) -> SourceItem:
    return SourceItem(
        document_id=f"clinicaltrials:{number}",
        source="clinicaltrials",
        locator=f"https://clinicaltrials.gov/study/{number}",
        read=partial(_missing, number) if content is None else partial(bytes, content),
        kind_hint="",
    )


def _missing(number: str) -> bytes:
    raise RejectedError(f"`{number}`: {_SERVICE} has no such study")
