"""What an adapter raised → the type that says what follows, one case for each entry of the table and each client."""

import asyncio
import concurrent.futures
import errno
import json
import os
import socket
import sqlite3
import ssl
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import httpx2
import msgspec
import openai
import pytest

from penstock.endpoints import FAMILIES, QUOTA_CODES, TRANSPORT, http_error, retry_after_seconds
from penstock.errors import (
    MissingDependencyError,
    PermanentError,
    QuotaError,
    RejectedError,
    StageCrashError,
    StageError,
    TransientError,
    UnavailableError,
    UsageError,
)
from penstock.machine import MENDED, PASSING, SQLITE, os_error
from penstock.resilience.taxonomy import as_stage_error

REQUEST = httpx.Request("GET", "https://models.example/?key=s3cret")


def outcome(exc: BaseException) -> tuple[type[StageError], str]:
    error = as_stage_error(exc)
    assert error.__cause__ is exc
    return type(error), error.message


EXPECTED = {
    TransientError: {
        408,
        409,
        423,
        425,
        429,
        500,
        502,
        503,
        504,
        506,
        508,
        509,
        510,
        *range(520, 526),
        *range(527, 531),
    },
    UnavailableError: {401, 403, 404, 405, 407, 410, 501, 505, 507, 511, 526},
    RejectedError: {400, 413, 414, 415, 422, 451},
    QuotaError: {402},
}


@pytest.mark.parametrize(
    "status", sorted({*map(int, HTTPStatus), *range(400, 452), *range(500, 512), *range(520, 531)})
)
def test_every_status_has_its_type(status: int) -> None:
    wanted = next((kind for kind, statuses in EXPECTED.items() if status in statuses), PermanentError)
    if status < 200 or 300 <= status < 400:
        wanted = UnavailableError
    error = http_error("it", status)
    assert (type(error), error.message.startswith(f"it: status {status}; ")) == (wanted, True)


@pytest.mark.parametrize("code", sorted(QUOTA_CODES))
@pytest.mark.parametrize("status", [400, 403, 429, 503])
def test_a_quota_is_told_from_a_rate_by_the_code_in_the_body(code: str, status: int) -> None:
    assert type(http_error("it", status, codes=(None, code), retry_after="3")) is QuotaError


def test_a_status_of_each_family_that_nobody_knows_has_a_type() -> None:
    assert {type(http_error("it", status)) for status in (0, 99, 600, 999)} == {PermanentError}
    assert set(FAMILIES) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *[(None, None), ("", None), ("120", 120.0), (" 1.5 ", 1.5), ("-1", None), ("nan", None), ("1e9", None)],
        *[("9" * 400, 86_400.0), ("٣", None), ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0), ("Xxx, 99 Yyy", None)],
    ],
)
def test_retry_after_is_bounded_seconds_or_nothing(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value) == seconds


def test_a_date_to_retry_after_is_measured_by_the_endpoint_s_own_clock() -> None:
    wait = retry_after_seconds("Tue, 05 Aug 2025 12:00:30 GMT", "Tue, 05 Aug 2025 12:00:00 GMT")
    assert (wait, retry_after_seconds("Tue, 05 Aug 2025 12:00:30 GMT")) == (30.0, 0.0)


def transport_errors(client: Any) -> list[Any]:
    """Every class of error that the client can raise for a request."""
    found = [each for each in vars(client).values() if isinstance(each, type) and issubclass(each, Exception)]
    return [each for each in found if issubclass(each, client.TransportError | client.DecodingError)]


@pytest.mark.parametrize(
    "kind", transport_errors(httpx) + transport_errors(httpx2), ids=lambda k: f"{k.__module__}.{k.__name__}"
)
def test_every_transport_error_of_the_clients_has_its_type(kind: Any) -> None:
    names = {each.__name__ for each in kind.__mro__}
    late, broken = "TimeoutException" in names, "NetworkError" in names
    other = {
        "RemoteProtocolError": TransientError,
        "LocalProtocolError": UnavailableError,
        "UnsupportedProtocol": UnavailableError,
        "ProxyError": UnavailableError,
        "TransportError": TransientError,
        "ProtocolError": TransientError,
        "SSEError": TransientError,
        "DecodingError": PermanentError,
    }
    assert outcome(kind("s3cret"))[0] is (TransientError if late or broken else other[kind.__name__])


