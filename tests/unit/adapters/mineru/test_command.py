"""MinerU's command line: called as documented, bounded, and never without the GPU that was asked for."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.mineru_server import recorded

from penstock.adapters.device import cuda_devices
from penstock.adapters.mineru.command import MinerUCommand
from penstock.adapters.mineru.settings import MinerUCommandSettings
from penstock.errors import (
    PermanentError,
    RejectedError,
    StageCrashError,
    StageError,
    StageTimeoutError,
    UnavailableError,
)
from penstock.records import Document
from penstock.testing import PDFReaderContract
from penstock.testing.factories import make_context, make_payload, make_pdf, make_resources

PAGES = ("Pumps move water.", "Valves stop it.")
PDF = make_payload(make_pdf(*PAGES), kind="pdf", document_id="file:pumps.pdf")
MIDDLE = recorded("result_4.json")["files"][0]["content"]["middle_json"]
LIST = [
    {"type": "text", "text": text, "bbox": [118, 102, 291, 120], "page_idx": page} for page, text in enumerate(PAGES)
]
HAS_GPU = cuda_devices() > 0

PROGRAM = """#!{python}
import json, os, signal, sys, time
from pathlib import Path

here = Path(__file__).parent
arguments = sys.argv[1:]
asked = {{name: os.environ.get(name) for name in ("MINERU_DEVICE_MODE", "CUDA_VISIBLE_DEVICES")}}
with open(here / "calls", "a") as calls:
    print(json.dumps([arguments, asked]), file=calls)
play = json.loads((here / "play.json").read_text())
print(play.get("says", "loading models"), file=sys.stderr, flush=True)
if play.get("floods"):
    sys.stdout.write("x" * 3_000_000)
if play.get("hangs"):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(600)
if play.get("dies"):
    os.kill(os.getpid(), signal.SIGKILL)
if play.get("code"):
    sys.exit(play["code"])
if arguments[0] == "parse":
    assert Path(arguments[1]).read_bytes().startswith(b"%PDF")
    output = Path(arguments[arguments.index("--output") + 1])
else:
    source, folder = (Path(arguments[arguments.index(name) + 1]) for name in ("-p", "-o"))
    backend, method = (arguments[arguments.index(name) + 1] for name in ("-b", "-m"))
    below = {{"pipeline": method, "vlm-engine": "vlm", "hybrid-engine": "hybrid_" + method}}[backend]
    output = folder / source.stem / below / (source.stem + "_content_list.json")
output.parent.mkdir(parents=True)
if play.get("links"):
    output.symlink_to(here / "play.json")
elif "writes" in play:
    output.write_text(play["writes"])
