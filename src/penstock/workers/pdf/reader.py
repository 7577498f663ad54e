"""A process that reads PDFs, and the end of it where one takes too long, too much, or it down."""

import threading
import time

from penstock.errors import RejectedError, StageCrashError, StageError, StageTimeoutError
from penstock.execution.lines import ProcessLine
from penstock.execution.messages import Open, Pages, Read, Reading, Response, stage_error_of
from penstock.resilience.calls import CallerDiedError
from penstock.spec.profile import PDFWorkerSpec
from penstock.workers.pdf.usage import Usage, usage_of

TOO_LARGE_STATUS = "pdf_too_large"

_WATCH_SECONDS = 0.5
_GRACE_SECONDS = 5.0
"""What a reader that keeps its deadline takes at most to say so."""
_START_SECONDS = 60.0
"""What the start of a process takes at most, on a machine that is busy."""
_PDFS = 200
"""After so many a new process is begun: what native code has leaked goes with the old one."""


class StoppedError(Exception):
    """The worker was asked to end while a PDF was being read."""


class Reader:
    """Reads one PDF after the other, in a process of its own that is begun anew where it had to be ended.

    Use it from one thread: the process dies with the thread that has started it.
    """

    def __init__(self, opening: Open, bounds: PDFWorkerSpec, stop: threading.Event) -> None:
        self._line = ProcessLine(opening, longest=bounds.most_result_megabytes << 20)
        self._bounds = bounds
        self._stop = stop
        self._read = 0
        self.pages: int | None = None
        """Of the PDF that was read last, where it came so far."""

    def read(self, message: Read) -> Reading:
        """What came of a PDF.

        Raises:
            StageError: what its reader says of it; or `RejectedError` where it takes too much memory,
                `StageTimeoutError` where it takes too long, `StageCrashError` where it takes the process down.
            StoppedError: the worker is to end.
        """
        self.pages = None
        if self._read >= _PDFS:
            self._line.close()
            self._read = 0
        self._read += 1
        try:
            reading = self._answer(message)
        except CallerDiedError as exc:
            self._read = 0
            raise StageCrashError(str(exc)) from exc
        except (StageError, StoppedError):
            self._line.kill()
            self._read = 0
            raise
        if reading.result.fault is not None:
            raise stage_error_of(reading.result.fault)
        return reading

    def close(self) -> None:
        self._line.close()

    def _answer(self, message: Read) -> Reading:
        self._line.send(message)
        began, before = time.monotonic(), self._usage()
        seconds, until = message.base_seconds, began + message.base_seconds + _START_SECONDS
        while True:
            response = self._line.receive(min(_WATCH_SECONDS, max(0.0, until - time.monotonic())))
            if response is not None and not _fits(response, message):
                raise StageCrashError("the reader answered what it was not asked")
            if isinstance(response, Reading):
                return response
            if isinstance(response, Pages):
                self.pages = response.pages
                seconds = response.seconds
                until = time.monotonic() + seconds + _GRACE_SECONDS
            elif self._stop.is_set():
                raise StoppedError
            else:
                self._check(before, seconds)
                if time.monotonic() >= until:
                    shown = f"{self.pages} pages" if self.pages else "pages not yet counted"
                    raise StageTimeoutError(f"PDF: not read within {seconds:g} s ({shown})")

    def _check(self, before: Usage, seconds: float) -> None:
        now = self._usage()
        most = self._bounds.most_megabytes
        if now.memory > most << 20:
            raise RejectedError(f"PDF: needs more than {most} MB of memory to be read", status=TOO_LARGE_STATUS)
        cpu = seconds * self._bounds.most_cores
        if now.cpu_seconds - before.cpu_seconds > cpu:
            raise StageTimeoutError(f"PDF: not read with {cpu:g} s of CPU time")

    def _usage(self) -> Usage:
        group = self._line.group
        return usage_of(group) if group is not None else Usage()


def _fits(response: Response, message: Read) -> bool:
    if not isinstance(response, Pages | Reading):
        return False
    return (response.request, response.token) == (message.request, message.token)
