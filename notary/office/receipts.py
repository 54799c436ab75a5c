"""A signed receipt of a verification: what was asked, what was answered, when, and how long the public log was then.

A compact JWS (RFC 7515) with EdDSA (RFC 8037) by the seal's key for receipts; its public key stands in
`/.well-known/yuanzheng/keys.json` with the use `receipt`. A bank keeps it as proof that it asked.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from notary import ledger
from notary.office import publishing
from notary.parts import Parts
from notary.seal.refusals import SealError


def signed(parts: Parts, claims: dict[str, Any], now: datetime) -> str | None:
    """None while the seal does not answer: an answer without a receipt is better than none."""
    try:
        head = publishing.published(parts)
        log = {"origin": head.origin, "size": head.size, "root": head.root.hex()} if head else None
        header = {"alg": "EdDSA", "typ": "JWT", "use": "receipt"}
        body = {"iss": parts.settings.base_url, "iat": int(now.timestamp()), "log": log, **claims}
        text = f"{_plain(header)}.{_plain(body)}"
        return f"{text}.{_encoded(parts.seal.attest('receipt', text.encode()).signature)}"
    except (SealError, publishing.Differs):
        return None


def _plain(value: dict[str, Any]) -> str:
    return _encoded(ledger.canonical(value))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
