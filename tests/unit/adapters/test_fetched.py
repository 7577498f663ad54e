"""PDFs that records name, fetched from local servers into the object store."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.wire_server import Connection, Play, WireServer, answer, head, silence, slow_body

from penstock.adapters.download.fetched import FetchedDownload, FetchSettings
from penstock.adapters.download.hosts import Turns
from penstock.adapters.stores.objects import FolderObjectStore
from penstock.adapters.stores.raw import FolderRawStore
from penstock.adapters.stores.settings import NoSettings
from penstock.errors import (
    MissingDependencyError,
    PermanentError,
    RejectedError,
    StageError,
    TransientError,
    UnavailableError,
)
from penstock.object_keys import fetched_key, pdf_key
from penstock.records import PDFFile, RawPayload, content_name
from penstock.testing import DownloadStageContract
from penstock.testing.factories import make_context, make_document, make_payload, make_resources

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 20_000  # 5 MB
KEY = pdf_key("default", "file:paper.md")
HTML = b"<!DOCTYPE html><html><body>Get the PDF here</body></html>"


class Scene:
    """An adapter over a home of its own."""

    def __init__(self, home: Path, **settings: Any) -> None:
        bare = make_resources(home)
        self.home = home
        self.objects = FolderObjectStore(NoSettings(), bare)
        self.raw = FolderRawStore(NoSettings(), bare)
        self.resources = make_resources(home, objects=self.objects, raw=self.raw, allowed_hosts=["127.0.0.1"])
        self.settings = FetchSettings(**{"host_interval_seconds": 0, **settings})
        self.adapter = FetchedDownload(self.settings, self.resources)

    def reopen(self) -> None:
        """As another process would be: what is in memory is gone."""
        self.adapter = FetchedDownload(self.settings, self.resources)

    def fetch(self, *urls: str, seconds: float = 20.0, **context: Any) -> PDFFile:
        ctx = make_context(deadline=time.monotonic() + seconds, **context)
        return self.adapter.execute(ctx, [record(*urls)])

    def failure(self, *urls: str, **context: Any) -> StageError:
        with pytest.raises(StageError) as caught:
            self.fetch(*urls, **context)
        return caught.value

    def left(self) -> list[str]:
        """The files that an unfinished download has left."""
        return sorted(path.suffix for path in (self.home / "downloads").rglob("*") if path.is_file())


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def record(*urls: str) -> RawPayload:
    places = [{"url_for_pdf": url, "license": "cc-by", "version": "publishedVersion"} for url in urls]
    content = json.dumps({"doi": "10.1/x", "oa_status": "gold", "oa_locations": places}).encode()
    return make_payload(content, kind="unpaywall", document_id="file:paper.md")


def at(server: WireServer, path: str = "paper.pdf") -> str:
    return f"http://127.0.0.1:{server.port}/{path}"


def header(connection: Connection, name: str) -> str:
    lines = (line.partition(b":") for line in connection.head.split(b"\r\n")[1:])
    return next((value.strip().decode() for key, _, value in lines if key.decode().lower() == name), "")


def serving(content: bytes = PDF, *, cut: Callable[[int], int | None] = lambda number: None, **headers: str) -> Play:
    """A server of files that knows ranges and conditions (RFC 9110); `cut` says after how many bytes it breaks off."""
    requests = iter(range(1000))
    tag = headers.setdefault("etag", '"one"')

    def play(connection: Connection) -> None:
        limit = cut(next(requests))
        start = 0
        if tag and header(connection, "if-none-match") == tag:
            connection.send(head(304, etag=tag))
            return
        said = header(connection, "range")
        if said and header(connection, "if-range") == tag:
            start = int(said.removeprefix("bytes=").rstrip("-"))
        body = content[start:]
        extra = {"content_range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        connection.send(head(206 if start else 200, length=len(body), **headers, **extra) + body[:limit])
        if limit is not None:
            connection.reset()

    return play


class TestFetchedDownload(DownloadStageContract):
    @pytest.fixture
    def adapter(self, scene: Scene) -> Any:
        return scene.adapter


def test_a_pdf_is_fetched_stored_and_told(scene: Scene) -> None:
    with WireServer(serving()) as server:
        found = scene.fetch(at(server))
    assert found == PDFFile(
        document_id="file:paper.md",
        path=KEY,
        sha256=sha256(PDF).hexdigest(),
        size=len(PDF),
        origin=at(server),
        licence="cc-by",
        version="published",
        tried=(f"`{at(server)}`: a PDF",),
    )
    assert scene.objects.get(KEY) == PDF
    assert scene.left() == []


def test_a_document_that_was_parsed_is_fetched_from_its_record(scene: Scene) -> None:
    with WireServer(serving()) as server:
        content = record(at(server)).content
        scene.raw.put("default", content)
        document = make_document()
        import msgspec

        provenance = msgspec.structs.replace(document.provenance, raw=content_name(content))
        found = scene.adapter.execute(make_context(), msgspec.structs.replace(document, provenance=provenance))
    assert found.size == len(PDF)
    with pytest.raises(UnavailableError, match="is gone"):
        scene.adapter.execute(make_context(), make_document())


def test_the_next_address_is_tried_and_every_attempt_is_told(scene: Scene) -> None:
    def play(connection: Connection) -> None:
        path = connection.head.split(b" ")[1]
        {
            b"/gone": answer(404),
            b"/page": answer(200, HTML),
            b"/text": answer(200, b"no words"),
            b"/none": answer(200),
        }.get(path, serving())(connection)

    with WireServer(play) as server:
        urls = [at(server, name) for name in ("gone", "page", "text", "none", "paper.pdf")]
        found = scene.fetch("http://10.0.0.1/private.pdf", "ftp://127.0.0.1/x", *urls)
        assert [each.replace(f":{server.port}", "") for each in found.tried] == [
            "`10.0.0.1`: private or reserved, and not on the public internet",
            "`ftp://127.0.0.1/x`: `http` or `https` would be right",
            "`http://127.0.0.1/gone`: status 404; it is not there",
            "`http://127.0.0.1/page`: a web page, probably about the PDF, and not the PDF itself",
            "`http://127.0.0.1/text`: no PDF (`%PDF-` is not within its first 1024 bytes)",
            "`http://127.0.0.1/none`: an empty answer; a PDF would be right",
            "`http://127.0.0.1/paper.pdf`: a PDF",
        ]


@pytest.mark.parametrize(
    ("plays", "kind"),
    [
        ([answer(404), answer(200, HTML)], RejectedError),
        ([answer(404), answer(403)], UnavailableError),
        ([answer(403), answer(503)], TransientError),
        ([answer(200, HTML), answer(200, b"x", content_encoding="br")], PermanentError),
    ],
)
def test_what_leaves_most_hope_decides(scene: Scene, plays: list[Play], kind: type[StageError]) -> None:
    with WireServer(plays[0]) as one, WireServer(plays[1]) as two:
        error = scene.failure(at(one), at(two))
    assert type(error) is kind
    assert str(error).startswith("no PDF from 2 addresses: ")


def test_the_longest_wait_that_was_asked_for_is_passed_on(scene: Scene) -> None:
    with WireServer(answer(503, retry_after="7")) as one, WireServer(answer(429, retry_after="20")) as two:
        error = scene.failure(at(one), at(two))
    assert isinstance(error, TransientError)
    assert error.retry_after_seconds == 20.0


def test_a_record_without_an_address_is_rejected(scene: Scene) -> None:
    with pytest.raises(RejectedError) as caught:
        scene.fetch()
    assert str(caught.value) == "record `unpaywall`: it names no address of a PDF (pages about one do not count)"


def test_what_an_attempt_has_settled_is_not_asked_again_by_the_next(scene: Scene) -> None:
    with WireServer(answer(200, HTML)) as page, WireServer(answer(503)) as busy:
        for attempt in (1, 2, 3):
            assert isinstance(scene.failure(at(page), at(busy), attempt=attempt), TransientError)
        assert (page.requests, busy.requests) == (1, 3)
        scene.failure(at(page), at(busy), job_id="another")
        assert page.requests == 2


# ── going on ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "validator", [{"etag": '"one"'}, {"etag": "", "last_modified": "Tue, 05 Aug 2025 11:00:00 GMT"}]
)
def test_what_broke_off_is_gone_on_with(scene: Scene, validator: dict[str, str]) -> None:
    def by_date(connection: Connection) -> None:
        """As `serving`, by the date."""
        said = header(connection, "range")
        start = int(said[6:-1]) if said and header(connection, "if-range") == validator["last_modified"] else 0
        extra = {"content_range": f"bytes {start}-{len(PDF) - 1}/{len(PDF)}"} if start else {}
        status = 206 if start else 200
        body = PDF[start:]
        connection.send(head(status, length=len(body), last_modified=validator["last_modified"], **extra))
        connection.send(body if start else body[:3_000_000])
        if not start:
            connection.reset()

    play = serving(cut=lambda number: [3_000_000, None][number]) if validator["etag"] else by_date
    with WireServer(play) as server:
        assert isinstance(scene.failure(at(server)), TransientError)
        assert scene.left() == [".json", ".part"]
        scene.reopen()
        assert scene.fetch(at(server), attempt=2).sha256 == sha256(PDF).hexdigest()
        asked = server.asked[1][0].decode().lower()
    assert "range: bytes=" in asked
    assert "range: bytes=0-" not in asked
    assert scene.left() == []


def test_a_file_that_has_changed_meanwhile_is_begun_anew(scene: Scene) -> None:
    with WireServer(serving(b"%PDF-0" + PDF, cut=lambda number: 3_000_000)) as server:
        scene.failure(at(server))
        server.play = serving(etag='"two"')
        assert scene.fetch(at(server), attempt=2).sha256 == sha256(PDF).hexdigest()


@pytest.mark.parametrize(
    "play",
    [
        answer(206, PDF[7:], content_range=f"bytes 7-{len(PDF) - 1}/{len(PDF)}"),
        answer(206, PDF[7:]),
        answer(416),
    ],
    ids=["another part", "no word on which part", "refused"],
)
def test_a_part_that_was_not_asked_for_is_not_taken(scene: Scene, play: Play) -> None:
    with WireServer(serving(cut=lambda number: 3_000_000)) as server:
        scene.failure(at(server))
        server.play = play
        assert isinstance(scene.failure(at(server), attempt=2), TransientError)
        server.play = serving()
        assert scene.fetch(at(server), attempt=3).sha256 == sha256(PDF).hexdigest()
        assert b"range:" not in server.asked[-1][0].lower()


@pytest.mark.parametrize("headers", [{"etag": 'W/"one"'}, {"etag": ""}, {"etag": '"one"', "accept_ranges": "none"}])
def test_where_the_server_cannot_go_on_it_is_begun_anew(scene: Scene, headers: dict[str, str]) -> None:
    with WireServer(serving(cut=lambda number: [3_000_000, None][number], **headers)) as server:
        scene.failure(at(server))
        assert scene.fetch(at(server), attempt=2).sha256 == sha256(PDF).hexdigest()
        assert b"range:" not in server.asked[1][0].lower()


def test_bytes_that_no_mark_has_counted_are_not_trusted(scene: Scene) -> None:
    with WireServer(serving(cut=lambda number: [3_000_000, None][number])) as server:
        scene.failure(at(server))
        [part] = (scene.home / "downloads").rglob("*.part")
        with part.open("ab") as file:
            file.write(bytes(500_000))  # as after a power failure: longer, and zeros
        assert scene.fetch(at(server), attempt=2).sha256 == sha256(PDF).hexdigest()


def test_a_file_that_has_not_changed_is_not_fetched_again(scene: Scene) -> None:
    with WireServer(serving()) as server:
        first = scene.fetch(at(server))
        assert scene.fetch(at(server), job_id="later") == first
        assert b"if-none-match" in server.asked[1][0].lower()
        scene.objects.put(KEY, b"damaged" + PDF[7:])  # as long as it was
        assert scene.fetch(at(server), job_id="later still") == first
        assert b"if-none-match" not in server.asked[2][0].lower()
        scene.objects.remove([KEY])
        assert scene.fetch(at(server), job_id="last") == first
    assert scene.objects.get(KEY) == PDF
    assert json.loads(scene.objects.get(fetched_key("default", "file:paper.md")))["etag"] == '"one"'


def test_a_process_that_is_killed_leaves_what_it_has_to_the_next(scene: Scene) -> None:
    def stalls(connection: Connection) -> None:
        connection.send(head(200, length=len(PDF), etag='"one"') + PDF[:4_800_000])
        connection.hold()

    with WireServer(stalls) as server:
        command = [sys.executable, __file__, str(scene.home), at(server)]
        places = {"PYTHONPATH": str(Path(__file__).parents[3])}
        with subprocess.Popen(command, env=os.environ | places) as process:
            while not list((scene.home / "downloads").rglob("*.json")):
                assert process.poll() is None, "it ended before it was killed"
                time.sleep(0.01)
            process.kill()
        server.play = serving()
        assert scene.fetch(at(server), attempt=2).sha256 == sha256(PDF).hexdigest()
        asked = header(Connection(None, None, server.asked[1][0]), "range")  # type: ignore[arg-type]  # a connection that is not needed
    assert int(asked.removeprefix("bytes=").rstrip("-")) >= 4 * 2**20
    assert scene.left() == []


# ── bounds ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_more_than_is_allowed_is_given_up(tmp_path: Path) -> None:
    scene = Scene(tmp_path, max_bytes=100_000)
    with WireServer(serving()) as said, WireServer(serving(transfer_encoding="identity")) as server:
        assert "bytes; at most" in str(scene.failure(at(said)))
        server.play = lambda connection: connection.send(
            head(200, transfer_encoding="chunked") + b"".join(b"8000\r\n" + PDF[:32_768] + b"\r\n" for _ in range(4))
        )
        error = scene.failure(at(server))
    assert (type(error), str(error).endswith(": more than 100000 bytes")) == (RejectedError, True)


def test_what_is_no_pdf_is_given_up_at_its_first_bytes(scene: Scene) -> None:
    def endless_page(connection: Connection) -> None:
        connection.send(head(200, length=10**8) + HTML + b" " * 2_000)
        connection.hold()

    with WireServer(endless_page) as server:
        assert "a web page" in str(scene.failure(at(server)))


def test_an_address_that_stalls_leaves_time_for_the_next(scene: Scene) -> None:
    with WireServer(slow_body) as slow, WireServer(silence) as silent, WireServer(serving()) as server:
        found = scene.fetch(at(slow), at(silent), at(server), seconds=3.0)
    assert [each.rpartition(": ")[2] for each in found.tried] == ["no answer in time", "no answer in time", "a PDF"]


def test_documents_wait_for_their_servers_and_not_for_each_other(scene: Scene) -> None:
    together = []

    def play(connection: Connection) -> None:
        together.append(1)
        while len(together) < 4 and not connection.stopped.wait(0.01):
            pass  # answered when all four have asked
        serving()(connection)

    with WireServer(play) as server:
        items = [
            (make_context(doc_id=f"file:{number}", deadline=time.monotonic() + 20), [record(at(server))])
            for number in range(4)
        ]
        results = scene.adapter.execute_batch(items)
    assert [type(each) for each in results] == [PDFFile] * 4
    assert [each.document_id for each in results if isinstance(each, PDFFile)] == [f"file:{n}" for n in range(4)]


def test_one_document_s_failure_is_its_own(scene: Scene) -> None:
    with WireServer(serving()) as server:
        items = [
            (make_context(doc_id="file:1"), [record()]),
            (make_context(doc_id="file:2"), [record(at(server))]),
        ]
        results = scene.adapter.execute_batch(items)
    assert [type(each) for each in results] == [RejectedError, PDFFile]


def test_requests_to_a_host_keep_their_distance_also_across_processes(tmp_path: Path) -> None:
    booked = []
    for _ in range(3):
        Turns(tmp_path, 0.1).wait("papers.example", time.monotonic() + 60)  # each with nothing in memory
        [turn] = tmp_path.iterdir()
        booked.append(turn.stat().st_mtime)
    assert all(later - earlier >= 0.1 for earlier, later in pairwise(booked))
    with pytest.raises(TransientError) as caught:
        Turns(tmp_path, 60).wait("papers.example", time.monotonic() + 1)
    assert 0 < (caught.value.retry_after_seconds or 0) <= 60
    Turns(tmp_path, 60).wait("other.example", time.monotonic() + 1)


def test_the_distance_is_kept_at_every_hop(tmp_path: Path) -> None:
    scene = Scene(tmp_path, host_interval_seconds=60.0)
    with WireServer(lambda connection: connection.send(head(302, length=0, location="/b"))) as server:
        error = scene.failure(at(server))
    assert (server.requests, type(error)) == (1, TransientError)
    assert "others are asked for first" in str(error)


def test_a_key_that_is_not_set_is_told_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CORE_KEY", raising=False)
    with pytest.raises(MissingDependencyError, match=r"`CORE_KEY` of `keys\.api\.core\.ac\.uk` is not set"):
        Scene(tmp_path, keys={"api.core.ac.uk": {"env": "CORE_KEY"}})


def test_two_processes_are_not_at_one_file_at_once(scene: Scene) -> None:
    from penstock.adapters.download.scratch import scratch

    with WireServer(serving()) as server, scratch(scene.home, "default", "file:paper.md", at(server)):
        error = scene.failure(at(server))
    assert (type(error), "another process is fetching this" in str(error)) == (TransientError, True)


if __name__ == "__main__":
    Scene(Path(sys.argv[1])).fetch(sys.argv[2], seconds=600.0)
