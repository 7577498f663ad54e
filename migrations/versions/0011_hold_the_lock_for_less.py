"""Hold the ledger's lock for less: what a batch still holds is counted by an index, and stage runs look no job up."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_NAMES = "job, stage, status, attempts, seconds, reused, work_key, run_id, error, finished_at"
_COPY = f"insert into stage_runs ({_NAMES}) select {_NAMES} from stage_runs_before order by "  # noqa: S608 - constants
_KEY = "fk_stage_runs_job"


def upgrade() -> None:
    running = sa.text("status = 'running'")
    columns = ["batch", "lease_owner", "status"]  # all that is asked for: no row has to be fetched
    op.create_index("ix_jobs_held", "jobs", columns, sqlite_where=running, postgresql_where=running)
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(_KEY, "stage_runs", type_="foreignkey")
    else:
        _make_again()


def downgrade() -> None:
    op.drop_index("ix_jobs_held", table_name="jobs")
    if op.get_bind().dialect.name == "postgresql":
        op.create_foreign_key(_KEY, "stage_runs", "jobs", ["job"], ["job"], ondelete="CASCADE")
    else:
        _make_again(sa.ForeignKeyConstraint(["job"], ["jobs.job"], name=op.f(_KEY), ondelete="CASCADE"))


def _make_again(*keys: sa.ForeignKeyConstraint) -> None:
    op.rename_table("stage_runs", "stage_runs_before")  # SQLite cannot drop a key
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
        *keys,
        sa.PrimaryKeyConstraint("stage", "job", name=op.f("pk_stage_runs")),
    )
    op.execute(f"{_COPY}stage, job")
    op.drop_table("stage_runs_before")
