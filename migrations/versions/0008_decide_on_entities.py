"""Keep what people decide on entities: that two are the same, or that they are not."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "entity_decisions",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("first", sa.String(length=512), nullable=False),
        sa.Column("second", sa.String(length=512), nullable=False),
        sa.Column("same", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.String(length=128), nullable=False),
        sa.Column("decided_at", sa.Float(), nullable=False),
        *(
            sa.CheckConstraint(
                f"length({column}) between 1 and {limit}", name=op.f(f"ck_entity_decisions_{column}_length")
            )
            for column, limit in (("tenant", 64), ("first", 512), ("second", 512), ("decided_by", 128))
        ),
        sa.PrimaryKeyConstraint("tenant", "first", "second", name=op.f("pk_entity_decisions")),
    )


def downgrade() -> None:
    op.drop_table("entity_decisions")
