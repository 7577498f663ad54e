"""Relaying: what the outbox owes goes to the profile's sink, in order, at least once, with stable ids."""

from collections.abc import Iterator
from typing import Any

from penstock.events.cloudevents import DEFAULT_PREFIX, render
from penstock.events.facts import decode
from penstock.ledger.ledger import Ledger
from penstock.ports import EventSink

_ROWS = 100


def relay(ledger: Ledger, sink: EventSink, prefix: str = DEFAULT_PREFIX) -> int:
    """Send everything that is owed; returns how many events were sent.

    A row is marked as relayed only after the sink has its events, so a crash between the two sends them again.
    """
    sent = 0
    while True:
        with ledger.read() as cx:
            rows = ledger.outbox.pending(cx, _ROWS)
        if not rows:
            return sent
        events = [event for sequence, at, facts in rows for event in render(decode(facts), sequence, at, prefix)]
        sink.send(events)
        with ledger.begin("relay.mark") as cx:
            ledger.outbox.mark_relayed(cx, [sequence for sequence, _, _ in rows])
        sent += len(events)


def told(ledger: Ledger, sink: EventSink, prefix: str = DEFAULT_PREFIX) -> Iterator[dict[str, Any]]:
    """Every event, oldest first: as the sink has them, or as the outbox has them where the sink cannot be read."""
    try:
        yield from sink.read()
    except NotImplementedError:
        with ledger.read() as cx:
            for sequence, at, facts in ledger.outbox.all(cx):
                yield from render(decode(facts), sequence, at, prefix)
