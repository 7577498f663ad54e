"""How fast the relay drains a full outbox into Kafka."""
