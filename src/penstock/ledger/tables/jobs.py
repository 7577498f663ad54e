"""Jobs, what each stage did for them, who works on them, and those that were set aside."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    and_,
    false,
)

from penstock.ledger.clock import now
from penstock.ledger.columns import SERIAL, Message, sized, where
from penstock.ledger.tables.metadata import metadata

workers = Table(
    "workers",
    metadata,
    Column("worker", String(40), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("lease_expires_at", Float, nullable=False),
    Column("started_at", Float, nullable=False, default=now()),
    sized("worker", 40),
)

jobs = Table(
    "jobs",
    metadata,
    Column("job", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("document", String(512), nullable=False),
    Column("source", String(64), nullable=False),
    Column("pipeline", String(64), nullable=False),
    Column("version", String(64), nullable=False),
    Column("topology", String(64), ForeignKey("topologies.digest"), nullable=False),
    Column("work_digest", String(64), nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("locator", Text, nullable=False),
    Column("kind_hint", String(64), nullable=False, default=""),
    Column("metadata", Text, nullable=False, default="{}"),
    Column("generation", Integer, nullable=False),
    Column("status", String(40), nullable=False),
    Column("current_stage", String(64)),
    Column("segment", Integer, nullable=False, default=0),
    Column("pdf_downloaded", Boolean, nullable=False, default=False, server_default=false()),
    Column("pdf_ir_ready", Boolean, nullable=False, default=False, server_default=false()),
    Column("post_pdf_started", Boolean, nullable=False, default=False, server_default=false()),
    Column("retry_count_per_stage", Text, nullable=False, default="{}"),
    Column("correlation_id", String(64), nullable=False),
    Column("batch", String(40)),
    Column("lease_owner", String(40)),
    Column("lease_token", Integer, nullable=False, default=0),
    Column("index_build", String(64)),
    Column("graph_build", String(64)),
    Column("error_type", String(128)),
    Column("error_message", Message),
    Column("error_stage", String(64)),
    Column("error_recovery", String(20)),
    Column("created_at", Float, nullable=False, default=now()),
    Column("updated_at", Float, nullable=False, default=now(), onupdate=now()),
    Column("waiting_since", Float),
    Column("finished_at", Float),
    sized("job", 40),
    sized("tenant", 64),
    sized("document", 512),
    sized("source", 64),
    sized("pipeline", 64),
    sized("content_hash", 64),
    sized("status", 40),
    sized("lease_owner", 40),
)
Index("ix_jobs_tenant_document_pipeline", jobs.c.tenant, jobs.c.document, jobs.c.pipeline, jobs.c.generation)
Index("ix_jobs_pipeline_status", jobs.c.pipeline, jobs.c.status)
Index(
    "ix_jobs_queued",
    jobs.c.topology,
    jobs.c.segment,
    jobs.c.created_at,
    jobs.c.job,
    **where(jobs.c.status == "queued"),
)
Index("ix_jobs_planned", jobs.c.batch, **where(and_(jobs.c.status == "queued", jobs.c.batch.is_not(None))))
Index(
    "ix_jobs_waiting",
    jobs.c.topology,
    jobs.c.current_stage,
    jobs.c.pdf_downloaded,
    jobs.c.pdf_ir_ready,
    jobs.c.post_pdf_started,
    jobs.c.waiting_since,
    **where(jobs.c.status == "waiting"),
)
Index("ix_jobs_held", jobs.c.batch, jobs.c.lease_owner, jobs.c.status, **where(jobs.c.status == "running"))
Index("uq_jobs_running_document", jobs.c.tenant, jobs.c.document, unique=True, **where(jobs.c.status == "running"))
Index(
    "uq_jobs_queued_document_pipeline",
    jobs.c.tenant,
    jobs.c.document,
    jobs.c.pipeline,
    unique=True,
    **where(jobs.c.status == "queued"),
)

stage_runs = Table(
    "stage_runs",
    metadata,
    Column("job", String(40), nullable=False),  # no foreign key: jobs stay, and looking each up costs a sixth
    Column("stage", String(64), nullable=False),
    Column("status", String(40), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("reused", Boolean, nullable=False),
    Column("work_key", String(64)),
    Column("run_id", String(64)),
    Column("error", Message),
    Column("finished_at", Float, nullable=False, default=now()),
    PrimaryKeyConstraint("stage", "job"),
    sized("stage", 64),
    sized("work_key", 64),
)

batches = Table(
    "batches",
    metadata,
    Column("batch", String(40), primary_key=True),
    Column("pipeline", String(64), nullable=False),
    Column("topology", String(64), ForeignKey("topologies.digest"), nullable=False),
    Column("segment", Integer, nullable=False),
    Column("generation", Integer, nullable=False, default=0),
    Column("status", String(20), nullable=False),
    Column("run_id", String(64)),
    Column("size", Integer, nullable=False),
    Column("created_at", Float, nullable=False, default=now()),
    Column("updated_at", Float, nullable=False, default=now(), onupdate=now()),
    sized("batch", 40),
)
Index("ix_batches_status", batches.c.status)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("job", String(40), nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("document", String(512), nullable=False),
    Column("pipeline", String(64), nullable=False),
    Column("stage", String(64), nullable=False),
    Column("status", String(40), nullable=False),
    Column("error_type", String(128), nullable=False),
    Column("message", Message, nullable=False),
    Column("recovery", String(20), nullable=False),
    Column("chain", Text, nullable=False, default="[]"),
    Column("attempts", Integer, nullable=False),
    Column("raw", String(64), nullable=False),
    Column("created_at", Float, nullable=False, default=now()),
    Column("resolved_at", Float),
    Column("resolution", String(40)),
)
Index("ix_dead_letters_job", dead_letters.c.job)
Index("ix_dead_letters_open", dead_letters.c.created_at, **where(dead_letters.c.resolved_at.is_(None)))
