"""
A relay for browsers that no UDP reaches: credentials that coturn can check and that are over in minutes.

coturn's REST scheme (draft-uberti-behave-turn-rest-00, 2.2): the user is `expiry:subject`, the password the base64 of
HMAC-SHA1 over it. Only browsers need one: the media worker stands where everybody reaches it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any

from notary.office.hearing import Live
from notary.settings import Settings

LIFETIME = timedelta(minutes=10)
"""To begin a connection with; coturn does not end one that has begun."""


def credentials(secret: str, subject: str, until: datetime) -> tuple[str, str]:
    """(user, password). `subject` is what stands in coturn's log."""
    user = f"{int(until.timestamp())}:{subject}"
    digest = hmac.digest(secret.encode(), user.encode(), hashlib.sha1)
    return user, base64.b64encode(digest).decode()


def ice_servers(settings: Settings, at: Live, leg: str, now: datetime) -> list[dict[str, Any]]:
    """For the page's RTCPeerConnection (W3C WebRTC, RTCIceServer); empty where the office has no relay."""
    if not settings.turn_urls:
        return []
    user, password = credentials(settings.turn_secret, f"{at.room}-{leg}", now + LIFETIME)
    return [{"urls": list(settings.turn_urls), "username": user, "credential": password}]
