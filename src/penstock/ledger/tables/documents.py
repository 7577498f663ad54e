"""Documents: pipeline versions, contents, where they came from, how far that was read, and what is due to be swept."""

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, PrimaryKeyConstraint, String, Table, Text

from penstock.ledger.clock import now
from penstock.ledger.columns import Message, sized
from penstock.ledger.tables.metadata import metadata

topologies = Table(
    "topologies",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("pipeline", String(64), nullable=False),
    Column("version", String(64), nullable=False),
    Column("content", Text, nullable=False),
    Column("created_at", Float, nullable=False, default=now()),
)

releases = Table(
    "releases",
    metadata,
    Column("pipeline", String(64), primary_key=True),
    Column("digest", String(64), ForeignKey("topologies.digest"), nullable=False),
    Column("declared", String(64), nullable=False),
    Column("file", String(255), nullable=False),
    Column("problem", Message),
    Column("changed_by", String(255), nullable=False, default=""),
    Column("changed_at", Float, nullable=False, default=now()),
    sized("pipeline", 64),
)

documents = Table(
    "documents",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("document", String(512), nullable=False),
    Column("source", String(64), nullable=False),
    Column("generation", Integer, nullable=False, default=0),
    Column("active_generation", Integer, nullable=False, default=0),
    Column("active_job", String(40)),
    Column("active_hash", String(64)),
    Column("index_build", String(64)),
    Column("graph_build", String(64)),
    Column("deleted_at", Float),
    Column("created_at", Float, nullable=False, default=now()),
    Column("updated_at", Float, nullable=False, default=now(), onupdate=now()),
    PrimaryKeyConstraint("tenant", "document"),
    sized("tenant", 64),
    sized("document", 512),
)
Index("ix_documents_index_build", documents.c.index_build)
Index("ix_documents_graph_build", documents.c.graph_build)

versions = Table(
    "versions",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("document", String(512), nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False, default=now()),
    PrimaryKeyConstraint("tenant", "document", "content_hash"),
    sized("content_hash", 64),
)
Index("ix_versions_tenant_content_hash", versions.c.tenant, versions.c.content_hash)

origins = Table(
    "origins",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("origin", String(1024), nullable=False),
    Column("document", String(512), nullable=False),
    PrimaryKeyConstraint("tenant", "origin", "document"),
    sized("origin", 1024),
)
Index("ix_origins_tenant_document", origins.c.tenant, origins.c.document)

cursors = Table(
    "cursors",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("pipeline", String(64), nullable=False),
    Column("origin", String(1024), nullable=False),
    Column("work_digest", String(64), nullable=False),
    Column("position", Text, nullable=False),
    Column("updated_at", Float, nullable=False, default=now(), onupdate=now()),
    PrimaryKeyConstraint("tenant", "pipeline", "origin"),
    sized("tenant", 64),
    sized("pipeline", 64),
    sized("origin", 1024),
)

sweeps = Table(
    "sweeps",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("document", String(512), nullable=False),
    Column("created_at", Float, nullable=False, default=now()),
    PrimaryKeyConstraint("tenant", "document"),
)
