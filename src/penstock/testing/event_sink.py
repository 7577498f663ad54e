"""What every event sink that can be read must do."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from penstock.ports import CloudEvent, EventSink


class EventSinkContract:
    """Subclass it and override `reopen`."""

    @pytest.fixture
    def reopen(self) -> Callable[[], EventSink]:
        """A function that opens the sink anew over the same state."""
        raise NotImplementedError("override the fixture `reopen`")

    def test_events_come_back_in_the_order_they_were_sent(self, reopen: Callable[[], EventSink]) -> None:
        events = [_event(number) for number in range(5)]
        reopen().send(events[:2])
        reopen().send(events[2:])
        assert list(reopen().read()) == [_read(event) for event in events]

    def test_what_is_unset_is_left_out(self, reopen: Callable[[], EventSink]) -> None:
        event = msgspec.structs.replace(_event(), data=_Data(1))
        reopen().send([event])
        [read] = reopen().read()
        assert read["data"] == {"set": 1}

    def test_a_sink_that_got_nothing_reads_as_empty(self, reopen: Callable[[], EventSink]) -> None:
        reopen().send([])
        assert list(reopen().read()) == []

    def test_the_same_event_may_come_twice(self, reopen: Callable[[], EventSink]) -> None:
        sink = reopen()
        sink.send([_event()])
        sink.send([_event()])
        assert list(sink.read()) == [_read(_event())] * 2

    def test_reading_is_lazy(self, reopen: Callable[[], EventSink]) -> None:
        sink = reopen()
        sink.send([_event(1), _event(2)])
        reading = sink.read()
        assert isinstance(reading, Iterator)
        assert next(reading) == _read(_event(1))


class _Data(msgspec.Struct):
    set: int
    unset: int | msgspec.UnsetType = msgspec.UNSET


def _event(number: int = 1) -> CloudEvent:
    return CloudEvent(
        specversion="1.0",
        id=str(number),
        source="/suite",
        type="suite.told",
        subject="line\nbreak ← ü",
        time="2026-01-31T12:00:00.123Z",
        datacontenttype="application/json",
        partitionkey="north/1",
        sequence=f"{number:012d}",
        data={"text": "line\nbreak ← ü", "n": [number, None]},
    )


def _read(event: CloudEvent) -> dict[str, Any]:
    read: dict[str, Any] = msgspec.to_builtins(event)
    return read
