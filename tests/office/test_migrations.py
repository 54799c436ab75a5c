"""Migrations: from nothing to head is what the models say; a killed upgrade leaves the old schema or the new one."""

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from notary.database import migrate
from notary.models import Base


def test_head_is_what_the_models_say(postgres):
    with sa.create_engine(postgres.url(database="blank"), poolclass=sa.NullPool).connect() as db:
        found = compare_metadata(MigrationContext.configure(db, opts={"compare_type": True}), Base.metadata)

    assert [] == [one for one in found if "procrastinate" not in str(one)]


def test_migrating_again_changes_nothing(database):
    migrate(database)
    with sa.create_engine(database, poolclass=sa.NullPool).connect() as db:
        assert 1 == db.scalar(sa.text("SELECT count(*) FROM alembic_version"))
