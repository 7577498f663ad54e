"""Create the ledger."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    op.create_table(
        "artifacts",
        sa.Column("work_key", sa.String(length=64), nullable=False),
        sa.Column("pack", sa.String(length=64), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("checksum", sa.String(length=32), nullable=False),
        sa.Column("build", sa.String(length=64)),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.CheckConstraint("length(build) between 1 and 64", name=op.f("ck_artifacts_build_length")),
        sa.CheckConstraint("length(pack) between 1 and 64", name=op.f("ck_artifacts_pack_length")),
        sa.CheckConstraint("length(work_key) between 1 and 64", name=op.f("ck_artifacts_work_key_length")),
        sa.PrimaryKeyConstraint("work_key", name=op.f("pk_artifacts")),
    )
    op.create_index("ix_artifacts_pack", "artifacts", ["pack"])
    op.create_table(
        "builds",
        sa.Column("build", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("document", sa.String(length=512), nullable=False),
        sa.Column("store", sa.String(length=20), nullable=False),
        sa.Column("job", sa.String(length=40), nullable=False),
        sa.Column("work_key", sa.String(length=64), nullable=False),
        sa.Column("doomed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.CheckConstraint("length(build) between 1 and 64", name=op.f("ck_builds_build_length")),
        sa.PrimaryKeyConstraint("build", name=op.f("pk_builds")),
    )
    op.create_index(
        "ix_builds_doomed", "builds", ["doomed"], sqlite_where=sa.text("doomed = 1"), postgresql_where=sa.text("doomed")
    )
    op.create_index("ix_builds_job", "builds", ["job"])
    op.create_index("ix_builds_tenant_document", "builds", ["tenant", "document"])
    op.create_table(
        "dead_letters",
        sa.Column("id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("job", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("document", sa.String(length=512), nullable=False),
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("error_type", sa.String(length=128), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("recovery", sa.String(length=20), nullable=False),
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("raw", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("resolved_at", sa.Float()),
        sa.Column("resolution", sa.String(length=40)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
    )
    op.create_index("ix_dead_letters_job", "dead_letters", ["job"])
    op.create_index("ix_dead_letters_open", "dead_letters", ["created_at"], **_where("resolved_at IS NULL"))
    op.create_table(
        "documents",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("document", sa.String(length=512), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("active_generation", sa.Integer(), nullable=False),
        sa.Column("active_job", sa.String(length=40)),
        sa.Column("active_hash", sa.String(length=64)),
        sa.Column("index_build", sa.String(length=64)),
        sa.Column("graph_build", sa.String(length=64)),
        sa.Column("deleted_at", sa.Float()),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.CheckConstraint("length(document) between 1 and 512", name=op.f("ck_documents_document_length")),
        sa.CheckConstraint("length(tenant) between 1 and 64", name=op.f("ck_documents_tenant_length")),
        sa.PrimaryKeyConstraint("tenant", "document", name=op.f("pk_documents")),
    )
    op.create_index("ix_documents_graph_build", "documents", ["graph_build"])
    op.create_index("ix_documents_index_build", "documents", ["index_build"])
    op.create_table(
        "origins",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=1024), nullable=False),
        sa.Column("document", sa.String(length=512), nullable=False),
        sa.CheckConstraint("length(origin) between 1 and 1024", name=op.f("ck_origins_origin_length")),
        sa.PrimaryKeyConstraint("tenant", "origin", "document", name=op.f("pk_origins")),
    )
    op.create_index("ix_origins_tenant_document", "origins", ["tenant", "document"])
    op.create_table(
        "outbox",
        sa.Column("sequence", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("relayed_at", sa.Float()),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_pending", "outbox", ["sequence"], **_where("relayed_at IS NULL"))
    op.create_table(
        "sweeps",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("document", sa.String(length=512), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "document", name=op.f("pk_sweeps")),
    )
    op.create_table(
        "topologies",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_topologies")),
    )
    op.create_table(
        "versions",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("document", sa.String(length=512), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.CheckConstraint("length(content_hash) between 1 and 64", name=op.f("ck_versions_content_hash_length")),
        sa.PrimaryKeyConstraint("tenant", "document", "content_hash", name=op.f("pk_versions")),
    )
    op.create_index("ix_versions_tenant_content_hash", "versions", ["tenant", "content_hash"])
    op.create_table(
        "workers",
        sa.Column("worker", sa.String(length=40), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("lease_expires_at", sa.Float(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.CheckConstraint("length(worker) between 1 and 40", name=op.f("ck_workers_worker_length")),
        sa.PrimaryKeyConstraint("worker", name=op.f("pk_workers")),
    )
    op.create_table(
        "batches",
        sa.Column("batch", sa.String(length=40), nullable=False),
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("topology", sa.String(length=64), nullable=False),
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("run_id", sa.String(length=64)),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.CheckConstraint("length(batch) between 1 and 40", name=op.f("ck_batches_batch_length")),
        sa.ForeignKeyConstraint(["topology"], ["topologies.digest"], name=op.f("fk_batches_topology")),
        sa.PrimaryKeyConstraint("batch", name=op.f("pk_batches")),
    )
    op.create_index("ix_batches_status", "batches", ["status"])
    op.create_table(
        "jobs",
        sa.Column("job", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("document", sa.String(length=512), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("topology", sa.String(length=64), nullable=False),
        sa.Column("work_digest", sa.String(length=64), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("kind_hint", sa.String(length=64), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("current_stage", sa.String(length=64)),
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.Column("pdf_downloaded", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("pdf_ir_ready", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("post_pdf_started", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("retry_count_per_stage", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.String(length=64), nullable=False),
        sa.Column("batch", sa.String(length=40)),
        sa.Column("lease_owner", sa.String(length=40)),
        sa.Column("lease_token", sa.Integer(), nullable=False),
        sa.Column("index_build", sa.String(length=64)),
        sa.Column("graph_build", sa.String(length=64)),
        sa.Column("error_type", sa.String(length=128)),
        sa.Column("error_message", sa.Text()),
        sa.Column("error_stage", sa.String(length=64)),
        sa.Column("error_recovery", sa.String(length=20)),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("waiting_since", sa.Float()),
        sa.Column("finished_at", sa.Float()),
        sa.CheckConstraint("length(content_hash) between 1 and 64", name=op.f("ck_jobs_content_hash_length")),
        sa.CheckConstraint("length(document) between 1 and 512", name=op.f("ck_jobs_document_length")),
        sa.CheckConstraint("length(job) between 1 and 40", name=op.f("ck_jobs_job_length")),
        sa.CheckConstraint("length(lease_owner) between 1 and 40", name=op.f("ck_jobs_lease_owner_length")),
        sa.CheckConstraint("length(pipeline) between 1 and 64", name=op.f("ck_jobs_pipeline_length")),
        sa.CheckConstraint("length(source) between 1 and 64", name=op.f("ck_jobs_source_length")),
        sa.CheckConstraint("length(status) between 1 and 40", name=op.f("ck_jobs_status_length")),
        sa.CheckConstraint("length(tenant) between 1 and 64", name=op.f("ck_jobs_tenant_length")),
        sa.ForeignKeyConstraint(["topology"], ["topologies.digest"], name=op.f("fk_jobs_topology")),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_jobs")),
    )
    op.create_index("ix_jobs_batch", "jobs", ["batch"])
    op.create_index("ix_jobs_queued", "jobs", ["status", "created_at", "job"], **_where("status = 'queued'"))
    op.create_index("ix_jobs_status_pipeline", "jobs", ["status", "pipeline"])
    op.create_index("ix_jobs_tenant_document_pipeline", "jobs", ["tenant", "document", "pipeline", "generation"])
    op.create_index(
        "uq_jobs_queued_document_pipeline",
        "jobs",
        ["tenant", "document", "pipeline"],
        unique=True,
        **_where("status = 'queued'"),
    )
    op.create_index(
        "uq_jobs_running_document", "jobs", ["tenant", "document"], unique=True, **_where("status = 'running'")
    )
    op.create_table(
        "stage_runs",
        sa.Column("job", sa.String(length=40), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("reused", sa.Boolean(), nullable=False),
        sa.Column("work_key", sa.String(length=64)),
        sa.Column("run_id", sa.String(length=64)),
        sa.Column("error", sa.Text()),
        sa.Column("finished_at", sa.Float(), nullable=False),
        sa.CheckConstraint("length(stage) between 1 and 64", name=op.f("ck_stage_runs_stage_length")),
        sa.CheckConstraint("length(work_key) between 1 and 64", name=op.f("ck_stage_runs_work_key_length")),
        sa.ForeignKeyConstraint(["job"], ["jobs.job"], name=op.f("fk_stage_runs_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", "stage", name=op.f("pk_stage_runs")),
    )


def downgrade() -> None:
    for table in (
        "stage_runs",
        "jobs",
        "batches",
        "workers",
        "versions",
        "topologies",
        "sweeps",
        "outbox",
        "origins",
        "documents",
        "dead_letters",
        "builds",
        "artifacts",
    ):
        op.drop_table(table)
