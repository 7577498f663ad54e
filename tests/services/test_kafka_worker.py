"""`penstock worker pdf` told of its work by a real Kafka: shared, redelivered, forged, lost; each PDF is read once."""

import json
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests import asyncapi
from tests.command import Penstock, kill
from tests.services.kafka import KafkaBroker, kafka_broker
from tests.unit.adapters.pdf.typeset import Sheet, pdf

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

PATIENCE = 240.0
PROFILE = """\
name: queued
extends: tiny
queues:
  pdf:
    uses: kafka
    with: {{bootstrap_servers: {servers}, topic: {topic}, dead_letter_topic: {topic}.dead-letter, group: {topic},
            session_seconds: 6, timeout_seconds: {seconds}}}
"""
WORDS = (
    "aspirin",
    "trial",
    "adults",
    "hypertension",
    "placebo",
    "years",
    "dose",
    "heart",
    "risk",
    "water",
    "tea",
    "ferry",
)


def prose(number: int, page: int) -> str:
    """A paragraph that no other page has: what stands on all pages alike is taken for a running head."""
    chance = random.Random(f"{number}.{page}")
    return f"Paper {number} on page {page} tells of " + " ".join(chance.choices(WORDS, k=60)) + "."


class Site:
    """A Penstock whose PDF workers are told of work by a topic of its own, and what stands on that topic."""

    def __init__(self, broker: KafkaBroker, folder: Path, partitions: int = 4, seconds: int = 60) -> None:
        self.broker, self.topic = broker, broker.topic(partitions)
        broker.make_topic(f"{self.topic}.dead-letter")
        self.penstock = Penstock.at(folder, PENSTOCK_PROFILE="queued")
        profile = self.penstock.config / "profiles" / "queued.yaml"
        profile.write_text(PROFILE.format(servers=broker.address, topic=self.topic, seconds=seconds))
        self.papers = folder / "papers"
        self.papers.mkdir()
        self.workers: list[subprocess.Popen[str]] = []

    def ask(self, count: int, pages: int = 1) -> None:
        """Have that many PDFs stored, and asked for."""
        for number in range(count):
            sheets = [Sheet().prose(72, 200 + 40 * page, prose(number, page), 60) for page in range(pages)]
            (self.papers / f"{number:02}.pdf").write_bytes(pdf(*sheets, title=f"Paper {number}"))
        report = self.penstock.run("pdf-two-phase", self.papers)
        assert report["documents"]["waiting"] == count

    def worker(self, *options: str) -> subprocess.Popen[str]:
        self.workers.append(self.penstock.start("worker", "pdf", "--concurrency", "1", "--json", *options))
        return self.workers[-1]

    def finish(self, count: int) -> None:
        """The second half of every document, and that each PDF was read once."""
        report = self.penstock.run("pdf-two-phase", self.papers)
        assert report["documents"]["done"] == count
        read = self.told("stage.completed", "pdf_gate")
        assert Counter(read) == Counter({f"file:{number:02}.pdf": 1 for number in range(count)})
        assert self.penstock("audit", "--json").ok().json["consistent"] is True

    def told(self, kind: str, stage: str) -> list[str]:
        events = self.penstock("events").ok().lines
        return [
            each["subject"] for each in events if each["type"].endswith(kind) and each["data"].get("stage") == stage
        ]

    def open(self) -> int:
        """How many documents still wait for their PDF."""
        events = self.penstock("events").ok().lines
        read = {each["subject"] for each in events if each["type"].endswith("stage.completed")
                and each["data"]["stage"] == "pdf_gate"}  # fmt: skip # a table: one entry a line would hide its shape
        asked = {each["subject"] for each in events if each["type"].endswith("pdf.requested")}
        return len(asked - read)

    def lag(self) -> int:
        """How many messages the group has not committed past."""
        ends = Counter(message.partition() for message in self.broker.messages(self.topic))
        return sum(ends.values()) - sum(self.broker.committed(self.topic, self.topic).values())

    def members(self) -> int:
        """How many workers of the group have partitions."""
        return sum(count > 0 for count in self.broker.shares(self.topic))

    def ended(self, worker: subprocess.Popen[str]) -> Any:
        """The report of a worker that is asked to end."""
        worker.send_signal(signal.SIGTERM)
        out, err = worker.communicate(timeout=PATIENCE)
        assert worker.returncode == 0, err[-2000:]
        return json.loads(out) | {"said": err}


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


def first_read(worker: subprocess.Popen[str]) -> None:
    """Wait until a worker has read a PDF: it has the next one then."""
    assert worker.stderr is not None
    said = []
    for line in worker.stderr:
        said.append(line)
        if line.split()[:1] == ["read"]:
            return
        assert len(said) < 20, said
    raise AssertionError(said)


def closed(site: Site) -> None:
    for each in site.workers:
        if each.poll() is None:
            with suppress(ProcessLookupError):
                kill(each)


@pytest.fixture
def site(kafka: KafkaBroker, tmp_path: Path) -> Iterator[Site]:
    made = Site(kafka, tmp_path)
    yield made
    closed(made)


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """On a broker that no other test uses, since this one takes it down."""
    (tmp_path / "kafka").mkdir()
    with kafka_broker(tmp_path / "kafka") as broker:
        made = Site(broker, tmp_path, seconds=3)
        yield made
        closed(made)


