"""ClinicalTrials.gov, OpenAlex and openFDA, played by a local server that answers as they do.

    with Service(openfda, records) as service:
        ...                                  # what config/sources/openfda.yaml says, asked at service.url
    assert service.asked == [...]

Paging, filters, limits and errors are those of the services' documentation; a test changes `records` between pages, or
puts answers in front (`first`), as a service does that is busy, slow or being updated.
"""

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml

CONFIG = Path(__file__).parents[1] / "config"
Query = dict[str, str]
Records = list[dict[str, Any]]


@dataclass
class Reply:
    """An answer: status, JSON value or bytes, headers; sent after so many seconds."""

    status: int = 200
    value: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


Play = Callable[[Query, Records], Reply]


class Service:
    """One service on a socket of this machine."""

    def __init__(self, play: Play, records: Records) -> None:
        self.records = records
        self.asked: list[Query] = []
        self.keys: list[str] = []
        self.first: list[Reply] = []
        self.between: list[Callable[[], None]] = []
        """What happens after each answer, one at a time."""
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = dict(parse_qsl(urlsplit(self.path).query))
                service.keys.append(query.pop("api_key", ""))
                service.asked.append(query)
                reply = service.first.pop(0) if service.first else play(query, service.records)
                time.sleep(reply.seconds)
                body = reply.value if isinstance(reply.value, bytes) else json.dumps(reply.value).encode()
                tag = f'"{hashlib.sha256(body).hexdigest()}"'
                if reply.status == 200 and self.headers.get("If-None-Match") == tag:
                    reply, body = Reply(304), b""
                self.send_response(reply.status)
                headers = {"Content-Length": str(len(body)), **({"ETag": tag} if reply.status == 200 else {})}
                for name, value in (headers | reply.headers).items():
                    self.send_header(name, value)
                self.end_headers()
                with suppress(OSError):  # the client may have had enough
                    self.wfile.write(body)
                if service.between:
                    service.between.pop(0)()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Service":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def declared(name: str, url: str, **changes: Any) -> dict[str, Any]:
    """The settings that `config/sources` ships for a service, asked at another address, with changes."""
    spec = yaml.safe_load((CONFIG / "sources" / f"{name}.yaml").read_text())
    settings: dict[str, Any] = spec["with"] | {"url": url} | changes
    return settings


def write_source(config: Path, name: str, url: str, *, size: int, policy: str = "quick") -> None:
    """Put a service into a config folder, with a policy that waits as little as may be."""
    settings = declared(name, url)
    settings["paging"]["size"] = size
    (config / "sources").mkdir(exist_ok=True)
    spec = {"name": name, "policy": policy, "with": settings}
    (config / "sources" / f"{name}.yaml").write_text(yaml.safe_dump(spec))
    policies = yaml.safe_load((config / "resilience.yaml").read_text())
    policies["policies"]["quick"] = {
        "max_attempts": 3,
        "backoff_strategy": "linear",
        "backoff_initial_seconds": 0.1,
        "backoff_max_seconds": 1,
        "timeout_seconds": 5,
        "rate_limit_per_second": 100.0,
    }
    (config / "resilience.yaml").write_text(yaml.safe_dump(policies))


# ── ClinicalTrials.gov ──────────────────────────────────────────────────────────────────────────────────────────────


def study(number: int, day: str = "2024-01-01", title: str = "") -> dict[str, Any]:
    nct = f"NCT{number:08}"
    return {
        "protocolSection": {
            "identificationModule": {"nctId": nct, "briefTitle": title or f"Study {nct} of asthma"},
            "statusModule": {"lastUpdatePostDateStruct": {"date": day}},
        }
    }


