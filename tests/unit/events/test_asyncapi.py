"""docs/asyncapi.yaml and what is really sent: neither says more than the other. Its parser: `make test-services`."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jsonschema import ValidationError
from tests import asyncapi
from tests.homes import Home, new_home

from penstock.adapters.kafka.cloudevents import to_message
from penstock.adapters.kafka.events import EventSettings
from penstock.adapters.kafka.queue import QueueSettings

__all__ = ["new_home"]

SOURCE = Path(__file__).parents[3] / "src" / "penstock"
KIND = re.compile(r"(stage|job|gate|document|entity|pdf|config)\.[a-z_]+")
MESSAGES = sorted({each for name in asyncapi.document()["channels"] for each in asyncapi.messages(name).values()})


def kinds_in_the_code() -> Iterator[str]:
    """The texts in the code that look like the kind of a fact."""
    for package in ("compiler", "events", "execution", "workers"):
        for path in (SOURCE / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and KIND.fullmatch(node.value):
                    yield node.value


def test_every_reference_leads_somewhere() -> None:
    for reference in asyncapi.references(asyncapi.document()):
        asyncapi.at(reference)


def test_it_tells_of_every_kind_of_event_and_of_no_other() -> None:
    told = {asyncapi.kind_of(each) for each in asyncapi.messages("orchestrationEvents").values()}
    assert told == set(kinds_in_the_code())


def test_topics_and_group_are_the_defaults_of_the_adapters() -> None:
    events, queue = EventSettings(bootstrap_servers="x"), QueueSettings(bootstrap_servers="x")
    channels = asyncapi.document()["channels"]
    assert {name: each["address"] for name, each in channels.items()} == {
        "orchestrationEvents": events.topic,
        "pdfQueue": queue.topic,
        "pdfQueueDeadLetters": queue.dead_letter_topic,
    }
    assert asyncapi.document()["operations"]["readPDFs"]["bindings"]["kafka"]["groupId"]["const"] == queue.group


@pytest.mark.parametrize("reference", MESSAGES, ids=lambda each: each.rpartition("/")[2])
def test_examples_are_what_the_schemas_ask(reference: str) -> None:
    message = asyncapi.at(reference)
    assert message["examples"]
    for example in message["examples"]:
        for part in ("headers", "payload"):
            asyncapi.validator(f"{reference}/{part}").validate(example[part])


@pytest.mark.parametrize("reference", [each for each in MESSAGES if not each.endswith("setAside")])
def test_schemas_refuse_what_lacks_something_or_has_more(reference: str) -> None:
    payload = asyncapi.at(reference)["examples"][0]["payload"]
    schema = asyncapi.validator(f"{reference}/payload")
    for wrong in ({**payload, "more": 1}, {key: value for key, value in payload.items() if key != "tenant_id"}):
        with pytest.raises(ValidationError):
            schema.validate(wrong)


def test_events_of_runs_are_what_it_promises(new_home: Callable[..., Home]) -> None:
    home = new_home()
    home.write({"a.md": "# Aspirin\n\nIt lowers the risk of a second heart attack.\n", "b.md": "# B\n\nBread.\n"})
    (home.documents / "broken.xml").write_text("<article><title>never closed")
    home.ingest()
    home.delete("file:b.md")
    home.workspace.send_events()
    kinds = set()
    for event in home.workspace.resources.events.read():
        sent = to_message(event)
        headers = {name: value.decode() for name, value in sent.headers}
        kinds.add(asyncapi.check("orchestrationEvents", headers, sent.value or b""))
    assert kinds >= {"stage.started", "stage.completed", "stage.failed", "job.completed", "job.failed"}
    assert "document.deleted" in kinds
