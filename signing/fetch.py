"""One HTTP exchange with a service that may be down, slow or lying: bounded in bytes and in time as a whole.

A read time-out alone does not bound anything: a byte every few seconds would hold a deed for ever. So a watchman
cuts the line when the time is over, whatever the other side does: headers, body or TLS handshake.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from functools import cache
from urllib.parse import urlsplit


class NoAnswer(Exception):
    """Nothing usable came; the message says what happened, without the answer's own words."""


def exchange(url: str, body: bytes | None, sends: str, expects: str, *, limit: int, seconds: float) -> bytes:
    """POST `body` (GET where None) -> the answer's bytes. NoAnswer: no 200, another type, too large, too slow.

    `url` comes from settings or from a certificate of a chain that was checked, never from users. No redirect,
    no proxy of the environment.
    """
    try:
        where = urlsplit(url)
        port = where.port or (443 if where.scheme == "https" else 80)
    except ValueError:
        raise NoAnswer("not an HTTP address") from None
    if where.scheme not in ("http", "https") or not where.hostname:
        raise NoAnswer("not an HTTP address")
    over = threading.Event()
    try:
        line = socket.create_connection((where.hostname, port), timeout=seconds)
    except OSError as wrong:
        raise NoAnswer(f"cannot connect: {wrong}") from None
    if where.scheme == "https":
        line = _tls().wrap_socket(line, server_hostname=where.hostname, do_handshake_on_connect=False)
    watchman = threading.Timer(seconds, _cut, (line, over))
    watchman.daemon = True
    watchman.start()
    try:
        if isinstance(line, ssl.SSLSocket):
            line.do_handshake()
        path = (where.path or "/") + (f"?{where.query}" if where.query else "")
        got = _ask(line, where.hostname, port, path, body, sends, expects, limit)
    except (OSError, http.client.HTTPException, ValueError) as wrong:
        slow = over.is_set() or isinstance(wrong, TimeoutError)
        raise NoAnswer("too slow" if slow else f"broken off: {type(wrong).__name__}") from None
    finally:
        watchman.cancel()
        line.close()
    if over.is_set():  # without a length in its head, what was cut off looks whole
        raise NoAnswer("too slow")
    return got


def _ask(
    line: socket.socket, host: str, port: int, path: str, body: bytes | None, sends: str, expects: str, limit: int
) -> bytes:
    link = http.client.HTTPConnection(host, port)
    link.sock = line
    headers = {"Accept": expects, "Connection": "close"} | ({} if body is None else {"Content-Type": sends})
    link.request("GET" if body is None else "POST", path, body, headers)
    reply = link.getresponse()
    if reply.status != 200:
        raise NoAnswer(f"HTTP {reply.status}")
    if reply.headers.get_content_type() != expects:
        raise NoAnswer("another type of answer")
    got = reply.read(limit + 1)
    if len(got) > limit:
        raise NoAnswer("answer too large")
    return got


def _cut(line: socket.socket, over: threading.Event) -> None:
    over.set()
    with contextlib.suppress(OSError):
        # the plain socket's own: that of TLS would first take the session away from whoever reads
        socket.socket.shutdown(line, socket.SHUT_RDWR)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
