"""Settings -> Parts: the only place that chooses what the office is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from notary.database import engine_of, sessions_of
from notary.messenger import Messenger, OutboxMessenger, WebhookMessenger
from notary.seal.client import SealClient
from notary.settings import Settings
from storage.local import Store
from webrtc.client import MediaClient


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Parts:
    settings: Settings
    engine: Engine
    db: sessionmaker[Session]
    messenger: Messenger
    store: Store
    media: MediaClient
    seal: SealClient
    clock: Callable[[], datetime] = utc_now


def parts_from(settings: Settings) -> Parts:
    engine = engine_of(settings.database_url)
    return Parts(
        settings=settings,
        engine=engine,
        db=sessions_of(engine),
        messenger=_messenger(settings),
        store=Store(settings.under("store")),
        media=MediaClient(settings.under("run", "media.sock")),
        seal=SealClient(settings.under("run", "seal.sock")),
    )


def _messenger(settings: Settings) -> Messenger:
    return WebhookMessenger(settings.messenger_url) if settings.messenger == "webhook" else OutboxMessenger()