@pytest.mark.parametrize("name", [name for name in TRANSPORT if hasattr(httpx, name)])
def test_the_clients_know_every_name_in_the_table(name: str) -> None:
    assert issubclass(getattr(httpx, name), Exception)
    assert issubclass(getattr(httpx2, name), Exception)


def test_every_name_in_the_table_is_a_class_of_a_client() -> None:
    assert [name for name in TRANSPORT if not hasattr(httpx, name) and not hasattr(openai, name)] == []


def openai_status(status: int, body: object = None) -> openai.APIStatusError:
    response = httpx2.Response(
        status, headers={"Retry-After": "4"}, request=httpx2.Request("POST", "https://m.example")
    )
    return openai.APIStatusError("s3cret", response=response, body=body)


@pytest.mark.parametrize(
    ("exc", "kind", "message"),
    [
        (openai_status(429), TransientError, "the endpoint: status 429; it was asked too often"),
        (
            openai_status(429, {"code": "insufficient_quota"}),
            QuotaError,
            "the endpoint: status 429; its budget is used up",
        ),
        (openai_status(401), UnavailableError, "the endpoint: status 401; it wants another key"),
        (
            openai.APITimeoutError(httpx2.Request("POST", "https://m.example")),
            TransientError,
            "the endpoint: no answer in time",
        ),
        (
            httpx.HTTPStatusError("?key=s3cret", request=REQUEST, response=httpx.Response(503)),
            TransientError,
            "the endpoint: status 503; it cannot answer now",
        ),
        (httpx.InvalidURL("s3cret"), UnavailableError, "the endpoint: the request cannot be sent"),
        (
            httpx.TooManyRedirects("s3cret"),
            UnavailableError,
            "the endpoint: it leads elsewhere, and no redirect is followed",
        ),
        (socket.gaierror(socket.EAI_AGAIN, "no"), TransientError, "the endpoint: its name cannot be looked up now"),
        (socket.gaierror(socket.EAI_NONAME, "no"), UnavailableError, "the endpoint: no host has this name"),
        (ssl.SSLCertVerificationError("no"), UnavailableError, "the endpoint: its certificate is not trusted"),
        (ssl.SSLEOFError("no"), TransientError, "the endpoint: the connection broke off"),
        (ssl.SSLError("no"), UnavailableError, "the endpoint: it does not speak TLS as it should"),
        (TimeoutError(), TransientError, "no answer in time"),
        (MemoryError(), TransientError, "there is no memory left"),
        (RecursionError("s3cret"), PermanentError, "RecursionError: nested too deep"),
        (UnicodeError("odd"), PermanentError, "UnicodeError: odd"),
        (BrokenProcessPool("a"), StageCrashError, "a worker process of the adapter died"),
        (MissingDependencyError("no key"), UnavailableError, "no key"),
        (UsageError("no such"), PermanentError, "no such"),
        (SystemExit(3), PermanentError, "SystemExit: 3"),
        (KeyError(), PermanentError, "KeyError"),
        (ValueError("x" * 999 + "\nsecond line"), PermanentError, f"ValueError: {'x' * 300}"),
        (OSError("no number"), PermanentError, "OSError: no number"),
        (ConnectionError("gone"), TransientError, "gone"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_an_adapter_raised_has_a_type(exc: BaseException, kind: type[StageError], message: str) -> None:
    assert outcome(exc) == (kind, message)


@pytest.mark.parametrize(
    ("decode", "name"),
    [
        (lambda: json.loads("{"), "JSONDecodeError"),
        (lambda: msgspec.json.decode(b"{"), "DecodeError"),
        (lambda: msgspec.json.decode(b"1", type=str), "ValidationError"),
        (lambda: b"\xff".decode(), "UnicodeDecodeError"),
    ],
)
def test_what_cannot_be_decoded_is_permanent(decode: Callable[[], object], name: str) -> None:
    with pytest.raises(ValueError) as caught:
        decode()
    kind, message = outcome(caught.value)
    assert (kind, message.partition(":")[0]) == (PermanentError, name)


@pytest.mark.parametrize("name", sorted(PASSING))
def test_what_may_pass_on_the_machine_is_transient(name: str) -> None:
    number = getattr(errno, name)
    assert outcome(OSError(number, os.strerror(number)))[0] is TransientError


@pytest.mark.parametrize("name", sorted(MENDED))
def test_what_an_operator_must_mend_is_unavailable_and_says_how(name: str) -> None:
    number = getattr(errno, name)
    error = as_stage_error(OSError(number, os.strerror(number), "/home/ledger.db"))
    text = os.strerror(number)
    assert (type(error), error.message) == (UnavailableError, f"{text[0].lower()}{text[1:]} (`/home/ledger.db`)")
    assert error.hint == MENDED[name]


def test_a_full_disk_says_what_is_full_and_what_to_do(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OSError) as caught, open("/dev/full", "wb", buffering=0) as file:  # noqa: PTH123 - unbuffered, which pathlib does not offer
        file.write(b"x")
    error = os_error(caught.value, "indexes of tenant `acme`")
    assert (type(error), error.message, error.hint) == (
        UnavailableError,
        "indexes of tenant `acme`: no space left on device",
        "free space there; the next run goes on",
    )


@pytest.mark.parametrize("name", sorted(SQLITE))
def test_every_result_of_sqlite_in_the_table_has_its_type(name: str) -> None:
    for extension in (0, 2 << 8):  # SQLITE_IOERR_SHORT_READ and the like keep the primary code in the low byte
        exc = sqlite3.OperationalError("no")
        exc.sqlite_errorcode = getattr(sqlite3, name) | extension
        exc.sqlite_errorname = name
        assert outcome(exc) == (SQLITE[name][0], f"{SQLITE[name][1]} (`{name}`)")


def sqlite_failure(path: Path, *statements: str, uri: str = "") -> sqlite3.Error:
    try:
        with closing(sqlite3.connect(uri or path, uri=bool(uri), timeout=0)) as cx:
            for statement in statements:
                cx.execute(statement)
    except sqlite3.Error as exc:
        return exc
    pytest.fail("SQLite took it all")


def test_what_sqlite_really_raises_has_its_type(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("CREATE TABLE t (a UNIQUE)")
        holder.execute("BEGIN EXCLUSIVE")
        busy = sqlite_failure(path, "BEGIN IMMEDIATE")
    (tmp_path / "no.db").write_bytes(b"no database at all" * 99)
    found = {
        "busy": busy,
        "broken": sqlite_failure(tmp_path / "no.db", "SELECT * FROM t"),
        "absent": sqlite_failure(path, uri=f"file:{tmp_path}/none.db?mode=rw"),
        "readonly": sqlite_failure(path, "DELETE FROM t", uri=f"file:{path}?mode=ro"),
        "full": sqlite_failure(path, "PRAGMA max_page_count = 1", "CREATE TABLE u (a)", "CREATE TABLE v (a)"),
        "constraint": sqlite_failure(path, "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1)"),
        "syntax": sqlite_failure(path, "SELEC"),
    }
    assert {name: outcome(exc)[0] for name, exc in found.items()} == {
        "busy": TransientError,
        "broken": UnavailableError,
        "absent": UnavailableError,
        "readonly": UnavailableError,
        "full": UnavailableError,
        "constraint": PermanentError,
        "syntax": PermanentError,
    }


@pytest.mark.parametrize(
    "exc",
    [KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError(), concurrent.futures.CancelledError()],
    ids=lambda exc: type(exc).__name__,
)
def test_cancellation_is_raised_again(exc: BaseException) -> None:
    with pytest.raises(type(exc)) as caught:
        as_stage_error(exc)
    assert caught.value is exc


def test_a_panic_in_rust_is_an_error_of_the_document() -> None:
    panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})
    assert outcome(panic("index out of bounds")) == (PermanentError, "PanicException: index out of bounds")


def test_a_stage_error_stays_what_it_is() -> None:
    error = QuotaError("no")
    assert as_stage_error(error) is error


def test_a_stage_error_that_hides_a_client_s_error_is_kept() -> None:
    error = MissingDependencyError("install it")
    error.__cause__ = httpx.ConnectError("s3cret")
    assert outcome(error) == (UnavailableError, "install it")
