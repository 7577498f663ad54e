"""Keep where the listing of a service was left."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "cursors",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=1024), nullable=False),
        sa.Column("work_digest", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        *(
            sa.CheckConstraint(f"length({column}) between 1 and {limit}", name=op.f(f"ck_cursors_{column}_length"))
            for column, limit in (("tenant", 64), ("pipeline", 64), ("origin", 1024))
        ),
        sa.PrimaryKeyConstraint("tenant", "pipeline", "origin", name=op.f("pk_cursors")),
    )


def downgrade() -> None:
    op.drop_table("cursors")
