"""A Kafka broker of the tests' own: the real one, a single KRaft node in a private folder on private ports.

Topics are not made by themselves: `topic()` makes one. The data survives `kill()` and a new `start()`.
"""

import datetime
import ipaddress
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.services.maven import JavaServer, free_ports, jars, java

_JARS = ("org.apache.kafka:kafka_2.13:4.3.1", "org.slf4j:slf4j-simple:1.7.36")
_MACHINE = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k")
_CLUSTER = "cGVuc3RvY2stdGVzdHMtMQ"

USER, PASSWORD = "penstock", "broker-secret-4c1f"
"""Who may use the listener with TLS and a password."""

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{plain},SASL_SSL://127.0.0.1:{safe},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SASL_SSL://127.0.0.1:{safe}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_{user}="{password}";
listener.name.sasl_ssl.ssl.keystore.type=PEM
listener.name.sasl_ssl.ssl.keystore.location={folder}/server.pem
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=2097152
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
"""


class KafkaBroker(JavaServer):
    """A broker; `address` is what clients are given, `safe_address` the listener that wants TLS and a password."""

    def __init__(self, folder: Path) -> None:
        classpath = jars("kafka", *_JARS)
        plain, safe, controller = free_ports(3)
        self.address, self.safe_address = f"127.0.0.1:{plain}", f"127.0.0.1:{safe}"
        self.certificate = folder / "server.pem"
        self._numbers = count(1)
        self.certificate.write_bytes(_certificate())
        properties = folder / "server.properties"
        properties.write_text(
            _PROPERTIES.format(
                plain=plain, safe=safe, controller=controller, folder=folder, user=USER, password=PASSWORD
            )
        )
        tool = [java(), "-cp", f"{classpath}/*", *_MACHINE, "kafka.tools.StorageTool", "format"]
        with (folder / "log").open("ab") as log:
            subprocess.run([*tool, "-t", _CLUSTER, "-c", str(properties)], check=True, stdout=log, stderr=log)
        super().__init__(folder, classpath, *_MACHINE, "kafka.Kafka", str(properties))

    def start(self) -> None:  # type: ignore[override]  # it knows what to wait for
        """Start the broker, and wait until it leads what it holds."""
        super().start(self._answers)

    def topic(self, partitions: int = 1, **settings: str) -> str:
        """The name of a new topic; settings as in `retention_ms="1000"`."""
        name = f"test-{next(self._numbers)}"
        self.make_topic(name, partitions, **settings)
        return name

    def make_topic(self, name: str, partitions: int = 1, **settings: str) -> None:
        from confluent_kafka.admin import NewTopic

        config = {key.replace("_", "."): value for key, value in settings.items()}
        admin = self.admin()  # kept, as its answers come only while it lives
        [made] = admin.create_topics([NewTopic(name, partitions, 1, config=config)]).values()
        made.result(30)

    def alter_topic(self, name: str, **settings: str) -> None:
        """Change settings of a topic, as in `retention_ms="1000"`."""
        from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

        entries = [
            ConfigEntry(key.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
            for key, value in settings.items()
        ]
        admin = self.admin()
        resource = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=entries)
        [done] = admin.incremental_alter_configs([resource]).values()
        done.result(30)

    def delete_topic(self, name: str) -> None:
        admin = self.admin()
        [done] = admin.delete_topics([name]).values()
        done.result(30)

    def admin(self) -> Any:
        from confluent_kafka.admin import AdminClient

        return AdminClient({"bootstrap.servers": self.address, "log_level": 0})

    def put(self, topic: str, value: bytes, key: bytes | None = None, headers: dict[str, bytes] | None = None) -> None:
        """Put one message into a topic, as anybody may who reaches the broker."""
        from confluent_kafka import Producer

        problems: list[Any] = []
        producer = Producer({"bootstrap.servers": self.address, "log_level": 0})
        producer.produce(topic, value, key, headers=headers, on_delivery=lambda error, _: problems.append(error))
        producer.flush(30)
        assert problems == [None]

    def messages(self, topic: str) -> list[Any]:
        """Every message that a topic holds, partition by partition."""
        from confluent_kafka import Consumer, TopicPartition

        settings = {"bootstrap.servers": self.address, "group.id": "reader", "enable.auto.commit": False}
        reader = Consumer(settings | {"enable.partition.eof": True, "auto.offset.reset": "earliest", "log_level": 0})
        try:
            open_ = set(reader.list_topics(topic, 30).topics[topic].partitions)
            reader.assign([TopicPartition(topic, number, 0) for number in open_])
            found = []
            while open_:
                message = reader.poll(30)
                assert message is not None, "the broker does not answer"
                if message.error():
                    open_.discard(message.partition())
                else:
                    found.append(message)
            return sorted(found, key=lambda each: (each.partition(), each.offset()))
        finally:
            reader.close()

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """What a consumer group has committed, by partition; partitions without a commit are left out."""
        from confluent_kafka import ConsumerGroupTopicPartitions

        wanted = [ConsumerGroupTopicPartitions(group)]
        found = self._coordinated(lambda admin: admin.list_consumer_group_offsets(wanted))
        return {each.partition: each.offset for each in found.topic_partitions if each.topic == topic}

    def shares(self, group: str) -> list[int]:
        """How many partitions each member of a consumer group has, fewest first."""
        found = self._coordinated(lambda admin: admin.describe_consumer_groups([group]))
        return sorted(len(each.assignment.topic_partitions) for each in found.members)

    def _coordinated(self, ask: Callable[[Any], dict[str, Any]]) -> Any:
        """What the coordinator of a group answers, once it is there: a broker that has just started loads it first."""
        from confluent_kafka import KafkaError, KafkaException

        loading = (KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE)
        admin, deadline = self.admin(), time.monotonic() + 30
        while True:
            [asked] = ask(admin).values()
            try:
                return asked.result(30)
            except KafkaException as exc:
                if exc.args[0].code() not in loading or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _answers(self) -> bool:
        from confluent_kafka import KafkaException

        try:
            return all(
                partition.leader >= 0
                for topic in self.admin().list_topics(timeout=2).topics.values()
                for partition in topic.partitions.values()
            )
        except KafkaException:
            return False


@contextmanager
def kafka_broker(folder: Path) -> Iterator[KafkaBroker]:
    """A broker for as long as the context lasts; its log stays in the folder, its data does not."""
    pytest.importorskip("confluent_kafka", reason="confluent-kafka is not installed (pip install 'penstock[kafka]')")
    broker = KafkaBroker(folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
        shutil.rmtree(folder / "data", ignore_errors=True)


def _certificate() -> bytes:
    """A key and a certificate of its own for 127.0.0.1, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret + certificate.public_bytes(serialization.Encoding.PEM)


def main() -> int:
    """Run a command with a broker of its own, whose address it finds in `PENSTOCK_BENCHMARK_KAFKA`."""
    with tempfile.TemporaryDirectory(prefix="penstock-kafka-") as folder, kafka_broker(Path(folder)) as broker:
        environment = os.environ | {"PENSTOCK_BENCHMARK_KAFKA": broker.address}
        return subprocess.run(sys.argv[1:][sys.argv[1:2] == ["--"] :], env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
