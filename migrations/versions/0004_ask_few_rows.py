"""Ask for what is queued and what waits by indexes that hold just that, however many jobs there are."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_QUEUED, _WAITING = sa.text("status = 'queued'"), sa.text("status = 'waiting'")
_PLANNED = sa.text("status = 'queued' AND batch IS NOT NULL")


def _index(name: str, columns: list[str], where: sa.TextClause | None = None) -> None:
    op.create_index(name, "jobs", columns, sqlite_where=where, postgresql_where=where)


def upgrade() -> None:
    for name in ("ix_jobs_queued", "ix_jobs_batch"):
        op.drop_index(name, table_name="jobs")
    _index("ix_jobs_queued", ["topology", "segment", "created_at", "job"], _QUEUED)
    _index("ix_jobs_planned", ["batch"], _PLANNED)
    flags = ["pdf_downloaded", "pdf_ir_ready", "post_pdf_started"]
    _index("ix_jobs_waiting", ["topology", "current_stage", *flags, "waiting_since"], _WAITING)


def downgrade() -> None:
    for name in ("ix_jobs_queued", "ix_jobs_planned", "ix_jobs_waiting"):
        op.drop_index(name, table_name="jobs")
    op.create_index("ix_jobs_batch", "jobs", ["batch"])
    _index("ix_jobs_queued", ["status", "created_at", "job"], _QUEUED)
