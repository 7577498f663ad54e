"""Requests by way of the queue: it says where to look, the ledger decides, and what it loses is found again."""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager

from penstock.errors import PenstockError
from penstock.execution import pdf_results
from penstock.execution.pdf_results import Claim
from penstock.execution.workspace import Workspace
from penstock.ledger.pdf_requests import RequestState
from penstock.ledger.workers import Worker
from penstock.ports import Hint, RequestQueue
from penstock.workers.pdf.loop import LedgerQueue, Queue

_log = logging.getLogger("penstock.pdf")
SCAN_SECONDS = 15.0
_POLL_SECONDS = 0.2
_WAIT_SECONDS = 0.5
_AGAIN_SECONDS = 5.0

UNKNOWN, FOREIGN, OLD, TAKEN = "unknown", "foreign", "old", "taken"
"""Why a hint led to nothing: no such request, another tenant's, one that is over, one that another worker has."""


class HintedQueue:
    """Takes what the queue names, and now and then what the ledger has besides: nothing depends on the queue.

    A thread of its own speaks with the queue, so that this worker keeps its place there while all its readers are busy.
    A hint is settled once the ledger has what became of its request, so that it comes to others if this worker dies.
    """

    def __init__(
        self,
        workspace: Workspace,
        queue: RequestQueue,
        room: int,
        ending: threading.Event,
        scan_seconds: float = SCAN_SECONDS,
    ) -> None:
        """
        Args:
            room: how many hints are kept ready for readers.
            ending: set once the worker is asked to end.
            scan_seconds: how often the ledger is asked for what no message came for; 0: whenever none is there.
        """
        self.refused: Counter[str] = Counter()
        self._workspace = workspace
        self._queue = queue
        self._room = room
        self._ending = ending
        self._scan_seconds = scan_seconds
        self._scan_at = time.monotonic() + scan_seconds
        self._after = ""
        self._hints: deque[Hint] = deque()
        self._over: deque[tuple[Hint, str]] = deque()
        self._held: dict[str, list[Hint]] = {}
        self._came = threading.Condition()
        self._stop = threading.Event()

    @contextmanager
    def listening(self) -> Iterator["HintedQueue"]:
        """Speak with the queue while the context lasts; then tell it what is over, and leave the rest to others."""
        thread = threading.Thread(target=self._listen, name="penstock-pdf-queue")
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def take(self, worker: Worker) -> Claim | None:
        """The request of the next hint; where there is none, one that the ledger has, at every scan."""
        while (hint := self._next()) is not None:
            try:
                claim = None if self._is_ours(hint) else self._claim(worker, hint)
            except BaseException:  # the ledger is not there: the hint is as good as before
                self._hints.appendleft(hint)
                raise
            if claim is not None:
                return self._holding(claim, hint)
        claim = self._scan(worker)
        return self._holding(claim) if claim is not None else None

    def settled(self, claim: Claim) -> None:
        """The ledger has what became of it; one that was given back at the end comes to others as it came here."""
        with self._came:
            hints = self._held.pop(claim.request.request, [])
        given_back = hints and self._ending.is_set() and self._state(hints[0]) == RequestState.QUEUED
        if not given_back:
            self._over.extend((hint, "") for hint in hints)

    def left(self) -> float | None:
        """Seconds until the ledger has more; None where it has nothing left."""
        with self._workspace.ledger.read() as cx:
            return self._workspace.ledger.pdf_requests.left(cx)[1]

    def _next(self) -> Hint | None:
        with self._came:
            seconds = min(_WAIT_SECONDS, self._scan_at - time.monotonic())
            self._came.wait_for(lambda: bool(self._hints) or self._ending.is_set(), max(0.0, seconds))
            return self._hints.popleft() if self._hints else None

    def _holding(self, claim: Claim, *hints: Hint) -> Claim:
        with self._came:
            self._held[claim.request.request] = list(hints)
        return claim

    def _is_ours(self, hint: Hint) -> bool:
        """Whether this worker reads it already: then the message is over when that is."""
        with self._came:
            ours = self._held.get(hint.request)
            if ours is not None:
                ours.append(hint)
                self.refused[TAKEN] += 1
        return ours is not None

    def _claim(self, worker: Worker, hint: Hint) -> Claim | None:
        ledger = self._workspace.ledger
        with ledger.read() as cx:
            request = ledger.pdf_requests.get(cx, hint.request)
        if request is None or request.tenant != hint.tenant:
            word = UNKNOWN if request is None else FOREIGN
            _log.warning("a message asks for a request that is %s: %s", word, hint.request[:64])
            self._refuse(hint, word, f"the ledger has no such request of tenant `{hint.tenant}`")
            return None
        claim = pdf_results.take(self._workspace, worker, request=hint.request)
        if claim is None:
            taken = self._state(hint) == RequestState.LEASED
            if taken:  # or its worker died, and that is why it came again
                ledger.recover()
                claim = pdf_results.take(self._workspace, worker, request=hint.request)
            if claim is None:
                self._refuse(hint, TAKEN if taken else OLD)
        return claim

    def _scan(self, worker: Worker) -> Claim | None:
        """What the ledger has that no message came for: while there is some, one after the other."""
        if time.monotonic() < self._scan_at:
            return None
        claim = pdf_results.take(self._workspace, worker, after=self._after)
        if claim is None:
            self._scan_at = time.monotonic() + self._scan_seconds
        else:
            self._after = claim.request.tenant
        return claim

    def _state(self, hint: Hint) -> str | None:
        with self._workspace.ledger.read() as cx:
            found = self._workspace.ledger.pdf_requests.get(cx, hint.request)
        return found.state if found is not None else None

    def _refuse(self, hint: Hint, word: str, reason: str = "") -> None:
        self.refused[word] += 1
        self._over.append((hint, reason))

    # ── the thread that speaks with the queue ───────────────────────────────────────────────────────────────────────

    def _listen(self) -> None:
        said = ""
        while not self._stop.is_set():
            try:
                self._exchange()
                said = ""
            except PenstockError as exc:
                if exc.message != said:
                    hint = f" ({exc.hint})" if exc.hint else ""
                    _log.warning("the queue: %s%s; requests are looked for in the ledger", exc.message, hint)
                said = exc.message
                self._stop.wait(_AGAIN_SECONDS)
        try:
            self._tell_over()
        except PenstockError as exc:
            _log.warning("the queue: %s; some messages come again", exc.message)
        self._queue.close()

    def _exchange(self) -> None:
        self._tell_over()
        with self._came:
            room = self._room - len(self._hints)
        found = self._queue.receive(max(0, room), _POLL_SECONDS)
        with self._came:
            self._hints.extend(found)
            self._came.notify_all()

    def _tell_over(self) -> None:
        while self._over:
            hint, reason = self._over[0]
            if reason:
                self._queue.set_aside(hint, reason)
            else:
                self._queue.settle(hint)
            self._over.popleft()


@contextmanager
def requests_of(workspace: Workspace, room: int, ending: threading.Event, *, drain: bool) -> Iterator[Queue]:
    """Where the PDF worker of a profile finds its requests; with `drain`, nothing is waited for."""
    queue = workspace.resources.pdf_queue
    if queue is None:
        yield LedgerQueue(workspace)
        return
    hinted = HintedQueue(workspace, queue, room, ending, 0.0 if drain else SCAN_SECONDS)
    with hinted.listening():
        yield hinted
    if hinted.refused:
        told = ", ".join(f"{count} {word}" for word, count in sorted(hinted.refused.items()))
        _log.warning("messages that led to nothing: %s", told)
