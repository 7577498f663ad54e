"""The event sink on a real Kafka: the contract of its port, the binding as others read it, and a broker that fails."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from jsonschema import Draft7Validator
from tests.services.kafka import PASSWORD, USER, KafkaBroker, kafka_broker

from penstock.adapters.kafka.events import EventSettings, KafkaEventSink
from penstock.errors import MissingDependencyError, UnavailableError
from penstock.ports import CloudEvent
from penstock.testing import EventSinkContract
from penstock.testing.factories import make_resources

pytestmark = pytest.mark.services


def sink(address: str, topic: str, **settings: Any) -> KafkaEventSink:
    made = EventSettings(bootstrap_servers=address, topic=topic, **{"timeout_seconds": 60.0} | settings)
    return KafkaEventSink(made, make_resources(Path()))


def event(number: int, key: str = "north/file:1.md") -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"job:1:parse:stage.completed:{number}",
        "source": "/orchestration/parse",
        "type": "org.medicalkg.orchestration.stage.completed",
        "subject": key.partition("/")[2],
        "time": "2026-01-31T12:00:00.123Z",
        "datacontenttype": "application/json",
        "partitionkey": key,
        "sequence": f"{number:012d}-000000",
        "data": {"stage": "parse", "output_count": number, "note": "ü ← 𝕏"},
    }


def events(*told: dict[str, Any]) -> list[CloudEvent]:
    return [msgspec.convert(each, CloudEvent) for each in told]


class TestKafkaEventSink(EventSinkContract):
    @pytest.fixture
    def reopen(self, kafka: KafkaBroker) -> Callable[[], KafkaEventSink]:
        topic = kafka.topic()
        return lambda: sink(kafka.address, topic)


def test_others_read_them_as_cloudevents(kafka: KafkaBroker) -> None:
    topic = kafka.topic()
    sink(kafka.address, topic).send(events(event(7)))
    [message] = kafka.messages(topic)
    headers = dict(message.headers())
    assert headers["content-type"] == b"application/json"
    assert headers["ce_type"] == b"org.medicalkg.orchestration.stage.completed"
    assert message.key() == b"north/file:1.md"
    read = from_kafka_event(KafkaMessage(headers, message.key(), message.value()))
    assert read.get_id() == event(7)["id"]
    assert read.get_data() == event(7)["data"]
    assert read.get_attributes()["subject"] == "file:1.md"


def test_each_documents_events_are_in_order_and_reading_merges_the_partitions(kafka: KafkaBroker) -> None:
    topic = kafka.topic(partitions=3)
    told = [event(number, f"north/file:{number % 7}.md") for number in range(200)]
    made = sink(kafka.address, topic)
    for first in range(0, 200, 20):
        made.send(events(*told[first : first + 20]))
    messages = kafka.messages(topic)
    assert {message.partition() for message in messages} == {0, 1, 2}
    for key in {each["partitionkey"] for each in told}:
        mine = [message for message in messages if message.key() == key.encode()]
        assert len({message.partition() for message in mine}) == 1
        assert [json.loads(message.value()) for message in mine] == [
            each["data"] for each in told if each["partitionkey"] == key
        ]
    assert list(made.read()) == told


def test_what_is_no_event_is_left_out_of_reading(kafka: KafkaBroker) -> None:
    topic = kafka.topic()
    kafka.put(topic, b"\x00garbage")
    kafka.put(topic, b"{", headers={"ce_id": b"broken"})
    kafka.put(topic, b"{}", headers={"ce_id": b"\xff"})
    made = sink(kafka.address, topic)
    made.send(events(event(1)))
    assert list(made.read()) == [event(1)]


def test_a_topic_that_forgot_is_not_read_as_if_it_had_not(kafka: KafkaBroker) -> None:
    from confluent_kafka import TopicPartition

    topic = kafka.topic()
    made = sink(kafka.address, topic)
    made.send(events(event(1), event(2)))
    admin = kafka.admin()
    for done in admin.delete_records([TopicPartition(topic, 0, 1)]).values():
        done.result(60)
    with pytest.raises(NotImplementedError, match=topic):
        next(made.read())


def test_a_topic_that_is_not_there_is_told_with_how_to_make_it(kafka: KafkaBroker) -> None:
    with pytest.raises(UnavailableError, match="no topic `absent`") as told:
        sink(kafka.address, "absent").send(events(event(1)))
    assert "--create --topic absent" in (told.value.hint or "")


def safe(kafka: KafkaBroker) -> dict[str, Any]:
    return {
        "security": {
            "protocol": "SASL_SSL",
            "mechanism": "PLAIN",
            "username": {"env": "TEST_KAFKA_USER"},
            "password": {"env": "TEST_KAFKA_PASSWORD"},
            "ca_file": str(kafka.certificate),
        }
    }


def test_with_tls_and_a_password(kafka: KafkaBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KAFKA_USER", USER)
    monkeypatch.setenv("TEST_KAFKA_PASSWORD", PASSWORD)
    made = sink(kafka.safe_address, kafka.topic(), **safe(kafka))
    made.send(events(event(1)))
    assert list(made.read()) == [event(1)]


def test_a_wrong_password_is_told_and_not_repeated(
    kafka: KafkaBroker, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEST_KAFKA_USER", USER)
    monkeypatch.setenv("TEST_KAFKA_PASSWORD", "planted-secret-77aa")
    with pytest.raises(UnavailableError, match="refuses the name or the password") as told:
        sink(kafka.safe_address, kafka.topic(), timeout_seconds=20, **safe(kafka)).send(events(event(1)))
    assert "planted-secret-77aa" not in f"{told.value!r} {told.value.hint} {told.value.__cause__!r}"
    assert "planted-secret-77aa" not in "".join(capfd.readouterr())


def test_a_variable_that_is_not_set_is_named(kafka: KafkaBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_KAFKA_USER", raising=False)
    with pytest.raises(MissingDependencyError, match="TEST_KAFKA_USER"):
        sink(kafka.safe_address, "any", **safe(kafka))


def test_golden_events_are_cloudevents_by_the_official_schema(kafka: KafkaBroker) -> None:
    schema = Path(__file__).parents[3] / "shared" / "data" / "spec-cloudevents" / "cloudevents.json"
    if not schema.is_file():
        pytest.skip("../shared/data/spec-cloudevents is not here")
    topic = kafka.topic()
    made = sink(kafka.address, topic)
    made.send(events(event(1)))
    for each in made.read():
        Draft7Validator(json.loads(schema.read_text())).validate(each)


# ── a broker that fails ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A broker that no other test uses, since this one takes it down."""
    with kafka_broker(tmp_path) as broker:
        yield broker


