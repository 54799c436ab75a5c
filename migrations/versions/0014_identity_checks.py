"""What a source outside said about a person's card, with all that it did not look at."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "identity_checks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("level", _closed("level", "assisted", "entered", "signed"), nullable=False),
        sa.Column("claim", JSONB(), nullable=False),
        sa.Column("outcome", _closed("outcome", "agrees", "differs", "not-found", "no-answer"), nullable=True),
        sa.Column("checked", JSONB(), nullable=False),
        sa.Column("why", JSONB(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("answer_key", sa.String(), nullable=False),
        sa.Column("answer_sha256", sa.String(), nullable=False),
        sa.Column("answer_type", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_identity_checks_case_id"),
        sa.ForeignKeyConstraint(["asked_by"], ["people.id"], name="fk_identity_checks_asked_by"),
        sa.PrimaryKeyConstraint("id", name="pk_identity_checks"),
    )
    op.create_index("ix_identity_checks_case_id", "identity_checks", ["case_id"])


def _closed(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def downgrade() -> None:
    op.drop_table("identity_checks")
