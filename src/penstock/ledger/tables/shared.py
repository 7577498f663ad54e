"""What resilience shares between processes."""

from sqlalchemy import Column, Float, Integer, String, Table

from penstock.ledger.columns import sized
from penstock.ledger.tables.metadata import metadata

breakers = Table(
    "breakers",
    metadata,
    Column("breaker", String(255), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("reset_seconds", Float, nullable=False),
    Column("opened_at", Float),
    Column("trial_at", Float),
    Column("hold_seconds", Float, nullable=False, default=0.0),
    sized("breaker", 255),
)

rate_budgets = Table(
    "rate_budgets",
    metadata,
    Column("budget", String(255), primary_key=True),
    Column("next_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    sized("budget", 255),
)
