"""The queue of requests on a real Kafka: shared, settled, set aside; consumers that leave, a broker that dies."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.services.kafka import KafkaBroker, kafka_broker

from penstock.adapters.kafka.queue import KafkaRequestQueue, QueueSettings
from penstock.errors import UnavailableError
from penstock.ports import Hint
from penstock.testing.factories import make_resources

pytestmark = pytest.mark.services

PATIENCE = 90.0


def event(number: int, **data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"job-{number}:0:pdf_gate:pdf.requested:1",
        "source": "/orchestration/pdf_gate",
        "type": "org.medicalkg.orchestration.pdf.requested",
        "datacontenttype": "application/json",
        "partitionkey": f"north/file:{number}.pdf",
        "data": {"request_id": f"request-{number}", "tenant_id": "north"} | data,
    }


Opened = Callable[..., KafkaRequestQueue]


class Topics:
    """A topic of requests and its dead letters on a broker, and the queues that tests have opened on it."""

    def __init__(self, broker: KafkaBroker, partitions: int = 1) -> None:
        self.broker = broker
        self.name = broker.topic(partitions)
        self.dead = f"{self.name}.dead-letter"
        broker.make_topic(self.dead)
        self.opened: list[KafkaRequestQueue] = []

    def queue(self, **settings: Any) -> KafkaRequestQueue:
        values = {"timeout_seconds": 60, "session_seconds": 6, "group": f"group-{self.name}"} | settings
        made = QueueSettings(
            bootstrap_servers=self.broker.address, topic=self.name, dead_letter_topic=self.dead, **values
        )
        self.opened.append(KafkaRequestQueue(made, make_resources(Path())))
        return self.opened[-1]

    def committed(self) -> dict[int, int]:
        return self.broker.committed(f"group-{self.name}", self.name)


@pytest.fixture
def topics(kafka: KafkaBroker) -> Iterator[Topics]:
    made = Topics(kafka)
    yield made
    for each in made.opened:
        each.close()


def received(queue: KafkaRequestQueue, count: int, limit: int = 10) -> list[Hint]:
    """That many hints; what waits longer than is bearable fails."""
    found: list[Hint] = []
    deadline = time.monotonic() + PATIENCE
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} came"
        found += queue.receive(min(limit, count - len(found)), 0.2)
    return found


def names(hints: list[Hint]) -> list[str]:
    return [each.request for each in hints]


def test_what_is_settled_does_not_come_again_and_the_rest_does(topics: Topics) -> None:
    topics.queue().publish([event(number) for number in range(6)])
    first = topics.queue()
    hints = received(first, 6)
    assert names(hints) == [f"request-{number}" for number in range(6)]
    assert {each.tenant for each in hints} == {"north"}
    for number in (0, 1, 3):
        first.settle(hints[number])
    assert topics.committed() == {}, "nothing is committed before the next receive"
    first.close()
    assert topics.committed() == {0: 2}
    again = topics.queue()
    assert names(received(again, 4)) == ["request-2", "request-3", "request-4", "request-5"]


def test_while_there_is_no_room_nothing_comes_and_the_place_in_the_group_is_kept(topics: Topics) -> None:
    topics.queue().publish([event(1)])
    queue = topics.queue()
    hints = received(queue, 1)
    topics.queue().publish([event(2)])
    for _ in range(10):
        assert queue.receive(0, 0.1) == []
    queue.settle(hints[0])
    assert names(received(queue, 1)) == ["request-2"]
    queue.receive(0, 0.1)
    queue.close()
    assert topics.committed() == {0: 1}


POISON = {
    "garbage": (b"\x00\xff garbage", {}),
    "no json": (b"{", {"ce_id": b"1", "ce_type": b"x.pdf.requested"}),
    "a list": (b"[]", {"ce_id": b"1", "ce_type": b"x.pdf.requested"}),
    "another type": (b'{"request_id": "a", "tenant_id": "b"}', {"ce_id": b"1", "ce_type": b"x.stage.failed"}),
    "no request": (b'{"tenant_id": "b"}', {"ce_id": b"1", "ce_type": b"x.pdf.requested"}),
    "a number": (b'{"request_id": 5, "tenant_id": "b"}', {"ce_id": b"1", "ce_type": b"x.pdf.requested"}),
    "no utf-8": (b"{}", {"ce_id": b"\xff", "ce_type": b"x.pdf.requested"}),
    "empty": (b"", {}),
}


def test_poison_is_set_aside_with_its_reason_and_committed_past(topics: Topics) -> None:
    for value, headers in POISON.values():
        topics.broker.put(topics.name, value, headers=headers)
    queue = topics.queue()
    queue.publish([event(1)])
    [hint] = received(queue, 1)
    assert hint.request == "request-1"
    dead = topics.broker.messages(topics.dead)
    assert [each.value() for each in dead] == [value for value, _ in POISON.values()]
    for place, each in enumerate(dead):
        told = dict(each.headers())
        assert told["penstock_from"].decode() == f"{topics.name}[0]@{place}"
        assert told["penstock_reason"]
    queue.settle(hint)
    queue.close()
    assert topics.committed() == {0: len(POISON) + 1}


def test_a_hint_may_be_set_aside(topics: Topics) -> None:
    queue = topics.queue()
    queue.publish([event(1)])
    [hint] = received(queue, 1)
    queue.set_aside(hint, "the ledger knows no such request")
    queue.close()
    [dead] = topics.broker.messages(topics.dead)
    assert json.loads(dead.value())["request_id"] == "request-1"
    assert dict(dead.headers())["penstock_reason"] == b"the ledger knows no such request"
    assert topics.committed() == {0: 1}


def test_two_share_the_partitions_and_what_one_held_comes_to_the_other_when_it_leaves(kafka: KafkaBroker) -> None:
    topics = Topics(kafka, partitions=4)
    one, two = topics.queue(), topics.queue()
    got: dict[str, list[Hint]] = {"one": [], "two": []}
    number = 0
    deadline = time.monotonic() + PATIENCE
    while not (got["one"] and got["two"]):  # until the group has come to rest, and both have work
        assert time.monotonic() < deadline
        topics.queue().publish([event(number)])
        number += 1
        for name, queue in (("one", one), ("two", two)):
            got[name] += queue.receive(10, 0.2)
    for hint in got["two"]:
        two.settle(hint)
    held = set(names(got["one"]))
    one.close()
    came: list[str] = []
    while not held <= set(came) | set(names(got["two"])):
        assert time.monotonic() < deadline + PATIENCE
        came += names(two.receive(10, 0.2))
    two.close()


@pytest.mark.parametrize("missing", ["topic", "dead_letter_topic"])
def test_a_topic_that_is_not_there_is_told_with_how_to_make_it(topics: Topics, missing: str) -> None:
    settings = QueueSettings.model_validate(
        {"bootstrap_servers": topics.broker.address, "topic": topics.name, "dead_letter_topic": topics.dead}
        | {missing: "absent", "timeout_seconds": 30}
    )
    with pytest.raises(UnavailableError, match="no topic `absent`") as told:
        KafkaRequestQueue(settings, make_resources(Path())).receive(1, 0.1)
    assert "--create --topic absent" in (told.value.hint or "")


def test_a_broker_killed_and_started_again_loses_nothing(tmp_path: Path) -> None:
    with kafka_broker(tmp_path) as broker:
        topics = Topics(broker)
        queue = topics.queue()
        queue.publish([event(number) for number in range(4)])
        hints = received(queue, 2)
        queue.settle(hints[0])
        broker.kill()
        for _ in range(5):
            queue.receive(0, 0.2)
        with pytest.raises(UnavailableError):
            topics.queue(timeout_seconds=2).receive(1, 0.1)
        broker.start()
        topics.queue().publish([event(4)])
        rest: list[Hint] = []
        deadline = time.monotonic() + PATIENCE
        while len({*names(rest)} | {*names(hints)}) < 5:
            assert time.monotonic() < deadline
            rest += queue.receive(10, 0.2)
        for hint in (*hints, *rest):
            queue.settle(hint)
        queue.close()
        assert topics.committed() == {0: 5}


def test_a_commit_that_the_broker_refuses_is_made_again_by_the_consumer_that_keeps_its_place(tmp_path: Path) -> None:
    with kafka_broker(tmp_path) as broker:
        topics = Topics(broker)
        queue = topics.queue(session_seconds=120)
        queue.publish([event(1), event(2)])
        first, second = received(queue, 2)
        queue.settle(first)
        wait_until_committed(topics, queue, 1)
        broker.alter_topic("__consumer_offsets", max_message_bytes="1")
        queue.settle(second)
        until = time.monotonic() + 5
        while time.monotonic() < until:  # the commit goes out and is refused, for good as far as the client knows
            assert queue.receive(1, 0.2) == []
        assert topics.committed() == {0: 1}
        broker.alter_topic("__consumer_offsets", max_message_bytes="1000000")
        wait_until_committed(topics, queue, 2)
        queue.close()


def wait_until_committed(topics: Topics, queue: KafkaRequestQueue, offset: int) -> None:
    """Look for messages until the commit has arrived; none comes."""
    until = time.monotonic() + PATIENCE
    while topics.committed() != {0: offset}:
        assert time.monotonic() < until, topics.committed()
        assert queue.receive(1, 0.2) == []


def test_a_partition_that_comes_back_is_read_though_it_was_held_when_it_left(kafka: KafkaBroker) -> None:
    topics = Topics(kafka, partitions=2)
    first, second = topics.queue(), topics.queue()
    until = time.monotonic() + PATIENCE
    while kafka.shares(f"group-{topics.name}") != [2]:
        assert time.monotonic() < until
        assert first.receive(0, 0.2) == []
    while kafka.shares(f"group-{topics.name}") != [1, 1]:
        assert time.monotonic() < until
        assert first.receive(0, 0.1) == second.receive(1, 0.1) == []
    assert first.receive(1, 0.2) == [], "it goes on with what it has"
    second.close()
    while kafka.shares(f"group-{topics.name}") != [2]:
        assert time.monotonic() < until
        assert first.receive(1, 0.2) == []
    first.publish([event(number) for number in range(16)])
    assert len(names(received(first, 16))) == 16
    first.close()
