"""Share breakers and rate budgets between processes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "breakers",
        sa.Column("breaker", sa.String(length=255), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("reset_seconds", sa.Float(), nullable=False),
        sa.Column("opened_at", sa.Float()),
        sa.Column("trial_at", sa.Float()),
        sa.Column("hold_seconds", sa.Float(), nullable=False),
        sa.CheckConstraint("length(breaker) between 1 and 255", name=op.f("ck_breakers_breaker_length")),
        sa.PrimaryKeyConstraint("breaker", name=op.f("pk_breakers")),
    )
    op.create_table(
        "rate_budgets",
        sa.Column("budget", sa.String(length=255), nullable=False),
        sa.Column("next_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.CheckConstraint("length(budget) between 1 and 255", name=op.f("ck_rate_budgets_budget_length")),
        sa.PrimaryKeyConstraint("budget", name=op.f("pk_rate_budgets")),
    )


def downgrade() -> None:
    for table in ("rate_budgets", "breakers"):
        op.drop_table(table)
