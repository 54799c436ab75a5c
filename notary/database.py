"""The engine, and the schema's way from nothing to head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.orm import Session, sessionmaker

SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"
JOBS_SCHEMA = "jobs"


def engine_of(url: str, pool_size: int = 8) -> sa.Engine:
    """An engine whose connections see the office's tables and, behind them, the queue's."""
    return sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=4,
        pool_timeout=10,
        pool_pre_ping=True,
        connect_args={
            "options": f"-c search_path=public,{JOBS_SCHEMA} -c timezone=UTC",
            "connect_timeout": 5,
        },
    )


def sessions_of(engine: sa.Engine) -> sessionmaker[Session]:
    return sessionmaker(engine, expire_on_commit=False)


def migrate(url: str, to: str = "head") -> None:
    """Brings the schema to `to`, one transaction (PostgreSQL's DDL is transactional): old or new, never between."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["url"] = url
    command.upgrade(config, to)


def fresh(query: sa.Select[Any]) -> sa.Select[Any]:
    """The rows locked until the transaction ends, and as they are now even if this session has read them before."""
    return query.with_for_update().execution_options(populate_existing=True)


def libpq(url: str) -> str:
    """The same database as a URL for libpq, which procrastinate hands to psycopg."""
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
