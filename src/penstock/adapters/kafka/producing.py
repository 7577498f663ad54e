"""Publishing to a Kafka topic: what was acknowledged is there, and what was not counts as not sent."""

import time
from collections.abc import Sequence
from typing import Any

from penstock.adapters.kafka.cloudevents import KafkaMessage
from penstock.adapters.kafka.connection import Connection
from penstock.errors import StageError

_MARGIN_SECONDS = 5.0
_GLANCE_SECONDS = 1.0
_POLL_MESSAGES = 500


class Publisher:
    """A producer for one topic, made when it is first needed, and made anew after anything went wrong.

    The client tries again by itself until `timeout_seconds` have passed, under sequence numbers by which the broker
    drops doubles (`enable.idempotence`): otherwise a lost answer would put a document's events out of order.

    A cluster that was not there is asked again after as many seconds, and then only for a second, as the client goes
    on connecting in the background: work that also publishes is hardly held up.
    """

    def __init__(self, connection: Connection, topic: str) -> None:
        self._connection = connection
        self._topic = topic
        self._producer: Any = None
        self._ready = False
        self._failure: StageError | None = None
        self._again_at = 0.0

    def publish(self, messages: Sequence[KafkaMessage]) -> None:
        """Returns when every message is acknowledged. Raises `UnavailableError`; then some of them may be there."""
        if self._failure is not None and time.monotonic() < self._again_at:
            raise self._failure
        try:
            self._prepare()
            self._publish(messages)
        except StageError as exc:
            if self._ready:
                self._producer.purge()  # what was not sent is owed, and comes again
                self._producer, self._ready = None, False
            self._failure = exc
            self._again_at = time.monotonic() + self._connection.seconds
            raise
        self._failure = None

    def _publish(self, messages: Sequence[KafkaMessage]) -> None:
        failed: list[str] = []
        acknowledged = 0

        def delivered(error: Any, _message: Any) -> None:
            nonlocal acknowledged
            if error is None:
                acknowledged += 1
            else:
                failed.append(error.name())

        for number, message in enumerate(messages):
            self._produce(message, delivered)
            if number % _POLL_MESSAGES == 0:
                self._producer.poll(0)
        self._producer.flush(self._connection.seconds + _MARGIN_SECONDS)
        if acknowledged != len(messages):
            why = failed[0] if failed else "_TIMED_OUT"
            raise self._connection.unavailable(
                f"acknowledged {acknowledged} of {len(messages)} messages for `{self._topic}` ({why})"
            )

    def _produce(self, message: KafkaMessage, delivered: Any) -> None:
        from confluent_kafka import KafkaException

        while True:
            try:
                self._producer.produce(
                    self._topic, message.value, message.key, headers=message.headers, on_delivery=delivered
                )
            except BufferError:  # the queue is full: what is in it is on its way, or will time out
                self._producer.poll(0.1)
            except KafkaException as exc:
                raise self._connection.unavailable(
                    f"takes no message for `{self._topic}` ({exc.args[0].name()})"
                ) from exc
            else:
                return

    def _prepare(self) -> None:
        """A producer that the cluster has answered. Raises `UnavailableError`."""
        from confluent_kafka import Producer

        if self._producer is None:
            settings = {
                "enable.idempotence": True,  # with it: acks=all, order kept
                "message.timeout.ms": int(self._connection.seconds * 1000),
                "partitioner": "murmur2_random",  # as the Java clients do, so that all agree on a key's partition
                "compression.type": "lz4",
            }
            self._producer = Producer(self._connection.configuration(**settings))
        if not self._ready:  # an unknown topic would only show as a time-out
            seconds = self._connection.seconds if self._failure is None else _GLANCE_SECONDS
            self._connection.partitions(self._producer, self._topic, seconds)
            self._ready = True
