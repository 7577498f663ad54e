"""JSON records from a REST service that is declared in YAML: paging, what has changed since, what has not.

Sources of what the services do: <https://clinicaltrials.gov/data-api/api>, <https://docs.openalex.org/how-to-use-the-api>,
<https://open.fda.gov/apis/paging/>.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import partial
from typing import Any, ClassVar

import msgspec
from pydantic import BaseModel

from penstock.adapters.sources.rest_client import Answer, RestClient
from penstock.adapters.sources.rest_settings import Clause, OffsetPaging, RestSettings, TokenPaging
from penstock.errors import PermanentError, RejectedError, TransientError, UsageError
from penstock.ports import Page, Resources
from penstock.records import Json, SourceItem

MAX_RESTARTS = 5
"""How often one listing may begin again because its records moved."""

_DATE = re.compile(r"(\d{4})(?:-?(\d{2})(?:-?(\d{2}))?)?")


class Position(msgspec.Struct, omit_defaults=True):
    """Where a listing stands. What has been seen is `high`; what is asked for are the records from `since` on."""

    since: str = ""
    high: str = ""
    token: str = ""
    link: str = ""
    skip: int = 0
    batch: int = 0
    last: str = ""
    restarts: int = 0
    etag: str = ""
    etag_of: str = ""


class RestSource:
    """Finds records by a query or by their ids. The target reads `NAME:QUERY` or `NAME:ID,ID`."""

    settings_type: ClassVar[type[BaseModel]] = RestSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: RestSettings, resources: Resources) -> None:
        self._settings = settings
        self._listings: dict[str, _Listing] = {}

    def discover(self, target: str) -> Iterator[SourceItem]:
        """Every record, page by page, from the beginning. See `page`."""
        position: dict[str, Json] = {}
        while True:
            page = self.page(target, position)
            yield from page.items
            if page.last:
                return
            position = page.after

    def page(self, target: str, position: Mapping[str, Json]) -> Page:
        """One page of records (`penstock.ports.PagedSource`).

        An id that the service does not know is an item that is rejected when it is read. Raises `UsageError` for a
        target without a query, and for failures of the service what `penstock.endpoints` makes of them.
        """
        name, _, wanted = target.partition(":")
        if not wanted.strip():
            raise UsageError(f"source `{target}`: `{name}:QUERY` or `{name}:ID,ID` would be right")
        at = msgspec.convert(dict(position), Position)
        if target not in self._listings:
            self._listings[target] = _Listing(name, self._settings, wanted.strip())
        listing = self._listings[target]
        return listing.batch(at) if listing.ids else listing.page(at)


class _Listing:
    def __init__(self, name: str, settings: RestSettings, wanted: str) -> None:
        self._name = name
        self._settings = settings
        self._wanted = wanted
        self._client = RestClient(name, settings)
        self.ids = self._ids()

    def _ids(self) -> list[str]:
        ids = self._settings.ids
        parts = list(dict.fromkeys(each.strip() for each in self._wanted.split(",")))
        if ids is None or not all(re.fullmatch(ids.pattern, each, re.IGNORECASE) for each in parts):
            return []
        return [self._cased(each, ids.pattern) for each in parts]

    @staticmethod
    def _cased(identifier: str, pattern: str) -> str:
        """As the service writes it: what fits only in capitals is meant in capitals."""
        return identifier if re.fullmatch(pattern, identifier) else identifier.upper()

    def batch(self, at: Position) -> Page:
        """The documents of one request for ids."""
        ids = self._settings.ids
        assert ids is not None
        asked = self.ids[at.batch : at.batch + ids.most]
        answer = self._client.get(self._query((ids, ids.separator.join(asked)), size=len(asked)))
        found = {item.document_id: item for item in self._items(answer)}
        items = tuple(found.get(f"{self._name}:{each}") or self._missing(each) for each in asked)
        after = at.batch + len(asked)
        last = after >= len(self.ids)
        return Page(items, _kept(Position(batch=0 if last else after)), last)

    def page(self, at: Position) -> Page:
        """The documents of the page at a position, and where to go on."""
        parameters = self._parameters(at)
        first = not (at.token or at.link or at.skip)
        described = msgspec.json.encode(parameters, order="sorted").decode()
        known = at.etag if first and at.etag_of == described else ""
        try:
            answer = self._client.get(parameters, link=at.link, etag=known)
        except RejectedError:
            if first:
                raise
            return self._again(at)  # the token is too old, or the offset too large: what is behind them is asked anew
        if answer.unchanged:
            return Page((), _kept(at), last=True)
        items = tuple(self._items(answer))
        if at.skip and not (items and items[0].document_id == at.last):
            return self._again(at)
        after = self._next(at, answer, items)
        if after is not None:
            return Page(items, _kept(after), last=False)
        high = max(at.high, self._latest(answer))
        end = Position(since=high or at.since, high=high)
        if first and answer.etag:  # of a listing of one page, its tag tells whether anything has changed
            end.etag, end.etag_of = answer.etag, described
        return Page(items, _kept(end), last=True)

    def _next(self, at: Position, answer: Answer, items: tuple[SourceItem, ...]) -> Position | None:
        paging = self._settings.paging
        high = max(at.high, self._latest(answer))
        if isinstance(paging, OffsetPaging):
            return self._next_offset(at, answer, items, high)
        if isinstance(paging, TokenPaging):
            if not answer.token or not answer.records:
                return None
            if answer.token == at.token:
                raise PermanentError(f"{self._name}: the same page twice; a further one would be right")
            return Position(since=at.since, high=high, token=answer.token, restarts=at.restarts)
        return Position(since=at.since, high=high, link=answer.link, restarts=at.restarts) if answer.link else None

    def _next_offset(self, at: Position, answer: Answer, items: tuple[SourceItem, ...], high: str) -> Position | None:
        paging, since = self._settings.paging, self._settings.since
        assert isinstance(paging, OffsetPaging)
        seen = at.skip + len(answer.records)
        if len(answer.records) < paging.size or (answer.total is not None and seen >= answer.total):
            return None
        if len(answer.records) < 2:
            raise PermanentError(f"{self._name}: pages of one record; `size` of 2 or more would be right")
        if paging.most is None or seen - 1 <= paging.most:
            last = items[-1].document_id if items else ""
            return Position(since=at.since, high=high, skip=seen - 1, last=last, restarts=at.restarts)
        if since is not None and since.ascending and high > at.since:
            return Position(since=high, high=high, restarts=at.restarts)
        raise UsageError(
            f"source `{self._name}`: {answer.total or f'more than {seen}'} records match, and the service gives "
            f"{paging.most + paging.size} at most",
            hint="ask for less at once, by a narrower query",
        )

    def _again(self, at: Position) -> Page:
        """The listing from its beginning: records have moved, or the service no longer knows the place."""
        if at.restarts >= MAX_RESTARTS:
            raise TransientError(f"{self._name}: the records moved {at.restarts} times while they were listed")
        return Page((), _kept(Position(since=at.since, high=at.high, restarts=at.restarts + 1)), last=False)

    def _parameters(self, at: Position) -> dict[str, str]:
        paging, since = self._settings.paging, self._settings.since
        clauses: list[tuple[Clause, str]] = [(self._settings.query, self._wanted)]
        if since is not None and at.since and (self._client.has_key or not since.only_with_key):
            day = _day(at.since)
            if day is not None:
                clauses.append((since, (day - timedelta(days=since.overlap_days)).strftime(since.format)))
        found = self._query(*clauses, size=paging.size)
        if isinstance(paging, TokenPaging) and (at.token or paging.first):
            found[paging.parameter] = at.token or paging.first
        if isinstance(paging, OffsetPaging):
            found[paging.parameter] = str(at.skip)
        return found

    def _query(self, *clauses: tuple[Clause, str], size: int) -> dict[str, str]:
        found = {key: str(value) for key, value in self._settings.parameters.items()}
        for clause, value in clauses:
            own = f"{clause.prefix}{value}{clause.suffix}"
            before = found.get(clause.parameter)
            found[clause.parameter] = own if before is None else f"{before}{clause.join}{own}"
        if self._settings.paging.size_parameter:
            found[self._settings.paging.size_parameter] = str(size)
        return found

    def _items(self, answer: Answer) -> Iterator[SourceItem]:
        for record in answer.records:
            identifier = _value(record, self._settings.id.path)
            if identifier:
                yield self._item(identifier.removeprefix(self._settings.id.strip), record)

    def _item(self, identifier: str, record: bytes | None) -> SourceItem:
        settings = self._settings
        metadata: dict[str, Json] = {}
        if record is not None and settings.version and (version := _value(record, settings.version)):
            metadata["version"] = version
        if settings.text is not None:
            metadata["mapping"] = settings.text.model_dump(exclude_defaults=True)
        return SourceItem(
            document_id=f"{self._name}:{identifier}",
            source=self._name,
            locator=f"{settings.locator}{identifier}",
            read=partial(_refuse, self._name, identifier) if record is None else partial(bytes, record),
            kind_hint=settings.kind or "mapped",
            metadata=metadata,
        )

    def _missing(self, identifier: str) -> SourceItem:
        return self._item(identifier, None)

    def _latest(self, answer: Answer) -> str:
        since = self._settings.since
        return max((_value(each, since.path) for each in answer.records), default="") if since else ""


def _kept(position: Position) -> dict[str, Json]:
    found: dict[str, Json] = msgspec.to_builtins(position)
    return found


def _refuse(name: str, identifier: str) -> bytes:
    raise RejectedError(f"`{identifier}`: {name} has no such record")


def _day(written: str) -> date | None:
    """The day of `2024-02-03T…`, `20240203`, `2024-02` or `2024`."""
    found = _DATE.match(written)
    try:
        return date(int(found[1]), int(found[2] or 1), int(found[3] or 1)) if found else None
    except ValueError:
        return None


def _value(record: bytes, path: str) -> str:
    """The text or number at a path of a record, as text; empty where there is none."""
    try:
        value: Any = msgspec.json.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
