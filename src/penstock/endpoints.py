"""What the answer of an HTTP endpoint means for a stage, or that there is none.

    http_error("model `small`", 429, retry_after="7")     TransientError, to be tried again after 7 s
    transport_error("model `small`", exc)                 the client's own error: no connection, no answer in time, …

One table for every adapter, so that the same status never means two things. What is wrong with the request is the
document's fault, what is wrong with address, key or server is not. Sources: RFC 9110, section 15; RFC 6585;
<https://platform.openai.com/docs/guides/error-codes>;
<https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/> (520 to 530).
"""

import re
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from penstock.errors import PermanentError, QuotaError, RejectedError, StageError, TransientError, UnavailableError

LONGEST_RETRY_AFTER_SECONDS = 86_400.0
"""What `Retry-After` is taken for where it says more."""

QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "quota_exceeded"})
"""The `code` or `type` in the body of an answer that tells a budget that is used up from a rate that is too high."""


class Meaning(NamedTuple):
    """What an error is for the stage, in words, and what an operator does about it."""

    kind: type[StageError]
    what: str
    hint: str | None = None


_REFUSED = Meaning(RejectedError, "it refuses what it was sent")
_KEY = Meaning(UnavailableError, "it wants another key", "check the key and what it may do")
_ADDRESS = Meaning(UnavailableError, "it does not serve this", "check the address, and what is served there")
_LATER = Meaning(TransientError, "it cannot answer now")

STATUSES: dict[int, Meaning] = {
    400: _REFUSED,
    401: _KEY,
    402: Meaning(QuotaError, "its budget is used up", "raise the budget"),
    403: _KEY,
    404: _ADDRESS,
    405: _ADDRESS,
    407: Meaning(UnavailableError, "the proxy wants a key", "check the proxy that the environment names"),
    408: _LATER,
    409: Meaning(TransientError, "something else holds what was asked for"),
    410: _ADDRESS,
    413: Meaning(RejectedError, "what it was sent is too large for it"),
    414: _REFUSED,
    415: _REFUSED,
    422: _REFUSED,
    423: Meaning(TransientError, "something else holds what was asked for"),
    425: _LATER,
    429: Meaning(TransientError, "it was asked too often"),
    451: Meaning(RejectedError, "it may not serve this by law"),
    501: _ADDRESS,
    505: _ADDRESS,
    507: Meaning(UnavailableError, "its disk is full", "free space where the endpoint runs"),
    511: Meaning(UnavailableError, "the network wants a login", "log in to the network"),
    526: Meaning(UnavailableError, "its certificate is not valid", "renew the certificate of the endpoint"),
}
"""What a status means; `FAMILIES` for all others."""

FAMILIES: dict[int, Meaning] = {
    1: _ADDRESS,
    2: Meaning(PermanentError, "that is not the answer that was asked for"),
    3: Meaning(
        UnavailableError, "it leads elsewhere, and no redirect is followed", "name the address that it leads to"
    ),
    4: Meaning(PermanentError, "it does not do this"),
    5: _LATER,
}
"""What a status means that is not in `STATUSES`, by its first digit."""

_NO_ANSWER = Meaning(TransientError, "no answer in time")
_NO_CONNECTION = Meaning(TransientError, "it cannot be reached", "check that it runs, and its address")
_BROKEN_OFF = Meaning(TransientError, "the connection broke off")
_UNUSABLE = Meaning(
    UnavailableError, "the request cannot be sent", "check the address and the key for stray characters"
)
_UNREADABLE = Meaning(PermanentError, "the answer is broken, or larger than is allowed")

TRANSPORT: dict[str, Meaning] = {
    "TimeoutException": _NO_ANSWER,
    "APITimeoutError": _NO_ANSWER,
    "ConnectError": _NO_CONNECTION,
    "NetworkError": _BROKEN_OFF,
    "RemoteProtocolError": _BROKEN_OFF,
    "ProxyError": Meaning(UnavailableError, "the proxy refuses", "check the proxy that the environment names"),
    "LocalProtocolError": _UNUSABLE,
    "UnsupportedProtocol": _UNUSABLE,
    "InvalidURL": _UNUSABLE,
    "TooManyRedirects": FAMILIES[3],
    "DecodingError": _UNREADABLE,
    "StreamError": _UNREADABLE,
    "APIResponseValidationError": _UNREADABLE,
    "APIConnectionError": _NO_CONNECTION,
    "TransportError": _BROKEN_OFF,
}
"""Errors of the HTTP clients (httpx, httpx2, httpcore, openai) by the name of the class or of one that it extends."""

