"""Requests on a Kafka topic, shared by the workers of a consumer group."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel, Field

from penstock.adapters.kafka.cloudevents import KafkaMessage, from_message, to_message
from penstock.adapters.kafka.connection import TOPIC, ClusterSettings, Connection
from penstock.adapters.kafka.offsets import Offsets
from penstock.adapters.kafka.producing import Publisher
from penstock.effects import effect
from penstock.errors import UnavailableError
from penstock.ports import Hint, Resources

_log = logging.getLogger("penstock.kafka")
_KIND = ".pdf.requested"


class QueueSettings(ClusterSettings):
    """The topic of requests, who shares it, and where messages go that cannot be understood.

    Both topics must be there. A worker that is silent for `session_seconds` loses its share to the others.
    """

    topic: str = Field(default="mineru.queue.v1", pattern=TOPIC)
    dead_letter_topic: str = Field(default="mineru.queue.v1.dead-letter", pattern=TOPIC)
    group: str = Field(default="penstock-pdf", min_length=1, max_length=200)
    session_seconds: int = Field(default=45, ge=6, le=300)


class Place(NamedTuple):
    """Where a message stands. `message` is it, to be set aside."""

    partition: int
    offset: int
    message: Any


class KafkaRequestQueue:
    """`RequestQueue` on Kafka: a message's offset is committed only once it, and all before it, are settled."""

    settings_type: ClassVar[type[BaseModel]] = QueueSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: QueueSettings, resources: Resources) -> None:
        self._settings = settings
        self._connection = Connection(settings, "kafka")
        self._requests = Publisher(self._connection, settings.topic)
        self._dead = Publisher(self._connection, settings.dead_letter_topic)
        self._offsets = Offsets()
        self._consumer: Any = None
        self._paused = False

    def publish(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Put events on the topic; returns when all are acknowledged. Raises `UnavailableError`."""
        if events:
            with effect("queue.publish"):
                self._requests.publish([to_message(event) for event in events])

    def prepare(self) -> None:
        """See that both topics are there, and join the group. Raises `UnavailableError`."""
        if self._consumer is None:
            from confluent_kafka import Consumer

            made = Consumer(
                self._connection.configuration(
                    **{
                        "group.id": self._settings.group,
                        "enable.auto.commit": False,
                        "enable.auto.offset.store": False,
                        "auto.offset.reset": "earliest",
                        "partition.assignment.strategy": "cooperative-sticky",
                        "session.timeout.ms": self._settings.session_seconds * 1000,
                        "heartbeat.interval.ms": self._settings.session_seconds * 200,
                        "on_commit": self._committed,
                    }
                )
            )
            for topic in (self._settings.topic, self._settings.dead_letter_topic):
                self._connection.partitions(made, topic)
            made.subscribe([self._settings.topic], on_revoke=self._revoked, on_lost=self._lost)
            self._consumer = made

    def receive(self, limit: int, seconds: float) -> list[Hint]:
        """Up to `limit` hints; with 0, the partitions are paused, and nothing but signs of life goes out."""
        self.prepare()
        self._commit()
        from confluent_kafka import KafkaException

        try:
            self._hold(limit == 0)
            found = [self._hint(message) for message in self._consumer.consume(max(1, limit), seconds)]
        except (UnavailableError, KafkaException) as exc:
            self.close()  # what has come and was not handed out comes again to whoever joins next
            if isinstance(exc, UnavailableError):
                raise
            raise self._connection.unavailable(f"fails ({exc.args[0].name()})") from exc
        return [hint for hint in found if hint is not None]

    def settle(self, hint: Hint) -> None:
        """Mark a message as over; it is committed with the next `receive`, or when the worker leaves."""
        self._offsets.settle(hint.place.partition, hint.place.offset)

    def set_aside(self, hint: Hint, reason: str) -> None:
        """Copy a message to the dead-letter topic, with the reason in its headers, and settle it."""
        self._bury(hint.place.message, reason)
        self.settle(hint)

    def close(self) -> None:
        """Commit what is settled and leave the group."""
        if self._consumer is not None:
            self._commit(wait=True)
            self._consumer.close()
            self._consumer = None

    def _hint(self, message: Any) -> Hint | None:
        """What a message says; None where it says nothing, which is dealt with."""
        if message.error():
            self._mind(message.error())
            return None
        place = Place(message.partition(), message.offset(), message)
        self._offsets.receive(place.partition, place.offset)
        event = from_message(message.value(), message.headers())
        data = event.get("data") if event else None
        if event is None or not isinstance(data, dict):
            reason = "it is no CloudEvent with JSON data"
        elif not str(event.get("type")).endswith(_KIND):
            reason = f"its type does not end with `{_KIND}`"
        elif not all(isinstance(data.get(name), str) and data[name] for name in ("request_id", "tenant_id")):
            reason = "it names no `request_id` or no `tenant_id`"
        else:
            return Hint(data["request_id"], data["tenant_id"], place)
        self._bury(message, reason)
        self._offsets.settle(place.partition, place.offset)
        return None

    def _bury(self, message: Any, reason: str) -> None:
        where = f"{self._settings.topic}[{message.partition()}]@{message.offset()}"
        _log.warning("message %s is set aside: %s", where, reason)
        headers = [*(message.headers() or ()), ("penstock_reason", reason.encode()), ("penstock_from", where.encode())]
        with effect("queue.set_aside"):
            self._dead.publish([KafkaMessage(message.key(), message.value(), headers)])

    def _commit(self, *, wait: bool = False) -> None:
        from confluent_kafka import KafkaException, TopicPartition

        topic = self._settings.topic
        offsets = [TopicPartition(topic, number, offset) for number, offset in self._offsets.settled()]
        if not offsets:
            return
        with effect("queue.commit"):
            try:
                self._consumer.commit(offsets=offsets, asynchronous=not wait)
            except KafkaException as exc:
                self._committed(exc, offsets)
                _log.warning("offsets of %s could not be committed: %s", topic, exc.args[0].name())

    def _hold(self, hold: bool) -> None:
        if hold or self._paused:
            assigned = self._consumer.assignment()
            (self._consumer.pause if hold else self._consumer.resume)(assigned)
        self._paused = hold

    def _mind(self, error: Any) -> None:
        if error.name() in ("_PARTITION_EOF", "_TRANSPORT", "_ALL_BROKERS_DOWN", "_MAX_POLL_EXCEEDED"):
            return  # the client goes on by itself
        raise self._connection.unavailable(f"does not let `{self._settings.topic}` be read ({error.name()})")

    def _committed(self, error: Any, partitions: Sequence[Any]) -> None:
        """What came of a commit; what it failed for goes into the next one."""
        for each in partitions:
            if error is not None or each.error is not None:
                self._offsets.untold(each.partition)

    def _revoked(self, consumer: Any, partitions: Sequence[Any]) -> None:
        """Others take partitions over: what is settled of them is committed before."""
        self._commit(wait=True)
        self._lost(consumer, partitions)

    def _lost(self, consumer: Any, partitions: Sequence[Any]) -> None:
        if self._paused:
            consumer.resume(partitions)  # the client would still hold them when they come back
        for each in partitions:
            self._offsets.forget(each.partition)
