"""What happened, and what those must offer that are told of it."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import msgspec


class CloudEvent(msgspec.Struct, gc=False):
    """An event as CloudEvents 1.0 has it, its attributes under their own names. `data` is an object of JSON.

    Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
    """

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str
    partitionkey: str
    sequence: str
    data: Any


class EventSink(Protocol):
    """Where events go. `send` returns when they are durable there; the same event may come twice."""

    def send(self, events: Sequence[CloudEvent]) -> None: ...

    def read(self) -> Iterator[dict[str, Any]]:
        """Every event that was sent, oldest first; raises `NotImplementedError` where the sink cannot be read."""
        ...
