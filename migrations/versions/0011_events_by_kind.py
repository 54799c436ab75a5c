"""Lines of a kind are found without reading the whole ledger: the desk asks for alarms on every page."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_index("ix_events_kind_seq", "events", ["kind", "seq"])


def downgrade() -> None:
    op.drop_index("ix_events_kind_seq", "events")
