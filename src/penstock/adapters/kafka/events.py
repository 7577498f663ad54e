"""Events on a Kafka topic, as CloudEvents in binary content mode, one document's in order."""

import heapq
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, ClassVar

import msgspec
from pydantic import BaseModel, Field

from penstock.adapters.kafka.cloudevents import from_message, to_message
from penstock.adapters.kafka.connection import TOPIC, ClusterSettings, Connection
from penstock.adapters.kafka.producing import Publisher
from penstock.effects import effect
from penstock.ports import CloudEvent, Resources

_BUFFER_KB = 1024


class EventSettings(ClusterSettings):
    """The topic that events go to. It must be there: topics are not made by writing to them."""

    topic: str = Field(default="orchestration.events.v1", pattern=TOPIC)


class KafkaEventSink:
    """Publishes events durably: acknowledged by all replicas in sync, in order for each key (the document).

    What was not acknowledged in `timeout_seconds` counts as not sent: it stays owed in the outbox, and comes again.
    """

    settings_type: ClassVar[type[BaseModel]] = EventSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: EventSettings, resources: Resources) -> None:
        self._topic = settings.topic
        self._connection = Connection(settings, "kafka")
        self._publisher = Publisher(self._connection, settings.topic)

    def send(self, events: Sequence[CloudEvent]) -> None:
        """Publish the events; returns when all are acknowledged. Raises `UnavailableError`; then some may be there."""
        if events:
            with effect("events.publish"):
                self._publisher.publish([to_message(msgspec.to_builtins(event)) for event in events])

    def read(self) -> Iterator[dict[str, Any]]:
        """Every event that the topic holds now, oldest first by the time that it was sent. Other messages are left out.

        Raises:
            NotImplementedError: the topic no longer holds everything, as its retention has taken the oldest.
            UnavailableError: the cluster does not answer.
        """
        with closing(self._reader()) as reader:
            numbers = self._connection.partitions(reader, self._topic)
        streams = [self._partition(number) for number in numbers]
        try:  # the merge looks at the first of each before it gives any
            for _, _, event in heapq.merge(*streams, key=lambda each: each[:2]):
                yield event
        finally:
            for stream in streams:
                stream.close()

    def _partition(self, number: int) -> Generator[tuple[int, str, dict[str, Any]], None, None]:
        """(time, sequence, event) of each event of a partition, up to its end."""
        from confluent_kafka import TopicPartition

        seconds = self._connection.seconds
        with closing(self._reader()) as reader:
            reader.assign([TopicPartition(self._topic, number, 0)])
            expected = 0
            deadline = time.monotonic() + seconds
            while True:
                message = reader.poll(seconds)
                at_end = message is not None and message.error() and message.error().name() == "_PARTITION_EOF"
                if message is None or (message.error() and not at_end):
                    if time.monotonic() > deadline:
                        raise self._connection.unavailable()
                    continue
                deadline = time.monotonic() + seconds
                if not expected and message.offset() > 0:
                    raise NotImplementedError(f"topic `{self._topic}` no longer holds every event")
                if at_end:
                    return
                expected = message.offset() + 1
                event = from_message(message.value(), message.headers())
                if event is not None:
                    yield message.timestamp()[1], str(event.get("sequence", "")), event

    def _reader(self) -> Any:
        from confluent_kafka import Consumer

        return Consumer(
            self._connection.configuration(
                **{
                    "group.id": "penstock-reader",  # needed by the client; nothing is ever committed under it
                    "enable.auto.commit": False,
                    "auto.offset.reset": "earliest",  # where the oldest offsets are gone
                    "enable.partition.eof": True,
                    "queued.max.messages.kbytes": _BUFFER_KB,
                }
            )
        )
