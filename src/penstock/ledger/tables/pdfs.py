"""What the PDF worker is asked for: one row for each job and gate."""

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from penstock.ledger.clock import now
from penstock.ledger.columns import Message, sized, where
from penstock.ledger.tables.metadata import metadata

pdf_requests = Table(
    "pdf_requests",
    metadata,
    Column("request", String(40), primary_key=True),
    Column("job", String(40), ForeignKey("jobs.job", ondelete="CASCADE"), nullable=False),
    Column("gate", String(64), nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("document", String(512), nullable=False),
    Column("path", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("work_key", String(64), nullable=False),
    Column("state", String(20), nullable=False),
    Column("token", Integer, nullable=False, default=0),
    Column("deliveries", Integer, nullable=False, default=0),
    Column("lease_owner", String(40)),
    Column("pages", Integer),
    Column("trouble", Message),
    Column("available_at", Float, nullable=False, default=now()),
    Column("leased_at", Float),
    Column("ended_at", Float),
    Column("created_at", Float, nullable=False, default=now()),
    UniqueConstraint("job", "gate"),
    sized("request", 40),
    sized("gate", 64),
    sized("tenant", 64),
    sized("document", 512),
    sized("sha256", 64),
    sized("work_key", 64),
    sized("lease_owner", 40),
)
Index(
    "ix_pdf_requests_queued",
    pdf_requests.c.tenant,
    pdf_requests.c.available_at,
    pdf_requests.c.request,
    **where(pdf_requests.c.state == "queued"),
)
Index("ix_pdf_requests_leased", pdf_requests.c.lease_owner, **where(pdf_requests.c.state == "leased"))
