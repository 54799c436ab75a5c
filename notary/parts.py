"""Settings -> Parts: the only place that chooses what the office is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from identity.provider import IdentityProvider
from notary.authority import AuthorityService, public_key_of
from notary.database import engine_of, sessions_of
from notary.media import Workers
from notary.messenger import Messenger, OutboxMessenger, WebhookMessenger
from notary.seal.client import SealClient
from notary.settings import Settings
from storage.local import Store

PINNING_POOL = 2
"""Connections for pins alone: a page that waits for one holds another already."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Parts:
    settings: Settings
    engine: Engine
    db: sessionmaker[Session]
    messenger: Messenger
    store: Store
    media: Workers
    seal: SealClient
    authority: IdentityProvider | None = None
    """Whom the office asks about a person; None where nobody outside is asked."""
    clock: Callable[[], datetime] = utc_now


def parts_from(settings: Settings) -> Parts:
    engine = engine_of(settings.database_url)
    return Parts(
        settings=settings,
        engine=engine,
        db=sessions_of(engine),
        messenger=_messenger(settings),
        store=Store(settings.under("store")),
        media=Workers(settings.media_sockets, sessions_of(engine_of(settings.database_url, PINNING_POOL)), utc_now),
        seal=SealClient(settings.under("run", "seal.sock")),
        authority=_authority(settings),
    )


def _messenger(settings: Settings) -> Messenger:
    return WebhookMessenger(settings.messenger_url) if settings.messenger == "webhook" else OutboxMessenger()


def _authority(settings: Settings) -> IdentityProvider | None:
    if not settings.identity_service_url or settings.identity_service_key is None:
        return None
    return AuthorityService(
        settings.identity_service_url, settings.identity_service_client, settings.identity_service_secret.encode(),
        public_key_of(settings.identity_service_key),
    )  # fmt: skip
