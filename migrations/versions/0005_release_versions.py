"""Note which version of each pipeline is in force, and what its file said when that was decided."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "releases",
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("declared", sa.String(length=64), nullable=False),
        sa.Column("file", sa.String(length=255), nullable=False),
        sa.Column("problem", sa.Text()),
        sa.Column("changed_by", sa.String(length=255), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.CheckConstraint("length(pipeline) between 1 and 64", name=op.f("ck_releases_pipeline_length")),
        sa.ForeignKeyConstraint(["digest"], ["topologies.digest"], name=op.f("fk_releases_digest")),
        sa.PrimaryKeyConstraint("pipeline", name=op.f("pk_releases")),
    )


def downgrade() -> None:
    op.drop_table("releases")
