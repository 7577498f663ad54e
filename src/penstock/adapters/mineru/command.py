"""PDFs read by MinerU's command line: `mineru-kit parse` of release 4, `mineru` of release 3."""

import os
import shutil
import stat
import subprocess
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, ClassVar

from penstock.adapters.device import NO_GPU, cuda_devices, unavailable
from penstock.adapters.mineru import content_list, middle
from penstock.adapters.mineru.answers import decoded, unsound
from penstock.adapters.mineru.failures import failure
from penstock.adapters.mineru.reader import VERSION, time_limit
from penstock.adapters.mineru.settings import MinerUCommandSettings
from penstock.adapters.parse.pdf import document_of
from penstock.adapters.pdf.outline import outline
from penstock.effects import effect
from penstock.errors import StageCrashError, StageTimeoutError, UnavailableError
from penstock.ports import Resources
from penstock.records import Document, RawPayload, StageContext

_NAME = "document"
_MEGABYTE = 2**20
_BLOCK, _KEPT_BLOCKS = 4_096, 16
"""Of what the program prints the end is kept: bytes of a block, and blocks."""
_GRACE_SECONDS = 5.0


class MinerUCommand:
    """`PDFReader` by MinerU's command line, which loads its models anew for each document."""

    settings_type = MinerUCommandSettings
    version: ClassVar[str] = VERSION

    def __init__(self, settings: MinerUCommandSettings, resources: Resources) -> None:
        self._settings = settings
        self._command = settings.command or ("mineru-kit" if settings.release == 4 else "mineru")

    def read(self, ctx: StageContext, payload: RawPayload) -> Document:
        """The document in a PDF.

        Raises:
            RejectedError: it does not open, has too many pages, or no text.
            UnavailableError: no GPU (`gpu_unavailable`), no memory on it (`gpu_out_of_memory`), or no such program.
            TransientError: the program was ended; `StageTimeoutError` where the time is over.
            PermanentError: MinerU could not read it, or wrote what is not as documented.
        """
        settings = self._settings
        until = time_limit(ctx, settings.parse_seconds)
        program = shutil.which(self._command)
        if program is None:
            hint = "install MinerU on this machine, or say where it is: `command`"
            raise UnavailableError(f"MinerU: no program `{self._command}` is installed", hint=hint)
        if settings.device == "gpu" and not cuda_devices():
            raise unavailable("MinerU", NO_GPU)
        shape = outline(payload.content, settings.max_pages)
        with TemporaryDirectory(prefix="penstock-mineru-", ignore_cleanup_errors=True) as folder:
            source = Path(folder, f"{_NAME}.pdf")
            with effect("mineru.write"):
                source.write_bytes(payload.content)
            output, arguments = self._arguments(source, Path(folder, "output"))
            self._run([program, *arguments], Path(folder), until)
            content = _written(output, settings.max_megabytes * _MEGABYTE)
        if settings.release == 4:
            layout = middle.layout_of(decoded(content, middle.MiddleJSON), shape.sizes, shape.title)
        else:
            layout = content_list.layout_of(decoded(content, list[content_list.Item]), shape.sizes, shape.title)
        return document_of(payload, layout, format_name=f"mineru-{settings.release}", version=VERSION)

    def _arguments(self, source: Path, folder: Path) -> tuple[Path, list[str]]:
        """Where the program will write, and what to call it with.

        Source: `mineru/kit/commands/parse.py` of 4.0.12; `mineru/cli/{client,output_paths}.py` of 3.4.5.
        """
        settings = self._settings
        if settings.release == 4:
            output = folder / f"{_NAME}.json"
            options = ["--format", "middle_json", "--tier", settings.tier, "--ocr-mode", settings.ocr]
            return output, ["parse", str(source), "--output", str(output), *options]
        way = {"pipeline": settings.ocr, "vlm-engine": "vlm", "hybrid-engine": f"hybrid_{settings.ocr}"}
        output = folder / _NAME / way[settings.backend] / f"{_NAME}_content_list.json"
        options = ["-b", settings.backend, "-m", settings.ocr, "-l", settings.language]
        return output, ["-p", str(source), "-o", str(folder), *options]

    def _run(self, command: Sequence[str], folder: Path, until: float) -> None:
        """Run the program to its end. It stays in the group of processes of its caller, who may be killed with it."""
        on_gpu = self._settings.device == "gpu"
        device = {"MINERU_DEVICE_MODE": "cuda"} if on_gpu else {"MINERU_DEVICE_MODE": "cpu", "CUDA_VISIBLE_DEVICES": ""}
        try:
            process = subprocess.Popen(  # noqa: S603 - options of our own
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=os.environ | device,
            )
        except OSError as exc:
            raise UnavailableError(f"MinerU: `{self._command}` cannot be started") from exc
        said: deque[bytes] = deque(maxlen=_KEPT_BLOCKS)
        assert process.stdout is not None
        listener = threading.Thread(target=_listen, args=(process.stdout, said), daemon=True)
        listener.start()
        try:
            code = process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired as exc:
            raise StageTimeoutError("MinerU: not done in the time that there was") from exc
        finally:
            _end(process)
            listener.join(_GRACE_SECONDS)
        if code < 0:
            raise StageCrashError(f"MinerU: `{self._command}` was ended by signal {-code}")
        if code:
            raise failure("MinerU", None, b"".join(said).decode("utf-8", "replace"))


def _listen(stream: IO[bytes], said: deque[bytes]) -> None:
    with stream:
        while block := os.read(stream.fileno(), _BLOCK):
            said.append(block)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _written(path: Path, most: int) -> bytes:
    """What the program has written: a file, no link, no larger than it may be."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as exc:
        raise unsound(f"no `{path.name}` was written") from exc
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > most:
            raise unsound(f"`{path.name}` is no file of at most {most} bytes")
        return file.read(most)
