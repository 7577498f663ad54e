"""Events as Kafka messages and back, beside the CloudEvents SDK; what settings are refused. No broker is needed."""

from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage as SDKMessage
from cloudevents.core.bindings.kafka import from_kafka_event, to_binary_event
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from penstock.adapters.kafka.cloudevents import from_message, to_message
from penstock.adapters.kafka.events import EventSettings
from penstock.events.cloudevents import render
from penstock.events.facts import Fact, FactBatch

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def events(document: str, message: str = "", claim: int = 1) -> list[dict[str, Any]]:
    fact = Fact(
        "job-1", "north", document, "correlation", claim, error_type="E" if message else "", error_message=message
    )
    return list(render(FactBatch("stage.failed", "auto", "1.0", "parse", "default", "run", (fact,)), 1, 1.5))


@given(TEXT, TEXT)
def test_every_event_comes_back_as_it_was(document: str, message: str) -> None:
    [event] = events(document, message)
    sent = to_message(event)
    assert from_message(sent.value, sent.headers) == event


@given(TEXT)
def test_the_sdk_writes_and_reads_the_same(document: str) -> None:
    [event] = events(document, "why")
    sent = to_message(event)
    read = from_kafka_event(SDKMessage(dict(sent.headers), sent.key, sent.value or b""))
    assert (read.get_id(), read.get_subject(), read.get_data()) == (event["id"], document, event["data"])
    written = to_binary_event(CloudEvent(read.get_attributes(), read.get_data()))
    times = {"ce_time"}  # the SDK writes no milliseconds where there are none
    assert {k: v for k, v in written.headers.items() if k not in times} == {
        k: v for k, v in sent.headers if k not in times
    }
    assert str(written.key).encode() == sent.key


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (b"garbage", None),
        (b"{", [("ce_id", b"1")]),
        (b"{}", [("ce_id", b"\xff")]),
        (b"{}", [("content-type", b"application/json")]),
        (None, [("ce_id", None)]),
    ],
)
def test_what_is_no_event_is_none(value: bytes | None, headers: list[tuple[str, bytes | None]] | None) -> None:
    assert from_message(value, headers) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"security": {"protocol": "SASL_SSL"}},
        {"security": {"protocol": "SASL_SSL", "username": {"env": "U"}, "password": "written-here-7d"}},
        {"topic": "no spaces"},
        {"timeout_seconds": 0},
        {"retries": 5},
    ],
)
def test_settings_that_are_not_sound_are_refused_without_a_secret(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as told:
        EventSettings.model_validate({"bootstrap_servers": "broker:9092"} | changes)
    assert "written-here-7d" not in str(told.value)
