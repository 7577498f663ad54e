"""MinerU's HTTP API: requests as documented, every bad answer, several servers."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.mineru_server import MinerUServer, mineru_server, recorded

from penstock.adapters.mineru.reader import MinerUReader
from penstock.adapters.mineru.servers import Servers
from penstock.adapters.mineru.settings import MinerUServerSettings
from penstock.errors import (
    MissingDependencyError,
    PermanentError,
    RejectedError,
    StageError,
    StageTimeoutError,
    TransientError,
    UnavailableError,
)
from penstock.records import Document
from penstock.testing import PDFReaderContract
from penstock.testing.factories import make_context, make_payload, make_pdf, make_resources

PAGES = ("Pumps move water.", "Valves stop it.")
PDF = make_payload(make_pdf(*PAGES), kind="pdf", document_id="file:pumps.pdf")
OUTPUT: dict[int, Any] = {
    4: recorded("result_4.json")["files"][0]["content"]["middle_json"],
    3: [
        {"type": "text", "text": text, "bbox": [118, 102, 291, 120], "page_idx": page}
        for page, text in enumerate(PAGES)
    ],
}
RELEASES = pytest.mark.parametrize("release", [3, 4])


def reader(home: Path, *servers: MinerUServer | str, **settings: Any) -> MinerUReader:
    addresses = [server if isinstance(server, str) else server.address for server in servers]
    values = {"servers": addresses, "health_seconds": 2.0, "request_seconds": 5.0, "parse_seconds": 30.0} | settings
    return MinerUReader(MinerUServerSettings.model_validate(values), make_resources(home))


def read(adapter: MinerUReader, seconds: float | None = None) -> Document:
    return adapter.read(make_context(deadline=seconds and time.monotonic() + seconds), PDF)


USUAL = {"health": None, "submit": None, "failure": None, "task_id": "", "result": None, "result_bytes": 0}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[int, MinerUServer]]:
    """One of each release, for tests that leave it as it was."""
    with ExitStack() as stack:
        yield {
            release: stack.enter_context(mineru_server(release=release, output=OUTPUT[release])) for release in (3, 4)
        }


class TestRelease4(PDFReaderContract):
    @pytest.fixture
    def adapter(self, servers: dict[int, MinerUServer], tmp_path: Path) -> MinerUReader:
        return reader(tmp_path, servers[4])


class TestRelease3(PDFReaderContract):
    @pytest.fixture
    def adapter(self, servers: dict[int, MinerUServer], tmp_path: Path) -> MinerUReader:
        return reader(tmp_path, servers[3], release=3)


def test_a_pdf_is_submitted_and_asked_for_as_documented(tmp_path: Path) -> None:
    with mineru_server(release=4, output=OUTPUT[4], polls=2) as server:
        read(reader(tmp_path, server, tier="basic", ocr="txt"))
        task = "/v1/tasks/job_000000000000000000000000"
        asked = [(each["method"], each["path"]) for each in server.journal()]
        assert asked == [
            ("GET", "/v1/health"), ("POST", "/v1/tasks"), ("GET", task), ("GET", task), ("GET", task),
            ("GET", f"{task}/result"),
        ]  # fmt: skip # a table: one entry a line would hide its shape
        submitted = server.journal()[1]
        assert submitted["query"] == {
            "filename": "document.pdf", "tier": "basic", "ocr_mode": "txt", "output_formats": "middle_json",
        }  # fmt: skip # a table: one entry a line would hide its shape
        assert (submitted["pdf"], submitted["encoding"]) == (PDF.raw, "identity")


def test_release_3_is_given_its_form(tmp_path: Path) -> None:
    with mineru_server(release=3, output=OUTPUT[3]) as server:
        read(reader(tmp_path, server, release=3, backend="pipeline", language="en"))
        submitted = server.journal()[1]
        assert (submitted["path"], submitted["pdf"]) == ("/tasks", PDF.raw)
        assert submitted["form"] == {
            "backend": "pipeline", "parse_method": "auto", "lang_list": "en", "return_md": "false",
            "return_content_list": "true",
        }  # fmt: skip # a table: one entry a line would hide its shape


def test_the_key_is_sent_and_never_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mineru_server(release=4, output=OUTPUT[4], api_key="sk-right") as server:
        monkeypatch.setenv("MINERU_KEY", "sk-right")
        assert read(reader(tmp_path, server, api_key={"env": "MINERU_KEY"})).text
        monkeypatch.setenv("MINERU_KEY", "sk-wrong")
        with pytest.raises(UnavailableError, match="wants another key") as caught:
            read(reader(tmp_path, server, api_key={"env": "MINERU_KEY"}))
        assert "sk-wrong" not in str(vars(caught.value))


def test_addresses_may_come_from_the_environment(
    servers: dict[int, MinerUServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = MinerUServerSettings.model_validate({"servers": {"env": "MINERU_SERVERS"}})
    with pytest.raises(MissingDependencyError, match="MINERU_SERVERS"):
        MinerUReader(settings, make_resources(tmp_path))
    monkeypatch.setenv("MINERU_SERVERS", "nowhere")
    with pytest.raises(MissingDependencyError, match="holds no addresses"):
        MinerUReader(settings, make_resources(tmp_path))
    monkeypatch.setenv("MINERU_SERVERS", f"{servers[4].address} {servers[4].address}/")
    assert read(MinerUReader(settings, make_resources(tmp_path))).text.startswith("Pumps")


GONE = {"code": "parse_failed", "message": "list index out of range in `my secret sentence`"}
NO_GPU = "no_gpu: there is no GPU"
FAILURES: dict[str, tuple[dict[str, Any], type[StageError], str | None, str]] = {
    "the document": ({"failure": GONE}, PermanentError, None, "could not be read there"),
    "no GPU": (
        {"failure": {"code": "parse_failed", "message": "Torch not compiled with CUDA enabled"}},
        UnavailableError, "gpu_unavailable", NO_GPU,
    ),
    "no driver": (
        {"failure": {"code": "parse_failed", "message": "RuntimeError: Found no NVIDIA driver on your system."}},
        UnavailableError, "gpu_unavailable", NO_GPU,
    ),
    "no memory": (
        {"failure": {"code": "parse_failed", "message": "CUDA out of memory. Tried to allocate 2.00 GiB"}},
        UnavailableError, "gpu_out_of_memory", "no memory left",
    ),
    "a dead engine": (
        {"failure": {"code": "engine_dead", "message": "EngineCore encountered an issue"}},
        UnavailableError, "gpu_unavailable", "gpu_failed",
    ),
    "a broken GPU": (
        {"failure": {"code": "parse_failed", "message": "CUDA error: an illegal memory access was encountered"}},
        UnavailableError, "gpu_unavailable", "gpu_failed",
    ),
    "no torch": (
        {"failure": {"code": "parse_failed", "message": "No module named 'torch'"}},
        UnavailableError, None, "lacks models",
    ),
    "loading, no device": (
        {"health": {"status": 503, "code": "model_preload_device_unavailable", "message": "CUDA is not available"}},
        UnavailableError, "gpu_unavailable", NO_GPU,
    ),
    "loading, no models": (
        {"health": {"status": 503, "code": "model_preload_files_missing", "message": "no file"}},
        UnavailableError, None, "lacks models",
    ),
    "loading": ({"health": {"status": 503}}, TransientError, None, "status 503; it cannot answer now"),
    "ending": (
        {"submit": {"status": 503, "code": "server_shutting_down", "message": "Server is shutting down"}},
        TransientError, None, "about to end",
    ),
    "another tier": (
        {"submit": {"status": 400, "code": "invalid_request", "message": "Tier 'standard' not available"}},
        UnavailableError, None, "does not serve this tier",
    ),
    "refused": ({"submit": {"status": 400, "code": "invalid_request"}}, RejectedError, None, "refuses"),
    "too large": ({"submit": {"status": 413, "code": "file_too_large"}}, RejectedError, None, "too large"),
    "busy": ({"submit": {"status": 429, "retry_after": "7"}}, TransientError, None, "asked too often"),
    "broken": ({"submit": {"status": 500, "code": "internal_error"}}, TransientError, None, "status 500"),
    "a task's id that is a path": ({"task_id": "../../x"}, PermanentError, None, "id of unknown form"),
    "broken JSON": ({"result": '{"files": ['}, PermanentError, None, "no JSON"),
    "no UTF-8": ({"result": '{"files": "\udcff"}'}, PermanentError, None, "no JSON"),
    "another form": ({"result": "[1, 2]"}, PermanentError, None, "no JSON"),
    "no output": (
        {"result": '{"task_id": "x", "status": "completed", "results": {}}'},
        PermanentError, None, "an answer without",
    ),
    "a huge answer": ({"result_bytes": 3 * 2**20}, PermanentError, None, "larger than is allowed"),
}  # fmt: skip # a table: one entry a line would hide its shape


@RELEASES
@pytest.mark.parametrize("case", FAILURES)
def test_what_goes_wrong_has_its_state(
    case: str, release: int, servers: dict[int, MinerUServer], tmp_path: Path
) -> None:
    play, kind, status, message = FAILURES[case]
    server = servers[release]
    before = len(server.journal())
    server.play(**play)
    try:
        with pytest.raises(StageError) as caught:
            read(reader(tmp_path, server, release=release, max_megabytes=1))
    finally:
        server.play(**USUAL)
    error = caught.value
    assert sum(each["method"] == "POST" for each in server.journal()[before:]) == ("health" not in play)
    assert "secret sentence" not in f"{error.message} {error.hint}"
    if release == 3 and case in ("loading, no models", "ending"):  # it has no codes for these
        assert isinstance(error, TransientError)
        return
    assert (type(error), error.status) == (kind, status)
    assert message in error.message


def test_what_the_server_wants_to_wait_is_told(tmp_path: Path) -> None:
    play = {"status": 429, "retry_after": "7"}
    with mineru_server(release=4, submit=play) as server, pytest.raises(TransientError) as caught:
        read(reader(tmp_path, server))
    assert caught.value.retry_after_seconds == 7


@RELEASES
def test_a_task_that_takes_too_long_is_given_up_and_cancelled(release: int, tmp_path: Path) -> None:
    with mineru_server(release=release, output=OUTPUT[release], polls=10**9) as server:
        with pytest.raises(StageTimeoutError, match="not done in the time"):
            read(reader(tmp_path, server, release=release), seconds=2.0)
        cancelled = [each["path"] for each in server.journal() if each["method"] == "DELETE"]
    assert len(cancelled) == (1 if release == 4 else 0)


def test_an_answer_in_drops_is_given_up(tmp_path: Path) -> None:
    with mineru_server(release=4, output=OUTPUT[4]) as server:
        adapter = reader(tmp_path, server, request_seconds=0.5, health_seconds=5.0)
        server.play(drip=True)
        with pytest.raises(TransientError):
            read(adapter)


def test_a_task_that_is_forgotten_may_be_tried_again(tmp_path: Path) -> None:
    with mineru_server(release=4, forget=True) as server, pytest.raises(TransientError, match="no longer knows"):
        read(reader(tmp_path, server))


def test_a_server_that_dies_at_work_ends_the_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.adapters.mineru.reader._SILENCE_SECONDS", 0.5)
    with mineru_server(release=4, polls=10**9) as server:
        adapter = reader(tmp_path, server)
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read, adapter)
            while not any(each["method"] == "POST" for each in server.journal()):
                time.sleep(0.02)
            server.kill()
            with pytest.raises(TransientError, match=r"cannot be reached|broke off"):
                reading.result()


def test_a_server_that_cannot_be_reached_is_left_out(servers: dict[int, MinerUServer], tmp_path: Path) -> None:
    dead = "http://127.0.0.1:1"
    with pytest.raises(TransientError, match="cannot be reached"):
        read(reader(tmp_path / "alone", dead))
    assert all(read(reader(tmp_path, dead, servers[4])).text for _ in range(3))


def test_a_server_that_is_not_well_rests_and_is_asked_again(tmp_path: Path) -> None:
    unwell = {"status": 503, "code": "engine_dead", "message": "the engine died"}
    with mineru_server(release=4, output=OUTPUT[4]) as one, mineru_server(release=4, output=OUTPUT[4]) as two:
        one.play(health=unwell)

        def asked(adapter: MinerUReader, times: int) -> tuple[int, int]:
            before = len(one.journal()), len(two.journal())
            for _ in range(times):
                read(adapter)
            return len(one.journal()) - before[0], len(two.journal()) - before[1]

        patient = reader(tmp_path, one, two, rest_seconds=3600)
        assert read(patient).text
        assert read(patient).text  # by now it has been asked once, whichever was first
        assert asked(patient, 3)[0] == 0
        one.play(health=None)
        assert asked(patient, 3)[0] == 0
        assert asked(reader(tmp_path, one, two, rest_seconds=0), 2)[0] > 0
        two.kill()
        assert read(patient).text  # where none is well, those that rest are asked all the same


def test_no_gpu_on_any_server_is_told_before_what_else_is_wrong(tmp_path: Path) -> None:
    play = {"health": {"status": 503, "code": "model_preload_device_unavailable", "message": "CUDA is not available"}}
    with mineru_server(release=4, **play) as server, pytest.raises(UnavailableError, match="no_gpu") as caught:
        read(reader(tmp_path, "http://127.0.0.1:1", server))
    assert caught.value.status == "gpu_unavailable"


def test_work_goes_to_the_least_busy_and_no_server_gets_more_than_it_takes(tmp_path: Path) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(mineru_server(release=4, output=OUTPUT[4], work_seconds=0.3)) for _ in range(3)]
        adapter = reader(tmp_path, *servers, per_server=2)
        with ThreadPoolExecutor(12) as pool:
            assert len(list(pool.map(lambda _: read(adapter), range(24)))) == 24
        journals = [server.journal() for server in servers]
    assert [max(each.get("at_work", 0) for each in journal) for journal in journals] == [2, 2, 2]
    shares = [sum(each["method"] == "POST" for each in journal) for journal in journals]
    assert sum(shares) == 24
    assert min(shares) >= 4


HOLD = """
import sys, time
from pathlib import Path
from penstock.adapters.mineru.servers import Servers
with Servers(Path(sys.argv[1]), ["http://one"], 1, 30.0).place(lambda address: None, time.monotonic() + 5):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_place_is_shared_by_processes_and_freed_with_one_that_is_killed(
    servers: dict[int, MinerUServer], tmp_path: Path
) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        pool = Servers(tmp_path, ["http://one"], 1, 30.0)
        with pytest.raises(StageTimeoutError, match="no server had a place"), pool.place(lambda _: None, 0.0):
            pass
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        with pool.place(lambda address: None, time.monotonic() + 5) as address:
            assert address == "http://one"
    finally:
        holder.kill()
        holder.wait()
        assert holder.stdout is not None
        holder.stdout.close()


