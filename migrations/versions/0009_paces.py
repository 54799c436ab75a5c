"""How fast one bank or one address may ask: one row each, moved on by every request."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "paces",
        sa.Column("door", sa.String(), nullable=False),
        sa.Column("subject_hash", sa.String(), nullable=False),
        sa.Column("free_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("door", "subject_hash", name="pk_paces"),
    )


def downgrade() -> None:
    op.drop_table("paces")
