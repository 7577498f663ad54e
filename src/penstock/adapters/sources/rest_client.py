"""One request to a REST service: a page of records, or why there is none."""

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin, urlsplit

import msgspec

from penstock.adapters.sources.rest_settings import LinkPaging, OffsetPaging, RestSettings, TokenPaging
from penstock.endpoints import http_error, transport_error
from penstock.errors import PermanentError

if TYPE_CHECKING:
    import httpx

_LINK = re.compile(r'<([^<>]+)>\s*;[^,<]*\brel="?next"?', re.IGNORECASE)
_NOT_MODIFIED = 304


class Answer(NamedTuple):
    """A page as it came: the bytes of its records, and what leads to the next one."""

    records: list[bytes]
    token: str = ""
    link: str = ""
    total: int | None = None
    etag: str = ""
    unchanged: bool = False


class RestClient:
    """Asks one service, a request at a time; the connection is kept between them.

    Raises `MissingDependencyError` where the service needs a key and its variable is not set.
    """

    def __init__(self, name: str, settings: RestSettings) -> None:
        self._name = name
        self._settings = settings
        self._client: httpx.Client | None = None

    @property
    def has_key(self) -> bool:
        """Whether requests go with a key."""
        return self._settings.auth is not None and bool(os.environ.get(self._settings.auth.value.env))

    def get(self, parameters: Mapping[str, str], *, link: str = "", etag: str = "") -> Answer:
        """The page for these parameters, or at a `link` of the page before.

        Raises for failures what `penstock.endpoints` makes of them. `unchanged` is a page that is as `etag` says.
        """
        import httpx

        keyed = self._key()
        headers = {**self._settings.headers, **keyed[0], **({"If-None-Match": etag} if etag else {})}
        query = keyed[1] if link else {**parameters, **keyed[1]}
        address = httpx.URL(link or self._settings.url).copy_merge_params(query)
        try:
            with self._opened().stream("GET", address, headers=headers) as answer:
                if answer.status_code in self._settings.none_found:
                    return Answer([])
                if answer.status_code == _NOT_MODIFIED and etag:
                    return Answer([], etag=etag, unchanged=True)
                if answer.status_code != httpx.codes.OK:
                    wait, date = answer.headers.get("retry-after"), answer.headers.get("date")
                    raise http_error(self._name, answer.status_code, retry_after=wait, date=date)
                found = self._read(answer.read())
                link = self._next_link(str(address), answer.headers.get("link", ""))
                return found._replace(etag=answer.headers.get("etag", ""), link=link)
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise transport_error(self._name, exc) or PermanentError(f"{self._name}: {type(exc).__name__}") from exc

    def _opened(self) -> "httpx.Client":
        import httpx

        from penstock.adapters.transport import BoundedTransport

        if self._client is None:
            settings = self._settings
            transport = BoundedTransport(seconds=settings.timeout_seconds, most_bytes=settings.max_bytes)
            self._client = httpx.Client(timeout=settings.timeout_seconds, transport=transport, follow_redirects=False)
        return self._client

    def _key(self) -> tuple[dict[str, str], dict[str, str]]:
        """The key as headers and as parameters."""
        auth = self._settings.auth
        if auth is None:
            return {}, {}
        if auth.optional and not self.has_key:
            return {}, {}
        key = auth.value.value(self._name, "auth")
        if auth.query:
            return {}, {auth.query: key}
        return {str(auth.header): f"{auth.scheme} {key}".strip()}, {}

    def _read(self, content: bytes) -> Answer:
        settings, paging = self._settings, self._settings.paging
        try:
            found = _at(content, settings.records)
            records = [] if found is None else [bytes(each) for each in _LIST.decode(found)]
            token, total = None, None
            if isinstance(paging, TokenPaging) and (raw := _at(content, paging.next)) is not None:
                token = msgspec.json.decode(raw, type=str | int | None)
            if isinstance(paging, OffsetPaging) and paging.total and (raw := _at(content, paging.total)) is not None:
                total = msgspec.json.decode(raw, type=int)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise PermanentError(f"{self._name}: an answer that is no page of records at `{settings.records}`") from exc
        return Answer(records, token="" if token is None else str(token), total=total)

    def _next_link(self, address: str, header: str) -> str:
        """The next page's address without the key; one at another host is none that the key may go to."""
        found = _LINK.search(header) if isinstance(self._settings.paging, LinkPaging) else None
        if not found:
            return ""
        import httpx

        url = httpx.URL(urljoin(address, found[1]))
        own = urlsplit(self._settings.url)
        if (url.scheme, url.netloc.decode()) != (own.scheme, own.netloc):
            raise PermanentError(f"{self._name}: the next page is said to be at another host; it is not asked")
        auth = self._settings.auth
        return str(url.copy_remove_param(auth.query) if auth and auth.query else url)


_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _at(content: bytes, path: str) -> bytes | None:
    """The JSON at a path, undecoded; None where it is not there, or null."""
    for key in path.split("."):
        found = _OBJECT.decode(content).get(key)
        if found is None or bytes(found) == b"null":
            return None
        content = bytes(found)
    return content
