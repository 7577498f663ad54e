"""The worker itself: threads that take requests and have them read, until there are none or it is asked to end."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from penstock.errors import PenstockError, StageCrashError, StageError, StageTimeoutError, TransientError
from penstock.execution import pdf_results
from penstock.execution.batch import subject_of
from penstock.execution.messages import Read
from penstock.execution.pdf_results import Claim
from penstock.execution.workspace import Workspace
from penstock.ledger.workers import Worker
from penstock.spec.profile import PDFWorkerSpec
from penstock.workers.pdf.reader import Reader, StoppedError

_log = logging.getLogger("penstock.pdf")
_PAUSE_SECONDS = 1.0
_RECOVER_SECONDS = 5.0
_BACKOFF_SECONDS = 1.0


class Queue(Protocol):
    """Where requests come from. The ledger decides who reads one; a queue says which to take next."""

    def take(self, worker: Worker) -> Claim | None:
        """The next request, taken; None where there is none to be had now. Called from several threads."""
        ...

    def settled(self, claim: Claim) -> None:
        """The ledger has written down what became of it."""
        ...

    def left(self) -> float | None:
        """Seconds until there may be more; None where nothing is left of what there was."""
        ...


class LedgerQueue:
    """Requests straight from the ledger: tenants take turns, each tenant's oldest first."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._after = ""

    def take(self, worker: Worker) -> Claim | None:
        claim = pdf_results.take(self._workspace, worker, after=self._after)
        if claim is not None:
            self._after = claim.request.tenant
        return claim

    def settled(self, claim: Claim) -> None:
        pass

    def left(self) -> float | None:
        with self._workspace.ledger.read() as cx:
            return self._workspace.ledger.pdf_requests.left(cx)[1]


@dataclass
class Tally:
    """What a worker has done: how many PDFs it has read, and what became of the others, by state."""

    read: int = 0
    pages: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    tried_again: int = 0
    given_back: int = 0
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


Told = Callable[[Claim, str], None]
"""Called with a request and what became of it: `read`, a failure's state, `again`, `back`, `refused`."""


class PDFWorker:
    """Works off a queue in some threads, each with a process that reads."""

    def __init__(
        self,
        workspace: Workspace,
        bounds: PDFWorkerSpec,
        queue: Queue,
        stop: threading.Event,
        told: Told = lambda claim, outcome: None,
    ) -> None:
        self.tally = Tally()
        self._workspace = workspace
        self._bounds = bounds
        self._queue = queue
        self._stop = stop
        self._told = told
        self._recovered_at = 0.0
        self._error: BaseException | None = None

    def run(self, *, drain: bool = False) -> Tally:
        """Work until asked to stop; with `drain`, until nothing is left. What was taken and not read is given back.

        Where the ledger cannot be reached it is tried again; with `drain`, what went wrong is raised.
        """
        with self._workspace.ledger.worker(self._workspace.profile.lease_seconds) as worker:
            threads = [
                threading.Thread(target=self._work, args=(worker, drain), name=f"penstock-pdf-{number}")
                for number in range(self._bounds.concurrency)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        if self._error is not None:
            raise self._error
        return self.tally

    def _work(self, worker: Worker, drain: bool) -> None:
        reader = Reader(self._workspace.opening(), self._bounds, self._stop)
        held: list[Claim] = []
        try:
            while not self._stop.is_set():
                try:
                    if not self._once(worker, reader, held, drain):
                        return
                except (PenstockError, OSError, SQLAlchemyError) as exc:
                    if drain:
                        raise
                    _log.warning("trying again: %s: %s", type(exc).__name__, str(exc).partition("\n")[0])
                    self._stop.wait(_PAUSE_SECONDS)
            self._return(held)
        except BaseException as exc:  # noqa: BLE001 - told by the thread that waits for this one
            self._error = exc
            self._stop.set()
        finally:
            reader.close()

    def _once(self, worker: Worker, reader: Reader, held: list[Claim], drain: bool) -> bool:
        """Take one request and see it through; False where there is nothing left to do."""
        self._return(held)
        self._recover()
        claim = self._queue.take(worker)
        if claim is None:
            seconds = self._queue.left()
            if seconds is None and drain:
                return False
            self._stop.wait(min(seconds or _PAUSE_SECONDS, _PAUSE_SECONDS))
            return True
        held.append(claim)
        outcome = self._see_through(worker, reader, claim)
        held.clear()
        self._queue.settled(claim)
        self._count(outcome, reader.pages or 0)
        self._told(claim, outcome)
        return True

    def _see_through(self, worker: Worker, reader: Reader, claim: Claim) -> str:
        """Read a PDF and write down what came of it; returns that in a word."""
        request, began = claim.request, time.monotonic()
        if request.deliveries > self._bounds.max_deliveries:
            error: StageError = StageCrashError(request.trouble or "no reader has come to an end with it")
            return self._end(claim, error, began, poison=True)
        try:
            reading = reader.read(self._message(claim))
            taken = pdf_results.accept(self._workspace, worker, claim, reading, reader.pages)
            return "read" if taken else "refused"
        except StoppedError:
            pdf_results.give_back(self._workspace, claim)
            return "back"
        except TransientError as exc:
            if request.deliveries >= self._bounds.max_deliveries:
                return self._end(claim, exc, began, poison=isinstance(exc, StageCrashError | StageTimeoutError))
            wait = exc.retry_after_seconds or _BACKOFF_SECONDS * 2 ** (request.deliveries - 1)
            return "again" if pdf_results.put_off(self._workspace, claim, exc, wait) else "refused"
        except StageError as exc:
            return self._end(claim, exc, began)

    def _end(self, claim: Claim, error: StageError, began: float, *, poison: bool = False) -> str:
        seconds = time.monotonic() - began
        state = pdf_results.QUARANTINED_STATUS if poison else error.status or pdf_results.FAILED_STATUS
        return state if pdf_results.fail(self._workspace, claim, error, poison=poison, seconds=seconds) else "refused"

    def _message(self, claim: Claim) -> Read:
        request, bounds = claim.request, self._bounds
        return Read(
            request=request.request,
            token=request.token,
            attempt=request.deliveries,
            gate=claim.gate,
            subject=subject_of(claim.job),
            path=request.path,
            sha256=request.sha256,
            size=request.size,
            base_seconds=bounds.base_seconds,
            page_seconds=bounds.page_seconds,
            most_seconds=bounds.most_seconds,
        )

    def _return(self, held: list[Claim]) -> None:
        """Give back what was taken before the ledger could not be reached."""
        while held:
            pdf_results.give_back(self._workspace, held[-1])
            held.pop()

    def _recover(self) -> None:
        """Free what dead workers hold, now and then."""
        with self.tally.lock:
            due = time.monotonic() - self._recovered_at > _RECOVER_SECONDS
            if due:
                self._recovered_at = time.monotonic()
        if due:
            self._workspace.ledger.recover()

    def _count(self, outcome: str, pages: int) -> None:
        with self.tally.lock:
            match outcome:
                case "read":
                    self.tally.read += 1
                    self.tally.pages += pages
                case "again":
                    self.tally.tried_again += 1
                case "back":
                    self.tally.given_back += 1
                case "refused":
                    self.tally.refused += 1
                case state:
                    self.tally.failed[state] += 1
