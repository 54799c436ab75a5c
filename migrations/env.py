"""Alembic's entry: one transaction for the whole way."""

import sqlalchemy as sa
from alembic import context

from notary.models import Base, UtcTime

engine = sa.create_engine(context.config.attributes["url"], poolclass=sa.NullPool)
with engine.connect() as connection:
    # two processes that start at once must not both migrate
    connection.execute(sa.text("SELECT pg_advisory_lock(4711)"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        include_schemas=False,
        render_item=lambda kind, item, _: "sa.DateTime(timezone=True)" if isinstance(item, UtcTime) else False,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.execute(sa.text("SELECT pg_advisory_unlock(4711)"))
    connection.commit()
