"""A message knows the code in its text and of what it is the only one; an appointment knows when it was made."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("messages", sa.Column("code_id", sa.Uuid(), nullable=True))
    op.add_column("messages", sa.Column("once", sa.String(), nullable=True))
    op.create_index("ix_messages_code_id", "messages", ["code_id"])
    op.create_unique_constraint("uq_messages_once", "messages", ["once"])
    op.create_foreign_key("fk_messages_code_id", "messages", "codes", ["code_id"], ["id"])
    op.add_column("slots", sa.Column("made_at", sa.DateTime(timezone=True), nullable=True))
    # codes of before are in no row's `code_id`: none of them serves any more, so none needs to stay readable
    op.execute(
        "UPDATE messages SET text = regexp_replace(text, '\\m\\d{6}\\M', '••••••', 'g') "
        "WHERE text ~ '(验证码|code)' AND text ~ '\\m\\d{6}\\M'"
    )


def downgrade() -> None:
    op.drop_column("slots", "made_at")
    op.drop_constraint("fk_messages_code_id", "messages", type_="foreignkey")
    op.drop_constraint("uq_messages_once", "messages", type_="unique")
    op.drop_index("ix_messages_code_id", table_name="messages")
    op.drop_column("messages", "once")
    op.drop_column("messages", "code_id")
