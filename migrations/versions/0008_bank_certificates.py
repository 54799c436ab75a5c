"""A bank may be bound to its own TLS certificates, and an old key may go on for some days beside the new one."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("banks", sa.Column("former_key_hash", sa.String(), nullable=True))
    op.add_column("banks", sa.Column("former_key_until", sa.DateTime(timezone=True), nullable=True))
    op.create_unique_constraint("uq_banks_former_key_hash", "banks", ["former_key_hash"])
    op.create_table(
        "bank_certificates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bank_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["bank_id"], ["banks.id"], name="fk_bank_certificates_bank_id"),
        sa.PrimaryKeyConstraint("id", name="pk_bank_certificates"),
    )
    op.create_index("ix_bank_certificates_bank_id", "bank_certificates", ["bank_id"])


def downgrade() -> None:
    op.drop_table("bank_certificates")
    op.drop_constraint("uq_banks_former_key_hash", "banks", type_="unique")
    op.drop_column("banks", "former_key_until")
    op.drop_column("banks", "former_key_hash")
