"""What people have decided on entities: that two are the same, or that they are not."""

from sqlalchemy import Boolean, Column, Float, String, Table

from penstock.ledger.clock import now
from penstock.ledger.columns import Message, sized
from penstock.ledger.tables.metadata import metadata

entity_decisions = Table(
    "entity_decisions",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("first", String(512), primary_key=True),
    Column("second", String(512), primary_key=True),
    Column("same", Boolean, nullable=False),
    Column("reason", Message, nullable=False),
    Column("decided_by", String(128), nullable=False),
    Column("decided_at", Float, nullable=False, default=now()),
    sized("tenant", 64),
    sized("first", 512),
    sized("second", 512),
    sized("decided_by", 128),
)