def test_servers_take_turns(tmp_path: Path) -> None:
    pool = Servers(tmp_path, ["http://one", "http://two", "http://three"], 1, 30.0)
    lent: Counter[str] = Counter()
    for _ in range(9):
        with pool.place(lambda address: None, time.monotonic() + 5) as address:
            lent[address] += 1
        time.sleep(0.01)  # the time of a file is no finer everywhere
    assert set(lent.values()) == {3}


def test_a_pdf_that_does_not_open_is_never_sent(tmp_path: Path) -> None:
    with mineru_server(release=4) as server:
        adapter = reader(tmp_path, server, max_pages=1)
        for content, reason in ((b"%PDF-1.7\nwater", "broken"), (make_pdf(*PAGES), "2 pages; at most 1")):
            with pytest.raises(RejectedError, match=reason):
                adapter.read(make_context(), make_payload(content, kind="pdf"))
        assert server.journal() == []


def test_flash_has_no_use_for_a_gpu() -> None:
    with pytest.raises(ValueError, match="uses no GPU"):
        MinerUServerSettings.model_validate({"servers": ["http://one"], "tier": "flash"})
    assert MinerUServerSettings.model_validate({"servers": ["http://one"], "tier": "flash", "device": "cpu"})


def test_readers_of_one_home_do_not_wait_for_each_other(servers: dict[int, MinerUServer], tmp_path: Path) -> None:
    """What one thread waits for, a place, holds up no other that has one."""
    adapter = reader(tmp_path, servers[4], per_server=4)
    barrier = threading.Barrier(4)

    def one(_: int) -> str:
        barrier.wait()
        return read(adapter).text

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(one, range(4)))) == 1
