"""What comes out: stage outputs in packs, builds in stores, and facts that are owed to the outside."""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, String, Table, false, text

from penstock.ledger.clock import now
from penstock.ledger.columns import SERIAL, sized
from penstock.ledger.tables.metadata import metadata

artifacts = Table(
    "artifacts",
    metadata,
    Column("work_key", String(64), primary_key=True),
    Column("pack", String(64), nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("checksum", String(32), nullable=False),
    Column("build", String(64)),
    Column("created_at", Float, nullable=False, default=now()),
    sized("work_key", 64),
    sized("pack", 64),
    sized("build", 64),
)
Index("ix_artifacts_pack", artifacts.c.pack)

builds = Table(
    "builds",
    metadata,
    Column("build", String(64), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("document", String(512), nullable=False),
    Column("store", String(20), nullable=False),
    Column("job", String(40), nullable=False),
    Column("work_key", String(64), nullable=False),
    Column("doomed", Boolean, nullable=False, default=False, server_default=false()),
    Column("created_at", Float, nullable=False, default=now()),
    sized("build", 64),
)
Index("ix_builds_tenant_document", builds.c.tenant, builds.c.document)
Index("ix_builds_job", builds.c.job)
Index("ix_builds_doomed", builds.c.doomed, sqlite_where=text("doomed = 1"), postgresql_where=text("doomed"))

outbox = Table(
    "outbox",
    metadata,
    Column("sequence", SERIAL, primary_key=True, autoincrement=True),
    Column("facts", LargeBinary, nullable=False),
    Column("count", Integer, nullable=False),
    Column("created_at", Float, nullable=False, default=now()),
    sqlite_autoincrement=True,
)

outbox_pending = Table(
    "outbox_pending",
    metadata,
    Column("sequence", SERIAL, primary_key=True, autoincrement=False),
)