def test_two_workers_share_the_work_and_commit_it(site: Site) -> None:
    both = [site.worker(), site.worker()]
    until(lambda: site.members() == 2, "two workers are in the group")
    site.ask(12)
    for message in site.broker.messages(site.topic):
        headers = {name: value.decode() for name, value in message.headers()}
        assert asyncapi.check("pdfQueue", headers, message.value()) == "pdf.requested"
    until(lambda: site.open() == 0, "all are read")
    until(lambda: site.lag() == 0, "all are committed")
    reports = [site.ended(each) for each in both]
    assert sum(each["read"] for each in reports) == 12
    assert all(each["read"] for each in reports), "each had a part of it"
    site.finish(12)


def test_what_a_killed_worker_had_comes_to_another_and_is_read_once(site: Site) -> None:
    site.ask(6, pages=4)
    first = site.worker()
    first_read(first)
    kill(first)
    assert site.open() > 0
    second = site.worker()
    until(lambda: site.open() == 0, "all are read")
    until(lambda: site.lag() == 0, "all are committed")
    site.ended(second)
    site.finish(6)


def test_a_worker_that_is_asked_to_end_commits_what_is_done_and_leaves_the_rest(site: Site) -> None:
    site.ask(6, pages=4)
    first = site.worker()
    first_read(first)
    report = site.ended(first)
    assert report["read"] >= 1
    assert site.lag() == site.open() == report["left"]
    second = site.worker()
    until(lambda: site.lag() == 0, "the rest is read and committed")
    site.ended(second)
    site.finish(6)


def test_forged_doubled_and_broken_messages_do_no_harm(site: Site) -> None:
    site.ask(3)
    asked = site.broker.messages(site.topic)
    real = dict(asked[0].headers())
    data = json.loads(asked[0].value())

    def put(value: Any) -> None:
        site.broker.put(site.topic, json.dumps(value).encode(), asked[0].key(), real)

    for _ in range(3):
        put(data)
    put(data | {"request_id": "no-such-request"})
    put(data | {"tenant_id": "somebody-else"})
    put(["no", "request"])
    site.broker.put(site.topic, b"\xff garbage")
    worker = site.worker()
    until(lambda: site.open() == 0, "all are read")
    until(lambda: site.lag() == 0, "everything is committed past")
    report = site.ended(worker)
    assert report["read"] == 3
    assert "1 foreign, 3 old, 1 unknown" in report["said"]
    reasons = sorted(
        dict(each.headers())["penstock_reason"].decode() for each in site.broker.messages(f"{site.topic}.dead-letter")
    )
    assert reasons == [
        "it is no CloudEvent with JSON data",
        "it is no CloudEvent with JSON data",
        "the ledger has no such request of tenant `default`",
        "the ledger has no such request of tenant `somebody-else`",
    ]
    for number, message in enumerate(asked):  # and replayed from the beginning, later
        site.broker.put(site.topic, message.value(), message.key(), dict(message.headers()))
        assert number < 3
    again = site.worker()
    until(lambda: site.lag() == 0, "the replayed are committed past")
    assert site.ended(again)["read"] == 0
    site.finish(3)


def test_requests_whose_messages_are_lost_are_found_in_the_ledger(site: Site) -> None:
    site.ask(3)
    site.broker.delete_topic(site.topic)
    until(lambda: site.topic not in site.broker.admin().list_topics(timeout=30).topics, "the topic is gone")
    worker = site.worker()
    assert worker.stderr is not None
    said = worker.stderr.readline()
    assert f"no topic `{site.topic}`" in said
    assert f"--create --topic {site.topic}" in said
    until(lambda: site.open() == 0, "all are read")
    site.broker.make_topic(site.topic)
    until(lambda: site.members() == 1, "the worker has found the new topic")
    site.ended(worker)
    site.finish(3)


def test_draining_needs_no_message_and_ends(site: Site) -> None:
    site.ask(3)
    worker = site.worker("--drain")
    out, err = worker.communicate(timeout=PATIENCE)
    assert worker.returncode == 0, err
    assert json.loads(out)["read"] == 3
    site.finish(3)


def test_a_broker_that_is_down_holds_up_nothing(own_site: Site) -> None:
    own_site.broker.kill()
    own_site.ask(3)
    worker = own_site.worker()
    until(lambda: own_site.penstock("status", "--json").json["outbox"] > 0, "events are owed")
    until(lambda: not own_site_waiting(own_site), "all are read, though nobody was told")
    own_site.broker.start()
    until(lambda: own_site.penstock("worker", "relay", "--drain").code == 0, "what is owed is sent")
    until(lambda: own_site.lag() == 0, "the messages are found to be old")
    assert "3 old" in own_site.ended(worker)["said"]
    own_site.finish(3)


def own_site_waiting(site: Site) -> int:
    """How many jobs wait whose PDF is not read, asked of the ledger, since events may be owed."""
    shown = [site.penstock("show", f"file:{number:02}.pdf", "--json").json for number in range(3)]
    return sum(
        stage["status"] != "completed"
        for each in shown
        for stage in each["jobs"][0]["stages"]
        if stage["name"] == "pdf_gate"
    ) + sum("pdf_gate" not in [stage["name"] for stage in each["jobs"][0]["stages"]] for each in shown)


def test_a_broker_that_is_killed_while_workers_read_loses_nothing(own_site: Site) -> None:
    own_site.ask(8, pages=3)
    both = [own_site.worker(), own_site.worker()]
    until(lambda: own_site.open() < 8, "one of them has read a PDF, whichever it is")
    own_site.broker.kill()
    own_site.broker.start()
    until(lambda: own_site.open() == 0, "all are read")
    until(lambda: own_site.lag() == 0, "all are committed")
    assert sum(own_site.ended(each)["read"] for each in both) == 8
    own_site.finish(8)