def clinicaltrials(query: Query, records: Records) -> Reply:
    """<https://clinicaltrials.gov/data-api/api>: a page token, no token on the last page."""
    if int(query["pageSize"]) > 1000:
        return Reply(400, "pageSize")
    found = records
    if ids := query.get("filter.ids"):
        found = [each for each in found if _nct(each) in ids.split(",")]
    if term := query.get("query.term"):
        found = [each for each in found if term.lower() in json.dumps(each).lower()]
    if advanced := query.get("filter.advanced"):
        since = re.fullmatch(r"AREA\[LastUpdatePostDate\]RANGE\[(\d{4}-\d\d-\d\d),MAX\]", advanced)
        if since is None:
            return Reply(400, "filter.advanced")
        found = [each for each in found if _posted(each) >= since[1]]
    found = sorted(found, key=_posted)
    token = query.get("pageToken", "t0")
    if not re.fullmatch(r"t\d+", token):
        return Reply(400, "pageToken")
    start, size = int(token[1:]), int(query["pageSize"])
    page: dict[str, Any] = {"studies": found[start : start + size]}
    if start + size < len(found):
        page["nextPageToken"] = f"t{start + size}"
    return Reply(value=page)


def _nct(record: dict[str, Any]) -> str:
    return str(record["protocolSection"]["identificationModule"]["nctId"])


def _posted(record: dict[str, Any]) -> str:
    return str(record["protocolSection"]["statusModule"]["lastUpdatePostDateStruct"]["date"])


# ── OpenAlex ────────────────────────────────────────────────────────────────────────────────────────────────────────


def work(number: int, day: str = "2024-01-01", title: str = "") -> dict[str, Any]:
    return {
        "id": f"https://openalex.org/W{number}",
        "display_name": title or f"Work {number} on fish",
        "updated_date": f"{day}T10:00:00.000000",
        "abstract_inverted_index": {"Fish": [0], "swim.": [1]},
    }


def openalex(key: str = "") -> Play:
    """<https://docs.openalex.org/how-to-use-the-api/get-lists-of-entities/paging>: a cursor, null on the last page."""

    def play(query: Query, records: Records) -> Reply:
        if int(query["per-page"]) > 200:
            return Reply(403, {"error": "per-page"})
        found = records
        for clause in filter(None, query.get("filter", "").split(",")):
            name, _, value = clause.partition(":")
            if name == "openalex":
                found = [each for each in found if each["id"].rpartition("/")[2] in value.split("|")]
            elif name == "from_updated_date":
                found = [each for each in found if each["updated_date"] >= value]
        if search := query.get("search"):
            found = [each for each in found if search.lower() in each["display_name"].lower()]
        cursor = query.get("cursor", "*")
        start = 0 if cursor == "*" else int(cursor[1:])
        size = int(query["per-page"])
        after = f"c{start + size}" if start + size < len(found) else None
        return Reply(
            value={"meta": {"count": len(found), "next_cursor": after}, "results": found[start : start + size]}
        )

    return play


# ── openFDA ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def label(number: int, day: str = "20240101", text: str = "Take with water.") -> dict[str, Any]:
    return {
        "set_id": f"{number:08x}-0000-0000-0000-000000000000",
        "version": "1",
        "effective_time": day,
        "openfda": {"brand_name": [f"Brand {number}"]},
        "dosage_and_administration": [text],
    }


def openfda(query: Query, records: Records, *, most: int = 25_000) -> Reply:
    """<https://open.fda.gov/apis/paging/>: `skip` up to a limit, `meta.results.total`, 404 where nothing matches."""
    skip, limit = int(query.get("skip", "0")), int(query.get("limit", "1"))
    if skip > most or limit > 1000:
        return Reply(400, {"error": {"code": "BAD_REQUEST", "message": "Skip value must 25000 or less."}})
    search = query["search"]
    found = records
    if ids := re.fullmatch(r'set_id:\("(.*)"\)', search):
        found = [each for each in found if each["set_id"] in ids[1].split('" "')]
    if since := re.search(r" AND effective_time:\[(\d{8}) TO 29991231\]$", search):
        found = [each for each in found if each["effective_time"] >= since[1]]
    if query.get("sort") == "effective_time:asc":
        found = sorted(found, key=lambda each: each["effective_time"])
    if not found:
        return Reply(404, {"error": {"code": "NOT_FOUND", "message": "No matches found!"}})
    meta = {"results": {"skip": skip, "limit": limit, "total": len(found)}}
    return Reply(value={"meta": meta, "results": found[skip : skip + limit]})
