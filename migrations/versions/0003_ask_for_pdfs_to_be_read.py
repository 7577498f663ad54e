"""Ask the PDF worker for PDFs by rows of the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "pdf_requests",
        sa.Column("request", sa.String(length=40), nullable=False),
        sa.Column("job", sa.String(length=40), nullable=False),
        sa.Column("gate", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("document", sa.String(length=512), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("work_key", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(length=40)),
        sa.Column("pages", sa.Integer()),
        sa.Column("trouble", sa.Text()),
        sa.Column("available_at", sa.Float(), nullable=False),
        sa.Column("leased_at", sa.Float()),
        sa.Column("ended_at", sa.Float()),
        sa.Column("created_at", sa.Float(), nullable=False),
        *(
            sa.CheckConstraint(f"length({column}) between 1 and {limit}", name=op.f(f"ck_pdf_requests_{column}_length"))
            for column, limit in (
                ("request", 40),
                ("gate", 64),
                ("tenant", 64),
                ("document", 512),
                ("sha256", 64),
                ("work_key", 64),
                ("lease_owner", 40),
            )
        ),
        sa.ForeignKeyConstraint(["job"], ["jobs.job"], name=op.f("fk_pdf_requests_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("request", name=op.f("pk_pdf_requests")),
        sa.UniqueConstraint("job", "gate", name=op.f("uq_pdf_requests_job_gate")),
    )
    queued, leased = sa.text("state = 'queued'"), sa.text("state = 'leased'")
    op.create_index(
        "ix_pdf_requests_queued",
        "pdf_requests",
        ["tenant", "available_at", "request"],
        sqlite_where=queued,
        postgresql_where=queued,
    )
    op.create_index(
        "ix_pdf_requests_leased", "pdf_requests", ["lease_owner"], sqlite_where=leased, postgresql_where=leased
    )


def downgrade() -> None:
    op.drop_table("pdf_requests")
