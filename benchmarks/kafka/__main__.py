"""Fill an outbox, drain it into a Kafka topic and into a file, and print both speeds.

python -m tests.services.kafka -- python -m benchmarks.kafka    # with a broker of its own
python -m benchmarks.kafka --servers broker:9092                # the topic `penstock-benchmark` is made there
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from penstock import registry
from penstock.adapters.kafka.cloudevents import to_message
from penstock.events.facts import Fact, FactBatch, encode
from penstock.events.relay import Relay
from penstock.ledger.ledger import Ledger
from penstock.ports import CloudEvent, EventSink
from penstock.testing.factories import make_resources

TOPIC = "penstock-benchmark"
KINDS = ("stage.started", "stage.completed", "stage.retrying", "job.completed")


class Nowhere:
    """A sink that only renders messages: what the relay costs without anybody to send to."""

    def send(self, events: Sequence[CloudEvent]) -> None:
        for event in events:
            to_message(msgspec.to_builtins(event))

    def read(self) -> Iterator[dict[str, Any]]:
        raise NotImplementedError


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--servers", default=os.environ.get("PENSTOCK_BENCHMARK_KAFKA"), help="host:port")
    arguments.add_argument("--events", type=int, default=100_000)
    arguments.add_argument("--batch", type=int, default=256, help="facts in a row of the outbox")
    arguments.add_argument("--repeat", type=int, default=3)
    chosen = arguments.parse_args()
    if not chosen.servers:
        arguments.error("name a broker with --servers")
    make_topic(chosen.servers)
    with tempfile.TemporaryDirectory() as folder:
        resources = make_resources(Path(folder))
        settings = {"bootstrap_servers": chosen.servers, "topic": TOPIC, "timeout_seconds": 60}
        sinks: dict[str, EventSink] = {
            "nowhere (rendered only)": Nowhere(),
            "a file (`jsonl`)": registry.build("EventSink", "jsonl", {}, resources),
            "Kafka (`kafka`), 6 partitions": registry.build("EventSink", "kafka", settings, resources),
        }
        ledger = Ledger.open(Path(folder))
        print(
            f"{chosen.events:,} events, {chosen.batch} in a row; {os.cpu_count()} cores, load {load()} at the start\n"
        )
        print(f"| into | events/s, best of {chosen.repeat} | slowest | events a CPU second of the relay |")
        print("| --- | ---: | ---: | ---: |")
        speeds: dict[str, list[float]] = {name: [] for name in sinks}
        costs: dict[str, list[float]] = {name: [] for name in sinks}
        for _ in range(chosen.repeat):
            for name, sink in sinks.items():
                fill(ledger, chosen.events, chosen.batch)
                began, worked = time.perf_counter(), time.process_time()
                sent = Relay(ledger, sink).send()
                speeds[name].append(sent / (time.perf_counter() - began))
                costs[name].append(sent / (time.process_time() - worked))
        for name, found in speeds.items():
            print(f"| {name} | {max(found):,.0f} | {min(found):,.0f} | {max(costs[name]):,.0f} |")
        print(f"\nload {load()} at the end")
        ledger.close()


def fill(ledger: Ledger, events: int, batch: int) -> None:
    """Owe that many events, as stages of full batches leave them."""
    for first in range(0, events, batch):
        facts = tuple(
            Fact(f"job-{n}", "default", f"file:{n}.md", f"correlation-{n}", 1, 1, 12.5, 3)
            for n in range(first, min(first + batch, events))
        )
        kind = KINDS[first // batch % len(KINDS)]
        told = FactBatch(kind, "auto", "1.0", "" if kind.startswith("job") else "parse", "default", "run", facts)
        with ledger.begin() as cx:
            ledger.outbox.add(cx, encode(told), len(facts))


def make_topic(servers: str) -> None:
    """Make the topic where it is not there yet."""
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.cimpl import NewTopic

    admin = AdminClient({"bootstrap.servers": servers})
    if TOPIC not in admin.list_topics(timeout=30).topics:
        admin.create_topics([NewTopic(TOPIC, 6, 1)])[TOPIC].result(30)


def load() -> str:
    return " ".join(f"{each:.1f}" for each in os.getloadavg())


if __name__ == "__main__":
    main()
