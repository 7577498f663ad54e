"""Versions of pipelines: what an edit brings in force, what an unsound one leaves, and rolling back."""

from typing import Any

import pytest
from tests import asyncapi
from tests.homes import Home, new_home

from penstock.adapters.kafka.cloudevents import to_message
from penstock.errors import UsageError
from penstock.events.cloudevents import render
from penstock.events.facts import decode
from penstock.execution.releases import in_force, release, roll_back, rolled_back, tell_policies
from penstock.ledger.releases import Version
from penstock.plan.load import Loaded, load_config
from penstock.plan.topology import Topology

__all__ = ["new_home"]

PIPELINE = """\
version: "{version}"
name: notes
stages:
  - {{name: ingest, type: IngestStage}}
  - {{name: {parse}, type: ParseStage, depends_on: [ingest]}}
"""


def promised(event: dict[str, Any]) -> str:
    """The kind of an event that is as docs/asyncapi.yaml promises it."""
    sent = to_message(event)
    return asyncapi.check(
        "orchestrationEvents", {name: value.decode() for name, value in sent.headers}, sent.value or b""
    )


class Notes:
    """A home whose pipeline `notes` is edited."""

    def __init__(self, home: Home) -> None:
        self.home, self.workspace = home, home.workspace
        for path in (home.config / "pipelines").iterdir():
            path.unlink()
        self.file = home.config / "pipelines" / "notes.yaml"

    def edit(self, version: str, parse: str = "parse") -> Topology:
        """Write the file, and bring what it declares in force."""
        self.file.write_text(PIPELINE.format(version=version, parse=parse))
        self.reload()
        return self.loaded().topologies["notes"]

    def spoil(self) -> None:
        self.file.write_text(self.file.read_text().replace("depends_on: [ingest]", "depends_on: [nothing]"))
        self.reload()

    def loaded(self) -> Loaded:
        return load_config(self.home.config, "tiny")

    def reload(self) -> dict[str, str]:
        return release(self.workspace, self.loaded())

    @property
    def now(self) -> Topology | None:
        return in_force(self.workspace, self.loaded()).get("notes")

    def roll_back(self, to: str = "") -> Version:
        return roll_back(self.workspace, "notes", to, self.loaded().topologies.get("notes"))

    def events(self) -> list[dict[str, Any]]:
        with self.workspace.ledger.read() as cx:
            rows = list(self.workspace.ledger.outbox.all(cx))
        return [event for sequence, at, facts in rows for event in render(decode(facts), sequence, at, "p")]

    def told(self) -> list[str]:
        return [event["type"] for event in self.events()]


@pytest.fixture
def notes(new_home: Any) -> Notes:
    return Notes(new_home())


def test_what_a_sound_file_declares_is_in_force_and_told_once(notes: Notes) -> None:
    first = notes.edit("1")
    assert notes.now == first
    assert notes.told() == [], "there was nothing before it"
    second = notes.edit("2", parse="read")
    assert notes.reload() == {}
    assert notes.now == second
    (event,) = notes.events()
    assert (event["type"], event["subject"]) == ("p.config.reloaded", "notes")
    assert event["data"]["pipeline_version"] == "2"
    assert (event["data"]["before"], event["data"]["digest"]) == (first.digest, second.digest)
    assert notes.edit("1") == first
    ids = [event["id"] for event in notes.events()]
    assert len(set(ids)) == 2
    tell_policies(notes.workspace, notes.loaded().policies)
    assert [promised(event) for event in notes.events()] == ["config.reloaded"] * 3


def test_an_unsound_file_leaves_what_is_in_force(notes: Notes) -> None:
    first = notes.edit("1")
    notes.spoil()
    notes.reload()
    assert notes.loaded().topologies == {}
    assert notes.now == first
    (event,) = notes.events()
    assert event["type"] == "p.config.rejected"
    assert promised(event) == "config.rejected"
    assert "no stage is named `nothing`" in event["data"]["problem"]
    with notes.workspace.ledger.read() as cx:
        assert "nothing" in (notes.workspace.ledger.releases.all(cx)["notes"].problem or "")
    notes.edit("1")
    with notes.workspace.ledger.read() as cx:
        assert notes.workspace.ledger.releases.all(cx)["notes"].problem is None


def test_a_file_that_was_never_sound_has_nothing_in_force(notes: Notes) -> None:
    notes.file.write_text("version: 1\n")
    assert notes.reload() == {}
    assert notes.now is None


def test_a_file_that_is_gone_takes_its_pipeline_with_it(notes: Notes) -> None:
    notes.edit("1")
    notes.file.unlink()
    assert notes.now is None


def test_rolled_back_is_the_version_before_until_the_file_says_something_new(notes: Notes) -> None:
    first, second = notes.edit("1"), notes.edit("2", parse="read")
    assert notes.roll_back().digest == first.digest
    assert notes.now == first
    assert notes.reload() == {}, "the file says what it said"
    assert rolled_back(notes.workspace, second) == first
    assert notes.events()[-1]["data"]["by"]
    third = notes.edit("3")
    assert notes.now == third
    assert rolled_back(notes.workspace, third) == third


def test_any_version_may_be_chosen_by_name_or_digest(notes: Notes) -> None:
    first, second, third = notes.edit("1"), notes.edit("2", parse="read"), notes.edit("3")
    assert notes.roll_back("1").digest == first.digest
    assert notes.roll_back(second.digest[:8]).digest == second.digest
    assert notes.roll_back("3").digest == third.digest
    assert notes.now == third
    with pytest.raises(UsageError, match="no version of `notes` is named `4`"):
        notes.roll_back("4")


def test_before_the_first_version_there_is_none(notes: Notes) -> None:
    with pytest.raises(UsageError, match="no version of pipeline `other` is known"):
        roll_back(notes.workspace, "other", "", None)
    notes.edit("1")
    with pytest.raises(UsageError, match="has no version before this one"):
        notes.roll_back()


def test_a_pipeline_whose_file_is_unsound_can_be_rolled_back(notes: Notes) -> None:
    first = notes.edit("1")
    notes.edit("2", parse="read")
    notes.spoil()
    notes.roll_back("1")
    assert notes.now == first


def test_versions_are_listed_newest_first_with_their_jobs(notes: Notes) -> None:
    from penstock.execution.submit import submit

    first = notes.edit("1")
    notes.home.write({"a.md": "# A\n\nTea.\n", "b.md": "# B\n\nBread.\n"})
    submit(notes.workspace, first, [str(notes.home.documents)], tenant="default")
    second = notes.edit("2", parse="read")
    with notes.workspace.ledger.read() as cx:
        found = notes.workspace.ledger.releases.versions(cx, "notes")
        assert notes.workspace.ledger.releases.versions(cx, "other") == []
    assert [(each.digest, each.in_flight, each.in_force) for each in found] == [
        (second.digest, 0, True),
        (first.digest, 2, False),
    ]
