"""From facts in the outbox to events in a sink: what they say, that none is lost, that ids never change."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.formats.json import JSONFormat

from penstock.adapters.stores.jsonl import JsonLinesSink
from penstock.adapters.stores.settings import NoSettings
from penstock.errors import UnavailableError
from penstock.events.cloudevents import render
from penstock.events.facts import Fact, FactBatch, decode, encode
from penstock.events.relay import Relay
from penstock.ledger.ledger import Ledger
from penstock.ports import CloudEvent, RequestQueue
from penstock.testing.factories import make_resources

NOON = datetime.fromisoformat("2026-01-31T12:00:00.1239+00:00").timestamp()


def fact(number: int = 1, **changes: Any) -> Fact:
    made = Fact(f"job-{number}", "north", f"file:{number}.md", f"correlation-{number}", 2)
    return msgspec.structs.replace(made, **changes)


def batch(kind: str, *facts: Fact, stage: str = "parse", policy: str = "default") -> FactBatch:
    return FactBatch(kind, "auto", "1.0", stage, policy, "run-7", facts)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def sink(tmp_path: Path) -> JsonLinesSink:
    return JsonLinesSink(NoSettings(), make_resources(tmp_path / "home"))


def owe(ledger: Ledger, *batches: FactBatch) -> None:
    with ledger.begin() as cx:
        for each in batches:
            ledger.outbox.add(cx, encode(each), each.events_each * len(each.facts))


def test_facts_come_back_as_they_were() -> None:
    for each in (
        batch("stage.started", fact()),
        batch("job.failed", fact(detail={"status": "parse_failed"}), stage=""),
    ):
        assert decode(encode(each)) == each


def test_a_completed_stage_is_told_in_these_words() -> None:
    done = fact(attempt=3, duration_ms=12.3456, output_count=5)
    assert list(render(batch("stage.completed", done), 42, NOON)) == [
        {
            "specversion": "1.0",
            "id": "job-1:2:parse:stage.completed:3",
            "source": "/orchestration/parse",
            "type": "org.medicalkg.orchestration.stage.completed",
            "subject": "file:1.md",
            "time": "2026-01-31T12:00:00.123Z",
            "datacontenttype": "application/json",
            "partitionkey": "north/file:1.md",
            "sequence": "000000000042-000000",
            "data": {
                "tenant_id": "north",
                "job_id": "job-1",
                "correlation_id": "correlation-1",
                "pipeline": "auto",
                "pipeline_version": "1.0",
                "dagster_run_id": "run-7",
                "stage": "parse",
                "policy_name": "default",
                "attempt_number": 3,
                "duration_ms": 12.346,
                "output_count": 5,
                "gpu_used": False,
                "retry_count": 2,
            },
        }
    ]


def test_one_row_tells_of_start_and_end_what_two_rows_would_tell() -> None:
    done = (fact(1, duration_ms=2.5, output_count=3), fact(2, duration_ms=1.5, output_count=1))
    both = msgspec.structs.replace(batch("stage.completed", *done), age=0.25, began=2.25)
    told = list(render(decode(encode(both)), 7, NOON))
    starts = msgspec.structs.replace(batch("stage.started", fact(1), fact(2)), age=2.25)
    ends = msgspec.structs.replace(batch("stage.completed", *done), age=0.25)
    apart = [*render(starts, 7, NOON), *render(ends, 8, NOON)]
    assert both.events_each == 2
    assert [each["sequence"] for each in told] == [f"000000000007-00000{number}" for number in range(4)]
    assert [each | {"sequence": ""} for each in told] == [each | {"sequence": ""} for each in apart]
    assert [each["time"][-7:] for each in told] == ["57.873Z"] * 2 + ["59.873Z"] * 2


def test_retries_and_failures_say_why() -> None:
    error = {"error_type": "TransientError", "error_message": "busy"}
    (retrying,) = render(batch("stage.retrying", fact(backoff_ms=1500.0, **error)), 1, NOON)
    assert (retrying["data"]["backoff_ms"], retrying["data"]["error_message"]) == (1500.0, "busy")
    (failed,) = render(batch("stage.failed", fact(**error)), 1, NOON)
    assert (failed["data"]["error_type"], failed["data"]["duration_ms"]) == ("TransientError", 0.0)
    (ended,) = render(batch("job.failed", fact(detail={"status": "parse_failed"}, **error), stage=""), 1, NOON)
    assert (ended["source"], ended["data"]["status"]) == ("/orchestration/auto", "parse_failed")
    assert not {"stage", "policy_name", "attempt_number"} & set(ended["data"])


def test_a_deletion_needs_no_pipeline() -> None:
    gone = FactBatch("document.deleted", "", "", "", "", "", (fact(),))
    (event,) = render(gone, 1, NOON, "org.example")
    assert (event["type"], event["source"]) == ("org.example.document.deleted", "/orchestration/documents")
    assert "dagster_run_id" not in event["data"]


def test_events_are_cloudevents_to_others() -> None:
    told = batch("stage.completed", fact())
    for event in render(told, 1, NOON):
        body = msgspec.json.encode(event)
        headers = {"content-type": "application/cloudevents+json"}
        read = from_http_event(HTTPMessage(headers=headers, body=body), JSONFormat())
        assert (read.get_id(), read.get_type()) == (event["id"], event["type"])


def test_ids_tell_all_facts_of_a_run_apart() -> None:
    kinds = ("stage.started", "stage.retrying", "stage.completed", "stage.failed", "job.failed")
    told = [batch(kind, *(fact(n, attempt=a) for n in (1, 2) for a in (1, 2))) for kind in kinds]
    told += [batch("stage.started", fact(claim=3)), batch("stage.started", fact(), stage="chunk")]
    ids = [event["id"] for each in told for event in render(each, 1, NOON)]
    assert len(ids) == len(set(ids)) == 22


# ── the relay ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Striking:
    """A sink that breaks at a send, before or after the events are durable."""

    def __init__(self, sink: JsonLinesSink, at: int, *, before: bool) -> None:
        self.sink = sink
        self.at = at
        self.before = before
        self.sends = 0

    def send(self, events: Sequence[CloudEvent]) -> None:
        self.sends += 1
        strikes = self.sends == self.at
        if strikes and self.before:
            raise OSError("the sink is down")
        self.sink.send(events)
        if strikes:
            raise OSError("the connection broke after the last byte")

    def read(self) -> Iterator[dict[str, Any]]:
        return self.sink.read()


def test_what_is_owed_is_sent_once_and_in_order(ledger: Ledger, sink: JsonLinesSink) -> None:
    owe(ledger, *(batch("stage.started", fact(n), fact(n, claim=9)) for n in range(250)))
    assert (Relay(ledger, sink).send(), Relay(ledger, sink).send()) == (500, 0)
    sent = list(sink.read())
    assert [each["id"] for each in sent] == [
        f"job-{n}:{claim}:parse:stage.started:1" for n in range(250) for claim in (2, 9)
    ]
    assert [each["sequence"] for each in sent] == sorted(each["sequence"] for each in sent)
    with ledger.read() as cx:
        assert ledger.outbox.pending_count(cx) == 0


def test_a_row_that_tells_of_start_and_end_is_owed_and_sent_as_two_events_a_document(
    ledger: Ledger, sink: JsonLinesSink
) -> None:
    both = msgspec.structs.replace(batch("stage.completed", *map(fact, range(60))), began=1.0)
    owe(ledger, both, batch("job.completed", *map(fact, range(60)), stage=""))
    with ledger.read() as cx:
        assert ledger.outbox.pending_count(cx) == 180
        assert len(ledger.outbox.pending(cx, 100)) == 1, "so many events of the first are as many as are asked for"
    assert Relay(ledger, sink, at_once=100).send() == 180
    assert len({each["id"] for each in sink.read()}) == 180


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_relay_that_dies_loses_nothing_and_repeats_the_same_ids(
    ledger: Ledger, sink: JsonLinesSink, at: int, before: bool
) -> None:
    owe(ledger, *(batch("stage.started", fact(n)) for n in range(250)))
    with pytest.raises(OSError, match="the"):
        Relay(ledger, Striking(sink, at, before=before), at_once=100).send()
    Relay(ledger, sink, at_once=100).send()
    sent = list(sink.read())
    first = {each["id"]: each for each in reversed(sent)}
    assert all(first[each["id"]] == each for each in sent), "what comes twice is the same, byte for byte"
    assert list(dict.fromkeys(each["id"] for each in sent)) == [f"job-{n}:2:parse:stage.started:1" for n in range(250)]
    assert len(sent) == 250 + (0 if before else (100, 100, 50)[at - 1])


def test_facts_are_owed_only_where_their_transaction_is_kept(ledger: Ledger, sink: JsonLinesSink) -> None:
    def write_and_fail() -> None:
        with ledger.begin() as cx:
            told = batch("stage.started", fact())
            ledger.outbox.add(cx, encode(told), 1)
            raise RuntimeError("struck")

    with pytest.raises(RuntimeError, match="struck"):
        write_and_fail()
    assert Relay(ledger, sink).send() == 0


class Waiting:
    """A queue that keeps what it is given."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def publish(self, events: Sequence[Mapping[str, Any]]) -> None:
        self.ids += [each["id"] for each in events]