_CLIENTS = frozenset({"httpcore", "httpcore2", "httpx", "httpx2", "openai"})
_SECONDS = re.compile(r"\s*(\d+(?:\.\d+)?)\s*", re.ASCII)


def http_error(
    where: str,
    status: int,
    *,
    retry_after: str | None = None,
    date: str | None = None,
    codes: tuple[str | None, ...] = (),
) -> StageError:
    """The error for an answer's status. Nothing of the body is told.

    An adapter that asks for one document by its address takes 404 and 410 itself: there the document is gone.

    Args:
        where: who answered: ``model `small` ``.
        retry_after: the header `Retry-After`.
        date: the header `Date`, by which a date in `Retry-After` is measured.
        codes: what the body gives as code and type, where it does: tells a quota from a rate (`QUOTA_CODES`).
    """
    meaning = STATUSES.get(status) or FAMILIES.get(status // 100, FAMILIES[4])
    if status >= 400 and QUOTA_CODES.intersection(filter(None, codes)):
        meaning = STATUSES[402]
    return _error(meaning, where, f"status {status}; {meaning.what}", retry_after_seconds(retry_after, date))


def transport_error(where: str, exc: BaseException) -> StageError | None:
    """The error for what an HTTP client raised, by its type and its causes; None where it is no such error."""
    if not _client_names(exc) and not isinstance(exc, ssl.SSLError | socket.gaierror):
        return None
    chain = list(_causes(exc))
    response: Any = getattr(exc, "response", None)
    if isinstance(getattr(response, "status_code", None), int):
        codes = (getattr(exc, "code", None), getattr(exc, "type", None))
        return http_error(
            where,
            response.status_code,
            retry_after=response.headers.get("retry-after"),
            date=response.headers.get("date"),
            codes=tuple(code for code in codes if isinstance(code, str)),
        )
    for each in chain:
        if isinstance(each, ssl.SSLError | socket.gaierror):
            return _error(_of_socket(each), where)
    for each in reversed(chain):  # what lies deepest says most
        for name in _client_names(each):
            if name in TRANSPORT:
                return _error(TRANSPORT[name], where)
    return None


def endpoint_address(url: str) -> str:
    """What breakers and rates are counted by: the server, whatever the model; a name and a password are not told."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return f"{parts.scheme}://{parts.hostname}:{port}{parts.path.rstrip('/')}"


def retry_after_seconds(value: str | None, date: str | None = None) -> float | None:
    """`Retry-After` (RFC 9110, section 10.2.3), seconds or an HTTP date, as seconds from now; None for anything else.

    A date is measured by the answer's own `date` where there is one, so that no clock but the endpoint's counts.
    """
    if not value:
        return None
    if number := _SECONDS.fullmatch(value):
        return min(float(number[1]), LONGEST_RETRY_AFTER_SECONDS)
    when, now = _moment(value), _moment(date) or datetime.now(UTC)
    if when is None:
        return None
    return min(max(0.0, (when - now).total_seconds()), LONGEST_RETRY_AFTER_SECONDS)


def _of_socket(exc: ssl.SSLError | socket.gaierror) -> Meaning:
    if isinstance(exc, socket.gaierror):
        if exc.errno == socket.EAI_AGAIN:
            return Meaning(TransientError, "its name cannot be looked up now")
        return Meaning(UnavailableError, "no host has this name", "check the address")
    if isinstance(exc, ssl.SSLCertVerificationError):
        return Meaning(UnavailableError, "its certificate is not trusted", "check the certificate and the clock")
    if isinstance(exc, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError):
        return _BROKEN_OFF
    return Meaning(UnavailableError, "it does not speak TLS as it should", "check `https` and the port")


def _error(meaning: Meaning, where: str, what: str = "", wait: float | None = None) -> StageError:
    message = f"{where}: {what or meaning.what}"
    if issubclass(meaning.kind, TransientError):
        return meaning.kind(message, retry_after_seconds=wait, hint=meaning.hint)
    return meaning.kind(message, hint=meaning.hint)


def _client_names(exc: BaseException) -> list[str]:
    """The names of the error's own class and those above it, where they are an HTTP client's."""
    return [kind.__name__ for kind in type(exc).__mro__ if kind.__module__.partition(".")[0] in _CLIENTS]


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        yield exc
        exc = exc.__cause__ or (exc.__context__ if _client_names(exc) else None)  # httpcore raises `from None`


def _moment(value: str | None) -> datetime | None:
    try:
        when = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    return when.replace(tzinfo=when.tzinfo or UTC)
