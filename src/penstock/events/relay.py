"""Relaying: what the outbox owes goes to the profile's sink, in order, at least once, with stable ids."""

from collections.abc import Iterator
from typing import Any

from penstock.events.cloudevents import DEFAULT_PREFIX, events_of, render
from penstock.events.facts import FactBatch, decode
from penstock.ledger.ledger import Ledger
from penstock.ports import EventSink, RequestQueue

_ASKED = "pdf.requested"
_MARKED_TOGETHER = 8  # sendings


class Relay:
    """Sends what the outbox of a ledger owes; what asks for work goes to the workers' queue as well.

    Args:
        at_once: about so many events are rendered and sent at a time: after an outage more may be owed than fits in
            memory.
    """

    def __init__(
        self,
        ledger: Ledger,
        sink: EventSink,
        prefix: str = DEFAULT_PREFIX,
        queue: RequestQueue | None = None,
        at_once: int = 5_000,
    ) -> None:
        self._ledger = ledger
        self._sink = sink
        self._prefix = prefix
        self._queue = queue
        self._at_once = at_once
        self._queued: set[int] = set()

    def send(self) -> int:
        """Send everything that is owed; returns how many events were sent.

        A row is marked as relayed only after the sink has its events, so a crash between the two sends them again.
        Some sendings are marked together: each mark waits for its turn among all that write to the ledger.
        """
        sent, last, sendings = 0, 0, 0
        unmarked: list[int] = []
        try:
            while pending := self._pending(last):
                rows = [(sequence, at, decode(facts)) for sequence, at, facts in pending]
                events = [each for number, at, facts in rows for each in events_of(facts, number, at, self._prefix)]
                self._ask(rows)
                self._sink.send(events)
                sent += len(events)
                last = rows[-1][0]
                unmarked += [sequence for sequence, _, _ in rows]
                if (sendings := sendings + 1) % _MARKED_TOGETHER == 0:
                    self._mark(unmarked)
        finally:
            if unmarked:
                self._mark(unmarked)
        return sent

    def _pending(self, after: int) -> list[tuple[int, float, bytes]]:
        with self._ledger.read() as cx:
            return self._ledger.outbox.pending(cx, self._at_once, after)

    def _mark(self, sequences: list[int]) -> None:
        with self._ledger.begin("relay.mark") as cx:
            self._ledger.outbox.mark_relayed(cx, sequences)
        self._queued.difference_update(sequences)
        sequences.clear()

    def told(self) -> Iterator[dict[str, Any]]:
        """Every event, oldest first: as the sink has them, or as the outbox has them where the sink cannot be read."""
        try:
            yield from self._sink.read()
        except NotImplementedError:  # the sink cannot be read: the outbox has them too
            with self._ledger.read() as cx:
                for sequence, at, facts in self._ledger.outbox.all(cx):
                    yield from render(decode(facts), sequence, at, self._prefix)

    def _ask(self, rows: list[tuple[int, float, FactBatch]]) -> None:
        """Ask first, and once: a sink that is down for hours must not fill the queue with the same requests."""
        if self._queue is None:
            return
        asking = [row for row in rows if row[2].kind == _ASKED and row[0] not in self._queued]
        self._queue.publish(
            [event for sequence, at, facts in asking for event in render(facts, sequence, at, self._prefix)]
        )
        self._queued.update(sequence for sequence, _, _ in asking)
