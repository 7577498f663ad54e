"""How to reach a Kafka cluster, and what it means when it cannot be reached.

Settings carry the names of librdkafka's (https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md).
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from penstock.adapters.secret_name import SecretName
from penstock.errors import UnavailableError

TOPIC = r"^[a-zA-Z0-9._-]{1,249}$"
"""What a topic may be called."""

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class SecuritySettings(BaseModel):
    """How clients prove who they are: TLS (`SSL`), a password (`SASL_…`), or both."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Mechanism = "SCRAM-SHA-512"
    username: SecretName | None = None
    password: SecretName | None = None
    ca_file: str | None = Field(default=None, description="Certificates to trust; those of the system by default.")
    certificate_file: str | None = Field(default=None, description="The client's own certificate, as PEM.")
    key_file: str | None = None
    key_password: SecretName | None = None

    @model_validator(mode="after")
    def _complete(self) -> "SecuritySettings":
        if self.protocol.startswith("SASL") and not (self.username and self.password):
            raise ValueError(f"`{self.protocol}` needs `username` and `password`, each as {{env: NAME}}")
        return self


class ClusterSettings(BaseModel):
    """Where a cluster is. `timeout_seconds` bounds every call: after it, the cluster counts as not there."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    bootstrap_servers: str | SecretName = Field(description="`host:port`, more of them by comma, or `{env: NAME}`.")
    security: SecuritySettings = SecuritySettings()
    timeout_seconds: float = Field(default=10.0, ge=1, le=120)


class Connection:
    """What the clients of one cluster share: their configuration, and whether the cluster has refused them.

    Raises `MissingDependencyError` where an environment variable that the settings name is not set.
    """

    def __init__(self, settings: ClusterSettings, uses: str) -> None:
        self.settings = settings
        self.seconds = settings.timeout_seconds
        self._uses = uses
        self._refused = ""
        named = settings.bootstrap_servers
        self.servers = named if isinstance(named, str) else named.value(uses, "bootstrap_servers")
        self.configuration()

    def configuration(self, **more: Any) -> dict[str, Any]:
        """The settings of a client."""
        safe = self.settings.security
        secrets = {
            "sasl.username": safe.username,
            "sasl.password": safe.password,
            "ssl.key.password": safe.key_password,
        }
        found: dict[str, Any] = {
            "bootstrap.servers": self.servers,
            "client.id": "penstock",
            "security.protocol": safe.protocol,
            "error_cb": self._heard,
            "log_level": 0,  # what matters comes as an error; the rest would go to the terminal
        }
        if safe.protocol.startswith("SASL"):
            found["sasl.mechanism"] = safe.mechanism
        files = {
            "ssl.ca.location": safe.ca_file,
            "ssl.certificate.location": safe.certificate_file,
            "ssl.key.location": safe.key_file,
        }
        found |= {key: value for key, value in files.items() if value}
        found |= {key: name.value(self._uses, key) for key, name in secrets.items() if name}
        return found | more

    def unavailable(self, what: str = "does not answer") -> UnavailableError:
        """The error for a cluster that cannot be used. Nothing is told of who asked, or with which password."""
        hint = "check that it runs, and its address"
        if self._refused == "_AUTHENTICATION":
            what, hint = "refuses the name or the password", "check the variables that `security` names"
        elif self._refused == "_SSL":
            what, hint = "does not agree on TLS", "check `security`: protocol, `ca_file`, certificates"
        return UnavailableError(f"Kafka at {self.servers} {what}", hint=hint)

    def partitions(self, client: Any, topic: str, seconds: float | None = None) -> list[int]:
        """The partitions of a topic; the cluster is asked, so this also tells whether it is there at all.

        Raises `UnavailableError` where it does not answer, or has no such topic.
        """
        from confluent_kafka import KafkaException

        try:
            found = client.list_topics(topic, timeout=seconds or self.seconds).topics[topic]
        except KafkaException as exc:
            client.poll(0)  # what the cluster refused is told here
            raise self.unavailable() from exc
        if found.error is not None:
            raise UnavailableError(
                f"Kafka at {self.servers} has no topic `{topic}` that may be used ({found.error.name()})",
                hint=f"kafka-topics.sh --bootstrap-server {self.servers} --create --topic {topic} --partitions 6",
            )
        return sorted(found.partitions)

    def _heard(self, error: Any) -> None:
        if error.name() in ("_AUTHENTICATION", "_SSL"):
            self._refused = error.name()
