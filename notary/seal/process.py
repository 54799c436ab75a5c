"""The process around the vault: a Unix socket, one JSON line per request, root only until everything is
open."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import pwd
import socketserver
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from notary.seal.refusals import BadRequest, SealError
from notary.seal.vault import Vault

LONGEST = 48_000_000
"""A line: a body of 30 MB in base64 and a little."""
log = logging.getLogger("notary.seal")


def answer(vault: Vault, line: bytes) -> dict[str, Any]:
    """One request -> one answer; never an exception, never a word about keys."""
    try:
        call = json.loads(line)
        if not isinstance(call, dict):
            raise BadRequest
        act = ACTS.get(str(call.get("act")))
        if act is None:
            raise BadRequest("no such act")
        return {"ok": True, **act(vault, call)}
    except SealError as no:
        return {"ok": False, "error": no.code, "words": no.words, "problems": list(no.problems)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {"ok": False, "error": BadRequest.code, "words": BadRequest.words, "problems": []}
    except Exception as wrong:  # the process outlives every request
        log.exception("seal failed")
        return {
            "ok": False,
            "error": SealError.code,
            "words": f"seal failed: {type(wrong).__name__}",
            "problems": [],
        }


def _issue(vault: Vault, call: Mapping[str, Any]) -> dict[str, Any]:
    deed = vault.issue(_text(call, "case_id"), base64.b64decode(call["body"], validate=True), call.get("activation"))
    return {"deed": base64.b64encode(deed).decode()}


def _renew(vault: Vault, call: Mapping[str, Any]) -> dict[str, Any]:
    renewed = vault.renew(base64.b64decode(call["deed"], validate=True))
    return {"deed": base64.b64encode(renewed).decode()}


def _activate(vault: Vault, call: Mapping[str, Any]) -> dict[str, Any]:
    vault.activate(_text(call, "notary_id"), [str(c) for c in call["case_ids"]], call["activation"])
    return {}


def _code(vault: Vault, call: Mapping[str, Any]) -> dict[str, Any]:
    from notary.seal.vault import _entries

    vault.send_code(_text(call, "notary_id"), _entries(call))
    return {}


def _attest(vault: Vault, call: Mapping[str, Any]) -> dict[str, Any]:
    payload = base64.b64decode(call["payload"], validate=True)
    signature, key_id = vault.attest(_text(call, "purpose"), payload)
    return {"signature": base64.b64encode(signature).decode(), "key_id": key_id}


def _public(vault: Vault, _call: Mapping[str, Any]) -> dict[str, Any]:
    keys = {p: base64.b64encode(k.public).decode() for p, k in vault.keys.attest.items()}
    return {"trust": vault.keys.root_pem.decode(), "attest": keys, "test_keys": vault.test_keys}


def _standing(vault: Vault, _call: Mapping[str, Any]) -> dict[str, Any]:
    shown, known = vault.standing()
    return {
        "certificates": [
            {"use": one.use, "who": one.who, "der": _b64(one.cert.public_bytes(Encoding.DER))} for one in shown
        ],
        "lists": [_b64(raw) for raw in known.crls],
        "answers": [_b64(raw) for raw in known.ocsps],
        "ceremony": vault.keys.ceremony,
    }


def _trust_bundle(vault: Vault, call: Mapping[str, Any]) -> dict[str, Any]:
    witnesses = tuple(str(one)[:300] for one in call.get("witnesses", ())[:16])
    return {"bundle": _b64(vault.trust_bundle(witnesses))}


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _begin(vault: Vault, call: Mapping[str, Any]) -> dict[str, Any]:
    return {"challenge": base64.b64encode(vault.begin_enrolment(_text(call, "person_id"))).decode()}


def _finish(vault: Vault, call: Mapping[str, Any]) -> dict[str, Any]:
    vault.finish_enrolment(_text(call, "person_id"), call["credential"], call["proof"])
    return {}


def _passkeys(vault: Vault, call: Mapping[str, Any]) -> dict[str, Any]:
    return {"passkeys": vault.people.credentials(_text(call, "person_id"))}


def _activated(vault: Vault, call: Mapping[str, Any]) -> dict[str, Any]:
    return {"activated": vault.activated(_text(call, "number"), _text(call, "body_sha256"))}


def _add(vault: Vault, call: Mapping[str, Any]) -> dict[str, Any]:
    passphrase = str(call["passphrase"]).encode() if call.get("passphrase") else None
    add = vault.add_notary if call["act"] == "add-notary" else vault.add_witness
    add(_text(call, "person_id"), _text(call, "name"), passphrase)
    return {}


ACTS: Mapping[str, Callable[[Vault, Mapping[str, Any]], dict[str, Any]]] = {
    "issue": _issue,
    "renew": _renew,
    "activate": _activate,
    "activated": _activated,
    "code": _code,
    "attest": _attest,
    "public": _public,
    "standing": _standing,
    "trust-bundle": _trust_bundle,
    "enrol-begin": _begin,
    "enrol-finish": _finish,
    "passkeys": _passkeys,
    "add-notary": _add,
    "add-witness": _add,
}


def _text(call: Mapping[str, Any], name: str) -> str:
    value = call[name]
    if not isinstance(value, str) or not 0 < len(value) <= 200 or any(c < " " for c in value):
        raise BadRequest(f"{name} is no plain text")
    return value


class Door(socketserver.ThreadingUnixStreamServer):
    """`mode` of the socket file decides who may call; there is no other listener."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: Path, vault: Vault, *, mode: int = 0o600, group: int | None = None) -> None:
        path.unlink(missing_ok=True)  # of a killed run; the caller holds the lock that says we are alone
        old = os.umask(0o177)
        try:
            super().__init__(str(path), _Line)
        finally:
            os.umask(old)
        if group is not None:
            os.chown(path, -1, group)
        path.chmod(mode)
        self.vault = vault


class _Line(socketserver.StreamRequestHandler):
    timeout = 120

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Door)
        with contextlib.suppress(OSError):
            while line := self.rfile.readline(LONGEST):
                if not line.endswith(b"\n"):
                    return  # too long, or half a request of somebody who died
                said = json.dumps(answer(server.vault, line), ensure_ascii=False).encode()
                self.wfile.write(said + b"\n")


def drop(user: str) -> None:
    """For good: groups, group, user; and no way back through set-uid files or core dumps."""
    import ctypes
    import resource

    who = pwd.getpwnam(user)
    os.setgroups([])
    os.setresgid(who.pw_gid, who.pw_gid, who.pw_gid)
    os.setresuid(who.pw_uid, who.pw_uid, who.pw_uid)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, dumpable = 38, 4  # prctl(2)
    for option, value in ((no_new_privileges, 1), (dumpable, 0)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    if os.getresuid() != (who.pw_uid,) * 3:
        raise PermissionError("privilege was not dropped")


def run(door: Door, stop: threading.Event | None = None) -> None:
    """Serves until `stop` is set or the process is told to end."""
    if stop is not None:

        def end() -> None:
            stop.wait()
            door.shutdown()

        threading.Thread(target=end, daemon=True).start()
    with door:
        door.serve_forever(poll_interval=0.2)
