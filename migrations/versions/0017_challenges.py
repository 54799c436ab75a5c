"""Challenges of liveness, and the frames that a comparison of faces rests on."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.create_table(
        "challenges",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("interview_id", sa.Uuid(), nullable=False),
        sa.Column("drawn", JSONB(), nullable=False),
        sa.Column("slow", sa.Boolean(), nullable=False),
        sa.Column("left_out", JSONB(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("prompts", JSONB(), nullable=False),
        sa.Column("verdict", JSONB(), nullable=False),
        sa.Column("signs", JSONB(), nullable=False),
        sa.Column("frames", JSONB(), nullable=False),
        sa.Column("heard", sa.String(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("media_time", sa.Float(), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'running', 'done', 'broken', 'waived')", name="ck_challenges_state"),
        sa.CheckConstraint("heard IN ('', 'right', 'wrong')", name="ck_challenges_heard"),
        sa.CheckConstraint("decision IN ('', 'accepted', 'refused', 'waived')", name="ck_challenges_decision"),
        sa.CheckConstraint("decision <> 'waived' OR reason <> ''", name="ck_challenges_waiver_has_reason"),
        sa.ForeignKeyConstraint(["interview_id"], ["interviews.id"], name="fk_challenges_interview_id"),
        sa.ForeignKeyConstraint(["asked_by"], ["people.id"], name="fk_challenges_asked_by"),
        sa.ForeignKeyConstraint(["decided_by"], ["people.id"], name="fk_challenges_decided_by"),
        sa.PrimaryKeyConstraint("id", name="pk_challenges"),
    )
    op.create_index("ix_challenges_interview_id", "challenges", ["interview_id"])
    op.add_column("face_checks", sa.Column("frames", JSONB(), nullable=False, server_default="[]"))
    op.alter_column("face_checks", "frames", server_default=None)


def downgrade() -> None:
    op.drop_column("face_checks", "frames")
    op.drop_table("challenges")
