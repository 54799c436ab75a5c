"""What a reverse proxy says of the one behind it: the address, and the certificate of the TLS handshake (RFC 9440).

It is believed of a configured address only, and of a certificate only with the secret that the proxy puts behind it:
between servers `Client_Cert` becomes the same variable as `Client-Cert`, so a name alone proves nothing.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import re
from urllib.parse import unquote_to_bytes

from flask import request

from notary.settings import Settings

SAID = re.compile(r'(?P<what>[^;]+);\s*proxy="(?P<secret>[^"]*)"')
LONGEST = 16_384
PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


def address(settings: Settings) -> str:
    """Where the request came from, for limits."""
    near = request.remote_addr or "unknown"
    if near not in settings.trusted_proxies:
        return near
    last = request.headers.get("X-Forwarded-For", "").rsplit(",", 1)[-1].strip()
    try:
        return str(ipaddress.ip_address(last))
    except ValueError:
        return near


def certificate(settings: Settings) -> bytes | None:
    """The caller's certificate (DER), whose key it showed to the proxy; None where nobody trustworthy says so."""
    said = request.headers.get("Client-Cert", "")
    if request.remote_addr not in settings.trusted_proxies or not settings.proxy_secret or len(said) > LONGEST:
        return None
    found = SAID.fullmatch(said)
    if found is None or not hmac.compare_digest(found["secret"].encode(), settings.proxy_secret.encode()):
        return None
    return der_of(found["what"].strip())


def der_of(what: str) -> bytes | None:
    """`:base64 of DER:` as RFC 9440 has it, or PEM with percent signs as nginx gives it."""
    try:
        if what.startswith(":") and what.endswith(":") and len(what) > 2:
            return base64.b64decode(what[1:-1], validate=True)
        pem = PEM.fullmatch(unquote_to_bytes(what).strip())
        return base64.b64decode(pem[1]) if pem else None
    except (binascii.Error, ValueError):
        return None
