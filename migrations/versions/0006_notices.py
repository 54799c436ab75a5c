"""A correction and a revocation have a paper of their own; a deed may stand corrected, and carry a translation."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"

STATES = (
    "draft", "submitted", "returned", "not_accepted", "accepted", "scheduled", "interview", "suspended", "drafting",
    "approval", "approved", "issued", "delivered", "withdrawn", "refused", "terminated", "under_review", "upheld", "revoked",
)  # fmt: skip
STANDINGS = ("valid", "under_review", "revoked")


def _closed(table: str, name: str, column: str, values: tuple[str, ...]) -> None:
    """Another closed set for a column that has one."""
    op.drop_constraint(name, table, type_="check")
    listed = ", ".join(f"'{one}'" for one in values)
    op.create_check_constraint(name, table, f"{column} IN ({listed})")


def upgrade() -> None:
    _closed("cases", "state", "state", (*STATES, "corrected"))
    _closed("deeds", "standing", "standing", (*STANDINGS, "corrected"))
    op.add_column("reviews", sa.Column("corrections", JSONB(), nullable=False, server_default="[]"))
    op.add_column("drafts", sa.Column("translation", JSONB(), nullable=False, server_default="{}"))
    op.drop_column("drafts", "text_en")  # nothing was ever written to it
    op.create_table(
        "notices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("review_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "correction", "revocation", name="noticekind", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("series_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("decided_on", sa.Date(), nullable=False),
        sa.Column("facts", JSONB(), nullable=False),
        sa.Column("body_sha256", sa.String(), nullable=False),
        sa.Column("body_key", sa.String(), nullable=False),
        sa.Column("activation", JSONB(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("object_key", sa.String(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("n > 0", name=op.f("ck_notices_from_one")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_notices_case_id"),
        sa.ForeignKeyConstraint(["review_id"], ["reviews.id"], name="fk_notices_review_id"),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name="fk_notices_series_id"),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        sa.UniqueConstraint("review_id", name="uq_notices_review_id"),
        sa.UniqueConstraint("text", name="uq_notices_text"),
        sa.UniqueConstraint("sha256", name="uq_notices_sha256"),
        sa.UniqueConstraint("series_id", "n", name="uq_notices_series_id_n"),
    )
    op.create_index("ix_notices_case_id", "notices", ["case_id"])


def downgrade() -> None:
    op.drop_table("notices")
    op.add_column("drafts", sa.Column("text_en", sa.String(), nullable=False, server_default=""))
    op.drop_column("drafts", "translation")
    op.drop_column("reviews", "corrections")
    _closed("deeds", "standing", "standing", STANDINGS)
    _closed("cases", "state", "state", STATES)