"""


class Program:
    """A program in MinerU's place, on PATH under its names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("mineru-kit", "mineru"):
            path = folder / name
            path.write_text(PROGRAM.format(python=sys.executable))
            path.chmod(0o755)

    def play(self, **what: Any) -> None:
        (self._folder / "play.json").write_text(json.dumps(what))

    def calls(self) -> list[tuple[list[str], dict[str, str | None]]]:
        path = self._folder / "calls"
        return [tuple(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    found = Program(folder)
    found.play(writes=json.dumps(MIDDLE))
    return found


def reader(**settings: Any) -> MinerUCommand:
    values = {"device": "cpu", "tier": "basic"} | settings
    return MinerUCommand(MinerUCommandSettings.model_validate(values), make_resources(Path()))


def read(adapter: MinerUCommand, seconds: float | None = None) -> Document:
    return adapter.read(make_context(deadline=seconds and time.monotonic() + seconds), PDF)


class TestCommandOfRelease4(PDFReaderContract):
    @pytest.fixture
    def adapter(self, program: Program) -> MinerUCommand:
        return reader()


class TestCommandOfRelease3(PDFReaderContract):
    @pytest.fixture
    def adapter(self, program: Program) -> MinerUCommand:
        program.play(writes=json.dumps(LIST))
        return reader(release=3, backend="pipeline")


def test_release_4_is_called_as_documented(program: Program) -> None:
    read(reader(ocr="txt"))
    ((arguments, environment),) = program.calls()
    assert arguments[0] == "parse"
    assert [Path(arguments[place]).name for place in (1, 3)] == ["document.pdf", "document.json"]
    assert arguments[2:3] + arguments[4:] == [
        "--output",
        "--format",
        "middle_json",
        "--tier",
        "basic",
        "--ocr-mode",
        "txt",
    ]
    assert environment == {"MINERU_DEVICE_MODE": "cpu", "CUDA_VISIBLE_DEVICES": ""}


@pytest.mark.parametrize("backend", ["pipeline", "vlm-engine", "hybrid-engine"])
def test_release_3_is_called_as_documented(program: Program, backend: str) -> None:
    program.play(writes=json.dumps(LIST))
    assert read(reader(release=3, backend=backend, ocr="ocr", language="en")).text
    ((arguments, _),) = program.calls()
    assert arguments[::2] == ["-p", "-o", "-b", "-m", "-l"]
    assert arguments[5::2] == [backend, "ocr", "en"]


def test_a_gpu_is_used_where_there_is_one_and_missed_where_there_is_none(program: Program) -> None:
    if cuda_devices():
        assert read(reader(device="gpu")).text
        ((_, environment),) = program.calls()
        assert environment["MINERU_DEVICE_MODE"] == "cuda"
        assert environment["CUDA_VISIBLE_DEVICES"] == os.environ.get("CUDA_VISIBLE_DEVICES")
        return
    with pytest.raises(UnavailableError, match="no_gpu") as caught:
        read(reader(device="gpu"))
    assert caught.value.status == "gpu_unavailable"
    assert program.calls() == []  # nothing was read on the CPU instead


FAILURES: dict[str, tuple[dict[str, Any], type[StageError], str | None, str]] = {
    "the document": ({"code": 1, "says": "Failed: my secret"}, PermanentError, None, "could not be read"),
    "no GPU": ({"code": 1, "says": "No CUDA GPUs are available"}, UnavailableError, "gpu_unavailable", "no_gpu"),
    "no memory": (
        {"code": 1, "says": "torch.OutOfMemoryError: CUDA out of memory."},
        UnavailableError, "gpu_out_of_memory", "no memory left",
    ),
    "no models": ({"code": 1, "says": "Failed to resolve 'modelscope.cn'"}, UnavailableError, None, "lacks models"),
    "killed": ({"dies": True}, StageCrashError, None, "ended by signal 9"),
    "nothing written": ({}, PermanentError, None, "no `document.json` was written"),
    "a link written": ({"links": True}, PermanentError, None, "no `document.json` was written"),
    "broken JSON": ({"writes": "{"}, PermanentError, None, "no JSON"),
    "too much": ({"writes": " " * (2**20 + 1)}, PermanentError, None, "at most 1048576 bytes"),
}  # fmt: skip # a table: one entry a line would hide its shape


@pytest.mark.parametrize("case", FAILURES)
def test_what_goes_wrong_has_its_state(case: str, program: Program) -> None:
    play, kind, status, message = FAILURES[case]
    program.play(**play)
    with pytest.raises(StageError) as caught:
        read(reader(max_megabytes=1))
    assert (type(caught.value), caught.value.status) == (kind, status)
    assert message in caught.value.message
    assert "secret" not in f"{caught.value.message} {caught.value.hint}"
    assert len(program.calls()) == 1


def test_a_program_that_hangs_is_ended(program: Program) -> None:
    program.play(hangs=True)
    with pytest.raises(StageTimeoutError, match="not done in the time"):
        read(reader(), seconds=2.0)
    assert not [each for each in Path("/proc").glob("[0-9]*/cmdline") if str(program._folder).encode() in _line(each)]


def _line(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_program_that_prints_without_end_is_listened_to(program: Program) -> None:
    program.play(writes=json.dumps(MIDDLE), floods=True)
    assert read(reader()).text


def test_a_program_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="no program `mineru-kit` is installed"):
        read(reader())


def test_a_pdf_that_does_not_open_is_never_given_to_it(program: Program) -> None:
    with pytest.raises(RejectedError, match="broken"):
        reader().read(make_context(), make_payload(b"%PDF-1.7\nwater", kind="pdf"))
    assert program.calls() == []
