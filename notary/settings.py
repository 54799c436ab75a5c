"""One frozen `Settings`, read from the environment once; nonsense is refused with the variable's name."""

from __future__ import annotations

import hashlib
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SECRETS = (
    "SECRET_KEY", "STORAGE_KEY", "DATABASE_URL", "SEAL_DATABASE_URL", "PROXY_SECRET", "IDENTITY_SERVICE_SECRET",
    "TURN_SECRET", "METRICS_TOKEN",
)  # fmt: skip
CHECKOUT = Path(__file__).resolve().parent.parent


class BadSetting(ValueError):
    """A variable of the environment that cannot be used; says which and why."""


def home_of(checkout: Path, as_root: bool) -> Path:
    """Where this checkout keeps its data.

    As root a system folder, since PostgreSQL runs as another user, who cannot enter a private home;
    keyed by the checkout's path, so that two checkouts never meet.
    """
    if not as_root:
        return checkout / "var" / "office"
    key = hashlib.sha256(str(checkout).encode()).hexdigest()[:10]
    return Path("/var/lib/yuanzheng") / key


@dataclass(frozen=True, kw_only=True)
class Settings:
    env: str = "trial"
    """ENV: `trial` (test keys, outbox on screen) or `production`, which refuses every insecure default."""
    home: Path
    """HOME_DIR: everything that the office keeps on this machine."""
    base_url: str = "http://localhost:8000"
    """BASE_URL: the one origin that links, QR codes and passkeys name."""
    host: str = "127.0.0.1"
    """HOST: the address that web listens on."""
    port: int = 8000
    """PORT: the port that web listens on, 1 to 65535."""
    media_host: str = "127.0.0.1"
    """MEDIA_HOST: the address that browsers send sound and picture to, by UDP."""
    media_engine: str = "port"
    """MEDIA_ENGINE: `port` answers every browser on one UDP port, `aiortc` opens one for each connection."""
    media_workers: int = 1
    """MEDIA_WORKERS: processes that hold interviews, 1 to 64; one a core unless it is given."""
    media_port: int = 0
    """MEDIA_PORT: with `port`, the first worker's one UDP port, the others' follow it: so many to open in the firewall;
    0 takes any."""
    media_public_host: str = ""
    """MEDIA_PUBLIC_HOST: with `port`, the address that browsers are told, where it is another than MEDIA_HOST."""
    turn_urls: tuple[str, ...] = ()
    """TURN_URLS: relays for browsers behind hard networks (`turn:turn.example:3478`, `turns:…`), comma between; none
    where they are empty."""
    turn_secret: str = field(default="", repr=False)
    """TURN_SECRET: coturn's `static-auth-secret`, 16 characters or more; browsers get what it makes for ten minutes."""
    metrics_token: str = field(default="", repr=False)
    """METRICS_TOKEN: what a program shows to read /metrics (`Authorization: Bearer …`), 32 characters or more; empty
    means that no program may."""
    database_url: str = field(default="", repr=False)
    """DATABASE_URL: PostgreSQL; empty means the embedded server under `home`."""
    seal_database_url: str = field(default="", repr=False)
    """SEAL_DATABASE_URL: the read-only role of the seal process."""
    secret_key: str = field(default="", repr=False)
    """SECRET_KEY: signs cookies' CSRF tokens; made at the first run, 32 characters or more."""
    storage_key: bytes = field(default=b"", repr=False)
    """STORAGE_KEY: hex of 32 bytes that wrap each case's data key; never given to the seal process."""
    web_workers: int = 1
    """WEB_WORKERS: processes that answer HTTP, 1 to 64."""
    messenger: str = "outbox"
    """MESSENGER: `outbox` shows every text message on the page /outbox; `webhook` posts it to MESSENGER_URL."""
    messenger_url: str = ""
    """MESSENGER_URL: the SMS gateway of the office, HTTPS."""
    stamp_urls: tuple[str, ...] = ()
    """STAMP_URLS: RFC 3161 services, comma between; empty means the built-in test service."""
    log_witnesses: tuple[str, ...] = ()
    """LOG_WITNESSES: addresses of witnesses of the public log (C2SP tlog-witness), comma between."""
    log_witness_keys: tuple[str, ...] = ()
    """LOG_WITNESS_KEYS: their verifier keys, comma between, as they stand in the trust bundle."""
    log_quorum: int = 0
    """LOG_QUORUM: how many of them must sign before a checkpoint is published, 0 to 16."""
    status_urls: tuple[str, ...] = ()
    """STATUS_URLS: our own OCSP services, comma between, asked before the addresses in the certificates; empty means
    the built-in service in a trial, the addresses in the certificates alone in production."""

    identity_thresholds: tuple[Path, ...] = ()
    """IDENTITY_THRESHOLDS: files of `python -m identity calibrate`, comma between; empty means the bands that come with it."""
    identity_service_url: str = ""
    """IDENTITY_SERVICE_URL: the gateway that is asked whether a name and a number belong together, HTTPS; empty means
    that nobody outside is asked, and pages say so."""
    identity_service_client: str = ""
    """IDENTITY_SERVICE_CLIENT: the office's name there."""
    identity_service_secret: str = field(default="", repr=False)
    """IDENTITY_SERVICE_SECRET: what our questions are authenticated with, 16 characters or more."""
    identity_service_key: Path | None = None
    """IDENTITY_SERVICE_KEY: file of the P-256 public key (PEM) that its answers are signed with."""
    trusted_proxies: tuple[str, ...] = ()
    """TRUSTED_PROXIES: IP addresses of reverse proxies whose X-Forwarded-For and Client-Cert count, comma between."""
    proxy_secret: str = field(default="", repr=False)
    """PROXY_SECRET: what such a proxy puts behind Client-Cert (`;proxy="…"`), 16 characters or more; empty means that
    no certificate is believed."""

    @property
    def trial(self) -> bool:
        return self.env == "trial"

    @property
    def media_sockets(self) -> tuple[Path, ...]:
        """Where the media workers answer, the first one first."""
        return tuple(self.under("run", f"media-{number}.sock") for number in range(1, self.media_workers + 1))

    @property
    def rp_id(self) -> str:
        """The host that passkeys are bound to (WebAuthn relying party id)."""
        return urlsplit(self.base_url).hostname or "localhost"

    def under(self, *names: str) -> Path:
        return self.home.joinpath(*names)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Reads the environment; `NAME_FILE` names a file that holds the value of a secret.

        Raises BadSetting.
        """
        env = dict(os.environ if environ is None else environ)
        home = Path(env.get("HOME_DIR") or home_of(CHECKOUT, os.geteuid() == 0)).resolve()
        values = {name: _secret(env, name, home) for name in SECRETS}
        port = _number(env, "PORT", 8000, 1, 65535)
        workers = _number(env, "MEDIA_WORKERS", len(os.sched_getaffinity(0)), 1, 64)
        settings = cls(
            env=_choice(env, "ENV", "trial", ("trial", "production")),
            home=home,
            base_url=_origin(env.get("BASE_URL") or f"http://localhost:{port}"),
            host=env.get("HOST") or "127.0.0.1",
            port=port,
            media_host=env.get("MEDIA_HOST") or "127.0.0.1",
            media_engine=_choice(env, "MEDIA_ENGINE", "port", ("port", "aiortc")),
            media_workers=workers,
            media_port=_number(env, "MEDIA_PORT", 0, 0, 65536 - workers),
            media_public_host=env.get("MEDIA_PUBLIC_HOST", ""),
            database_url=values["DATABASE_URL"],
            seal_database_url=values["SEAL_DATABASE_URL"],
            secret_key=values["SECRET_KEY"],
            storage_key=_hex(values["STORAGE_KEY"]),
            web_workers=_number(env, "WEB_WORKERS", 1, 1, 64),
            messenger=_choice(env, "MESSENGER", "outbox", ("outbox", "webhook")),
            messenger_url=env.get("MESSENGER_URL", ""),
            stamp_urls=tuple(u for u in env.get("STAMP_URLS", "").split(",") if u),
            log_witnesses=tuple(u.rstrip("/") for u in env.get("LOG_WITNESSES", "").split(",") if u),
            log_witness_keys=tuple(k for k in env.get("LOG_WITNESS_KEYS", "").split(",") if k),
            log_quorum=_number(env, "LOG_QUORUM", 0, 0, 16),
            turn_urls=_relays(env.get("TURN_URLS", ""), values["TURN_SECRET"]),
            turn_secret=_long_enough("TURN_SECRET", values["TURN_SECRET"], 16),
            metrics_token=_long_enough("METRICS_TOKEN", values["METRICS_TOKEN"], 32),
            **_identity_service(env, values["IDENTITY_SERVICE_SECRET"]),
            trusted_proxies=_addresses(env.get("TRUSTED_PROXIES", "")),
            proxy_secret=_long_enough("PROXY_SECRET", values["PROXY_SECRET"], 16),
            status_urls=tuple(u for u in env.get("STATUS_URLS", "").split(",") if u),
            identity_thresholds=tuple(Path(p) for p in env.get("IDENTITY_THRESHOLDS", "").split(",") if p),
        )
        settings.refuse_insecure()
        return settings

    def refuse_insecure(self) -> None:
        """In production no trial default may stand. Raises BadSetting naming the first that does."""
        if self.env != "production":
            return
        wrong = {
            "BASE_URL": not self.base_url.startswith("https://"),
            "DATABASE_URL": not self.database_url,
            "SEAL_DATABASE_URL": not self.seal_database_url,
            "MESSENGER": self.messenger == "outbox",
            "STAMP_URLS": not self.stamp_urls,
            "SECRET_KEY": len(self.secret_key) < 32,
            "STORAGE_KEY": len(self.storage_key) != 32,
        }
        for name, bad in wrong.items():
            if bad:
                raise BadSetting(f"{name}: the trial default (or nothing) stands here; ENV=production refuses it")


def _secret(env: Mapping[str, str], name: str, home: Path) -> str:
    if name in env and f"{name}_FILE" in env:
        raise BadSetting(f"{name}: given twice, as {name} and as {name}_FILE")
    if path := env.get(f"{name}_FILE"):
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise BadSetting(f"{name}_FILE: {error.strerror}: {path}") from error
    kept = home / "secrets" / name.lower()
    if name not in env and kept.is_file():
        return kept.read_text().strip()
    return env.get(name, "")


def _identity_service(env: Mapping[str, str], secret: str) -> dict[str, Any]:
    """All four or none, on a wire that nobody reads along. Raises BadSetting."""
    url, client = env.get("IDENTITY_SERVICE_URL", ""), env.get("IDENTITY_SERVICE_CLIENT", "")
    key = env.get("IDENTITY_SERVICE_KEY", "")
    if not url:
        return {}
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise BadSetting(f"IDENTITY_SERVICE_URL: {url!r} is not HTTPS; names and numbers go there")
    if not client or not key or not secret:
        raise BadSetting("IDENTITY_SERVICE_URL: needs IDENTITY_SERVICE_CLIENT, _SECRET and _KEY beside it")
    return {
        "identity_service_url": url,
        "identity_service_client": client,
        "identity_service_secret": _long_enough("IDENTITY_SERVICE_SECRET", secret, 16),
        "identity_service_key": Path(key),
    }


def _relays(raw: str, secret: str) -> tuple[str, ...]:
    """Raises BadSetting."""
    urls = tuple(one.strip() for one in raw.split(",") if one.strip())
    if wrong := [one for one in urls if not one.startswith(("turn:", "turns:"))]:
        raise BadSetting(f"TURN_URLS: {wrong[0]!r} is no address such as turn:turn.example:3478")
    if urls and not secret:
        raise BadSetting("TURN_URLS: needs TURN_SECRET beside it")
    return urls


def _number(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    raw = env.get(name) or str(default)
    if not raw.isdecimal() or not low <= int(raw) <= high:
        raise BadSetting(f"{name}: {raw!r} is not a whole number from {low} to {high}")
    return int(raw)


def _choice(env: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    raw = env.get(name) or default
    if raw not in allowed:
        raise BadSetting(f"{name}: {raw!r} is none of {', '.join(allowed)}")
    return raw


def _addresses(raw: str) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_address(one.strip())) for one in raw.split(",") if one.strip())
    except ValueError as error:
        raise BadSetting(f"TRUSTED_PROXIES: {error}") from error


def _long_enough(name: str, value: str, least: int) -> str:
    if value and (len(value) < least or '"' in value):
        raise BadSetting(f"{name}: not {least} characters or more without quotation marks")
    return value


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise BadSetting(f"BASE_URL: {url!r} is no origin such as https://notary.example")
    return f"{parts.scheme}://{parts.netloc}"


def _hex(raw: str) -> bytes:
    if not raw:
        return b""
    try:
        key = bytes.fromhex(raw)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise BadSetting("STORAGE_KEY: not 64 hexadecimal digits")
    return key
