"""CloudEvents as Kafka messages, binary content mode: data is the value, attributes are headers.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

_PREFIX = "ce_"
_TYPE = "content-type"


class KafkaMessage(NamedTuple):
    """A message as the clients of Kafka take it."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def to_message(event: Mapping[str, Any]) -> KafkaMessage:
    """An event (structured, as JSON has it) as a message. Its data is written as JSON."""
    headers = [
        (_TYPE if name == "datacontenttype" else _PREFIX + name, str(value).encode())
        for name, value in event.items()
        if name != "data"
    ]
    key = event.get("partitionkey")
    value = msgspec.json.encode(event["data"]) if "data" in event else None
    return KafkaMessage(None if key is None else str(key).encode(), value, headers)


def from_message(value: bytes | None, headers: Sequence[tuple[str, bytes | None]] | None) -> dict[str, Any] | None:
    """The event that a message carries, structured; None where it carries none, or one whose data is not JSON."""
    event: dict[str, Any] = {}
    try:
        for name, content in headers or ():
            if name.startswith(_PREFIX) and content is not None:
                event[name.removeprefix(_PREFIX)] = content.decode()
            elif name == _TYPE and content is not None:
                event["datacontenttype"] = content.decode()
        if value is not None:
            event["data"] = msgspec.json.decode(value)
    except (UnicodeDecodeError, msgspec.DecodeError):
        return None
    return event if "id" in event else None
