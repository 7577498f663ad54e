"""What every event sink that can be read must do."""

from collections.abc import Callable, Iterator

import pytest

from penstock.ports import EventSink


class EventSinkContract:
    """Subclass it and override `reopen`."""

    @pytest.fixture
    def reopen(self) -> Callable[[], EventSink]:
        """A function that opens the sink anew over the same state."""
        raise NotImplementedError("override the fixture `reopen`")

    def test_events_come_back_in_the_order_they_were_sent(self, reopen: Callable[[], EventSink]) -> None:
        events = [{"id": str(number), "data": {"text": "line\nbreak ← ü", "n": [number, None]}} for number in range(5)]
        reopen().send(events[:2])
        reopen().send(events[2:])
        assert list(reopen().read()) == events

    def test_a_sink_that_got_nothing_reads_as_empty(self, reopen: Callable[[], EventSink]) -> None:
        reopen().send([])
        assert list(reopen().read()) == []

    def test_the_same_event_may_come_twice(self, reopen: Callable[[], EventSink]) -> None:
        sink = reopen()
        sink.send([{"id": "1"}])
        sink.send([{"id": "1"}])
        assert list(sink.read()) == [{"id": "1"}, {"id": "1"}]

    def test_reading_is_lazy(self, reopen: Callable[[], EventSink]) -> None:
        sink = reopen()
        sink.send([{"id": "1"}, {"id": "2"}])
        reading = sink.read()
        assert isinstance(reading, Iterator)
        assert next(reading) == {"id": "1"}
