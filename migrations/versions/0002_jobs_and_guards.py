"""The queue's own schema, and triggers that keep the ledger append-only."""

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0002"
down_revision = "0001"

APPEND_ONLY = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER events_not_truncated BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    op.execute("CREATE SCHEMA jobs")
    op.execute("SET LOCAL search_path TO jobs, public")
    with connection.cursor() as cursor:  # many statements with their own % signs: past SQLAlchemy's parameters
        cursor.execute(SchemaManager.get_schema())
    op.execute("SET LOCAL search_path TO public")
    op.execute(APPEND_ONLY)


def downgrade() -> None:
    op.execute("DROP TRIGGER events_append_only ON events")
    op.execute("DROP TRIGGER events_not_truncated ON events")
    op.execute("DROP FUNCTION refuse_change")
    op.execute("DROP SCHEMA jobs CASCADE")
