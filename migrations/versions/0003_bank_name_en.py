"""A bank has an English name too, for English deeds and pages."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("banks", sa.Column("name_en", sa.String(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("banks", "name_en")
