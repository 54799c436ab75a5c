"""A room is pinned to one of several media workers, and a worker can drain."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "media_workers",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("draining_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("draining_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_media_workers"),
    )
    op.create_table(
        "media_rooms",
        sa.Column("room", sa.Uuid(), nullable=False),
        sa.Column("worker", sa.Integer(), nullable=False),
        sa.Column("pinned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["worker"], ["media_workers.number"], name="fk_media_rooms_worker"),
        sa.PrimaryKeyConstraint("room", name="pk_media_rooms"),
    )
    op.create_index("ix_media_rooms_live", "media_rooms", ["worker"], postgresql_where=sa.text("closed_at IS NULL"))


def downgrade() -> None:
    op.drop_table("media_rooms")
    op.drop_table("media_workers")
