"""Keep the runs of a stage together: a batch writes them stage by stage, and each time touched the pages of all."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_NAMES = "job, stage, status, attempts, seconds, reused, work_key, run_id, error, finished_at"
_COPY = f"insert into stage_runs ({_NAMES}) select {_NAMES} from stage_runs_before order by "  # noqa: S608 - constants


def upgrade() -> None:
    _key_by("stage", "job")


def downgrade() -> None:
    _key_by("job", "stage")


def _key_by(*columns: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("pk_stage_runs", "stage_runs", type_="primary")
        op.create_primary_key("pk_stage_runs", "stage_runs", list(columns))
        return
    op.rename_table("stage_runs", "stage_runs_before")  # SQLite cannot change a key
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
        sa.PrimaryKeyConstraint(*columns, name=op.f("pk_stage_runs")),
    )
    op.execute(_COPY + ", ".join(columns))
    op.drop_table("stage_runs_before")
