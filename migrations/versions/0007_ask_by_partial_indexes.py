"""Leave states to the indexes that hold one state each: SQLite took the index of all states for the narrower one."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.drop_index("ix_jobs_status_pipeline", table_name="jobs")
    op.create_index("ix_jobs_pipeline_status", "jobs", ["pipeline", "status"])


def downgrade() -> None:
    op.drop_index("ix_jobs_pipeline_status", table_name="jobs")
    op.create_index("ix_jobs_status_pipeline", "jobs", ["status", "pipeline"])
