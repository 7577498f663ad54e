"""The whole command line with events on Kafka: work goes on while the broker is down, and nothing is lost."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import asyncapi
from tests.command import Penstock
from tests.services.kafka import KafkaBroker, kafka_broker

pytestmark = pytest.mark.services

PROFILE = """\
name: kafka
extends: tiny
stores:
  events: {uses: kafka, with: {bootstrap_servers: {env: TEST_KAFKA}, topic: TOPIC, timeout_seconds: SECONDS}}
"""


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A broker that no other test uses, since this one takes it down."""
    folder = tmp_path / "kafka"
    folder.mkdir()
    with kafka_broker(folder) as broker:
        yield broker


def penstock_on(broker: KafkaBroker, folder: Path, topic: str, seconds: int = 60) -> Penstock:
    made = Penstock.at(folder, PENSTOCK_PROFILE="kafka", TEST_KAFKA=broker.address)
    text = PROFILE.replace("TOPIC", topic).replace("SECONDS", str(seconds))
    (made.config / "profiles" / "kafka.yaml").write_text(text)
    return made


def notes(folder: Path, count: int) -> Path:
    made = folder / "notes"
    made.mkdir(exist_ok=True)
    for number in range(count):
        (made / f"{number:02}.md").write_text(f"# Note {number}\n\nAbout word{number}.\n")
    return made


def ids(broker: KafkaBroker, topic: str) -> list[str]:
    """The ids of the events on a topic, each of which is as docs/asyncapi.yaml promises."""
    found = []
    for message in broker.messages(topic):
        headers = {name: value.decode() for name, value in message.headers()}
        asyncapi.check("orchestrationEvents", headers, message.value())
        assert message.key().decode() == headers["ce_partitionkey"]
        found.append(headers["ce_id"])
    return found


def outbox(penstock: Penstock) -> Any:
    return penstock("status", "--json").ok().json["outbox"]


def test_events_of_a_run_are_on_the_topic_and_the_audit_finds_them(kafka: KafkaBroker, tmp_path: Path) -> None:
    topic = kafka.topic(partitions=2)
    penstock = penstock_on(kafka, tmp_path, topic)
    assert penstock.run("auto", notes(tmp_path, 5))["documents"]["done"] == 5
    events = penstock("events").ok().lines
    sent = ids(kafka, topic)
    assert sorted(each["id"] for each in events) == sorted(sent)
    assert len(set(sent)) == len(sent) >= 5 * 8 * 2
    audit = penstock("audit", "--json").ok().json
    assert audit["stores"]["events"]["missing"] == 0
    assert audit["stores"]["events"]["found"] == len(sent)


def test_events_are_still_told_where_the_topic_has_forgotten_some(kafka: KafkaBroker, tmp_path: Path) -> None:
    from confluent_kafka import TopicPartition

    topic = kafka.topic()
    penstock = penstock_on(kafka, tmp_path, topic)
    penstock.run("auto", notes(tmp_path, 2))
    before = penstock("events").ok().lines
    admin = kafka.admin()
    for done in admin.delete_records([TopicPartition(topic, 0, 5)]).values():
        done.result(60)
    assert penstock("events").ok().lines == before
    assert penstock("audit", "--json").ok().json["consistent"] is True


def test_work_goes_on_while_the_broker_is_down_and_the_events_follow(own_kafka: KafkaBroker, tmp_path: Path) -> None:
    topic = own_kafka.topic()
    penstock = penstock_on(own_kafka, tmp_path, topic, seconds=2)
    own_kafka.kill()
    answer = penstock("run", "auto", "--input", notes(tmp_path, 5), "--json").ok()
    assert answer.json["documents"]["done"] == 5
    assert answer.err.count("events stay owed") == 1
    owed = outbox(penstock)
    assert owed >= 5 * 8 * 2
    drained = penstock("worker", "relay", "--drain").ok(3)
    assert own_kafka.address in drained.err
    assert penstock("events").ok(3).out == ""
    assert outbox(penstock) == owed
    own_kafka.start()
    penstock.environment["PENSTOCK_PROFILE"] = "patient"
    text = PROFILE.replace("name: kafka", "name: patient").replace("TOPIC", topic).replace("SECONDS", "60")
    (penstock.config / "profiles" / "patient.yaml").write_text(text)
    penstock("worker", "relay", "--drain").ok()
    assert outbox(penstock) == 0
    assert len(set(ids(own_kafka, topic))) == owed
    assert penstock("audit", "--json").ok().json["consistent"] is True


def test_a_broker_that_is_killed_under_the_relay_costs_nothing(own_kafka: KafkaBroker, tmp_path: Path) -> None:
    topic = own_kafka.topic()
    penstock = penstock_on(own_kafka, tmp_path, topic, seconds=2)
    own_kafka.kill()
    penstock.run("auto", notes(tmp_path, 5))
    owed = outbox(penstock)
    process = penstock.start("worker", "relay")
    assert process.stderr is not None
    assert "trying again" in process.stderr.readline()
    own_kafka.start()
    while outbox(penstock):
        assert process.poll() is None
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(set(ids(own_kafka, topic))) == owed


def test_a_variable_that_is_not_set_is_named_before_any_work(kafka: KafkaBroker, tmp_path: Path) -> None:
    penstock = penstock_on(kafka, tmp_path, "any")
    del penstock.environment["TEST_KAFKA"]
    answer = penstock("worker", "relay", "--drain").ok(3)
    assert "TEST_KAFKA" in answer.err
