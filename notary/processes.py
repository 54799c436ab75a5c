"""The four kinds of process, and a trial's own time-stamp and status service: what each is started with."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass, field
from subprocess import Popen

from notary import secrets
from notary.database import engine_of
from notary.settings import CHECKOUT, Settings


@dataclass
class Child:
    name: str
    command: list[str]
    environ: dict[str, str] = field(default_factory=dict)
    process: Popen[bytes] | None = None
    falls: list[float] = field(default_factory=list)
    media_worker: int = 0
    """Its number if it is a media worker, which may drain and then stays down."""


def children_of(settings: Settings) -> list[Child]:
    """In the order of starting; they are stopped in reverse."""
    python = [sys.executable, "-m"]
    found = []
    passphrase = ["--passphrase-file", str(settings.under("secrets", "seal_passphrase"))]
    keys = settings.under("keys")
    stamp_urls, status_urls = ",".join(settings.stamp_urls), ",".join(settings.status_urls)
    if not settings.stamp_urls:
        port = free_port()
        stamp_urls = f"http://127.0.0.1:{port}/"
        found.append(
            Child("tsa", [*python, "signing", "tsa", "--keys", str(keys / "tsu"), "--port", str(port), *passphrase])
        )
    if settings.trial and not settings.status_urls:
        port = free_port()
        status_urls = f"http://127.0.0.1:{port}"
        command = [*python, "signing", "status", "--keys", str(keys / "status"), "--authority", str(keys)]
        found.append(Child("status", [*command, "--port", str(port), *passphrase]))
    return [
        *found,
        Child("seal", [*python, "notary", "seal"], {"STAMP_URLS": stamp_urls, "STATUS_URLS": status_urls}),
        *(
            Child(f"media-{number}", media_command(settings, number), media_worker=number)
            for number in range(1, settings.media_workers + 1)
        ),
        Child("work", [*python, "notary", "work"]),
        Child("web", web_command(settings)),
    ]


def media_command(settings: Settings, number: int) -> list[str]:
    """Worker `number`, 1 for the first: a socket and a port of its own, the recordings in common."""
    port = settings.media_port + number - 1 if settings.media_port else 0
    return [
        sys.executable, "-m", "webrtc", "serve", "--socket", str(settings.media_sockets[number - 1]),
        "--rec", str(settings.under("recordings")), "--host", settings.media_host,
        "--engine", settings.media_engine, "--udp-port", str(port), "--public-host", settings.media_public_host,
    ]  # fmt: skip


def web_command(settings: Settings) -> list[str]:
    return [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", settings.host, "--port", str(settings.port),
        "--workers", str(settings.web_workers), "--blocking-threads", "16", "--backpressure", "64", "--no-ws",
        "--log-level", "error", "wsgi:app",
    ]  # fmt: skip


def web(settings: Settings) -> int:
    os.chdir(CHECKOUT)
    os.execv(sys.executable, web_command(settings))


def seal(settings: Settings) -> int:
    """The only process that opens a signing key. It never learns the storage key."""
    from cryptography import x509

    from notary.register import DatabaseReader
    from notary.seal.serve import serve
    from signing.keys import authorities, is_test_authority, root_pem
    from signing.stamp import HttpStamper
    from signing.status import HttpStatus

    folder = settings.under("keys")
    if not settings.trial and is_test_authority(folder):
        print("seal: these are the built-in test keys; ENV=production refuses them (H14)", file=sys.stderr)
        return 64
    roots = tuple(x509.load_pem_x509_certificates(root_pem(folder)))
    serve(
        folder=folder,
        passphrase=secrets.read(settings.home, "seal_passphrase").encode(),
        socket=settings.under("run", "seal.sock"),
        cases=DatabaseReader(engine_of(settings.seal_database_url, pool_size=2)),
        stamper=HttpStamper(settings.stamp_urls, roots, authorities(folder)),
        status=HttpStatus(settings.status_urls),
        test_keys=settings.trial,
        rp_id=settings.rp_id,
        origin=settings.base_url,
    )
    return 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