def test_what_asks_for_work_is_queued_once_while_the_sink_is_down(ledger: Ledger, sink: JsonLinesSink) -> None:
    owe(ledger, batch("stage.completed", fact(1)), batch("pdf.requested", fact(1)), batch("pdf.requested", fact(2)))
    queue = Waiting()
    relay = Relay(ledger, Striking(sink, 1, before=True), queue=cast(RequestQueue, queue))
    with pytest.raises(OSError, match="down"):
        relay.send()
    owe(ledger, batch("pdf.requested", fact(3)))
    assert relay.send() == 4
    assert queue.ids == [f"job-{n}:2:parse:pdf.requested:1" for n in (1, 2, 3)]
    assert len(list(sink.read())) == 4


def test_nothing_is_told_before_the_work_is_asked_for(ledger: Ledger, sink: JsonLinesSink) -> None:
    class Down(Waiting):
        def publish(self, events: Sequence[Mapping[str, Any]]) -> None:
            raise UnavailableError("the queue is down")

    owe(ledger, batch("pdf.requested", fact(1)))
    with pytest.raises(UnavailableError):
        Relay(ledger, sink, queue=cast(RequestQueue, Down())).send()
    assert list(sink.read()) == []
    with ledger.read() as cx:
        assert ledger.outbox.pending_count(cx) == 1
