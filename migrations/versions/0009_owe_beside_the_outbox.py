"""Keep what is owed beside the outbox: to mark a row of it as relayed was to write its facts a second time."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_PENDING = sa.text("relayed_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "outbox_pending",
        sa.Column("sequence", _NUMBER, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_outbox_pending")),
    )
    op.execute("insert into outbox_pending (sequence) select sequence from outbox where relayed_at is null")
    op.drop_index("ix_outbox_pending", table_name="outbox")
    op.drop_column("outbox", "relayed_at")


def downgrade() -> None:
    op.add_column("outbox", sa.Column("relayed_at", sa.Float()))
    op.execute("update outbox set relayed_at = created_at where sequence not in (select sequence from outbox_pending)")
    op.create_index("ix_outbox_pending", "outbox", ["sequence"], sqlite_where=_PENDING, postgresql_where=_PENDING)
    op.drop_table("outbox_pending")