def test_killed_in_the_middle_nothing_is_lost_or_out_of_order(own_kafka: KafkaBroker) -> None:
    topic = own_kafka.topic()
    made = sink(own_kafka.address, topic, timeout_seconds=120)
    told = [event(number) for number in range(3000)]
    restarted = threading.Thread(target=lambda: (own_kafka.kill(), own_kafka.start()))
    for first in range(0, 3000, 100):
        if first == 1000:
            restarted.start()
        made.send(events(*told[first : first + 100]))
    restarted.join()
    ids = [each["id"] for each in made.read()]
    assert ids == [each["id"] for each in told]


@pytest.mark.parametrize("how", ["killed", "hanging"])
def test_a_broker_that_does_not_answer_is_told_once_and_then_at_once(own_kafka: KafkaBroker, how: str) -> None:
    topic = own_kafka.topic()
    made = sink(own_kafka.address, topic)
    made.send(events(event(1)))
    quick = sink(own_kafka.address, topic, timeout_seconds=3)
    quick.send(events(event(2)))
    own_kafka.kill() if how == "killed" else own_kafka.pause()
    with pytest.raises(UnavailableError, match="acknowledged 0 of 1") as first:
        quick.send(events(event(3)))
    with pytest.raises(UnavailableError) as second:
        quick.send(events(event(3)))
    assert second.value is first.value, "nothing was tried"
    with pytest.raises(UnavailableError, match="does not answer"):
        sink(own_kafka.address, topic, timeout_seconds=3).send(events(event(3)))
    own_kafka.start() if how == "killed" else own_kafka.resume()
    made.send(events(event(3)))
    ids = [each["id"] for each in made.read()]
    assert list(dict.fromkeys(ids)) == [event(number)["id"] for number in (1, 2, 3)]
