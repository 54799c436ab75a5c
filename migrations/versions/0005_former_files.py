"""A deed's archive stamp is renewed every year: the files from before are kept and still known."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("deeds", sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "former_files",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("deed_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("object_key", sa.String(), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["deed_id"], ["deeds.id"], name="fk_former_files_deed_id"),
        sa.PrimaryKeyConstraint("id", name="pk_former_files"),
        sa.UniqueConstraint("sha256", name="uq_former_files_sha256"),
    )
    op.create_index("ix_former_files_deed_id", "former_files", ["deed_id"])


def downgrade() -> None:
    op.drop_table("former_files")
    op.drop_column("deeds", "renewed_at")
