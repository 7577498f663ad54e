"""The broker of the tests is a real one: what it acknowledged is there after a crash, and it lets in whom it should."""

from pathlib import Path

import pytest
from confluent_kafka import Producer
from tests.services.kafka import PASSWORD, USER, KafkaBroker, kafka_broker

pytestmark = pytest.mark.services


def test_what_was_acknowledged_survives_a_crash(tmp_path: Path) -> None:
    with kafka_broker(tmp_path) as broker:
        topic = broker.topic(2)
        for number in range(20):
            broker.put(topic, b"%d" % number, key=b"%d" % number)
        broker.kill()
        broker.start()
        assert sorted(int(each.value()) for each in broker.messages(topic)) == list(range(20))


@pytest.mark.parametrize(("password", "left"), [(PASSWORD, 0), ("wrong", 1)])
def test_the_safe_listener_wants_a_password(kafka: KafkaBroker, password: str, left: int) -> None:
    settings = {
        "bootstrap.servers": kafka.safe_address,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": USER,
        "sasl.password": password,
        "ssl.ca.location": str(kafka.certificate),
        "log_level": 0,
    }
    producer = Producer(settings)
    producer.produce(kafka.topic(), b"x")
    assert producer.flush(60 if not left else 5) == left
    producer.purge()
