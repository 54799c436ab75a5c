"""Blocking client of seal, for web and work. One connection a call; every refusal is an exception of
`refusals`."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notary.seal.activation import ByCode, ByPasskey, Entry
from notary.seal.process import LONGEST
from notary.seal.refusals import KINDS, SealDown, SealError


@dataclass(frozen=True)
class Attestation:
    """`signature`: 64 bytes, Ed25519 over the very payload. `key_id`: see `signing.keys.key_id`."""

    signature: bytes
    key_id: str


@dataclass(frozen=True)
class Public:
    """What everybody may know: root certificate (PEM), attest keys (32 bytes each) by purpose."""

    trust_pem: bytes
    attest: dict[str, bytes]
    test_keys: bool


@dataclass(frozen=True)
class Certificate:
    """`use`: seal, notary, tsu, status, trust, issuing or root. `who`: a notary's id. `der`: the certificate."""

    use: str
    who: str
    der: bytes


@dataclass(frozen=True)
class Standing:
    """What the office's signatures live by today. `lists`, `answers`: CRLs and OCSP answers, DER."""

    certificates: tuple[Certificate, ...]
    lists: tuple[bytes, ...]
    answers: tuple[bytes, ...]
    ceremony: str | None


@dataclass(frozen=True)
class SealClient:
    """`timeout` in seconds covers one call, stamps from outside authorities included."""

    path: Path
    timeout: float = 60.0

    def issue(self, case_id: str, body: bytes, activation: ByPasskey | ByCode | None = None) -> bytes:
        """The deed. `activation` may be left out once one is on record: recovery is the same call again."""
        given = activation.json() if activation else None
        said = self._call(act="issue", case_id=case_id, body=_b64(body), activation=given)
        return base64.b64decode(said["deed"])

    def activate(self, notary_id: str, case_ids: Sequence[str], activation: ByPasskey | ByCode) -> None:
        """Puts the notary's act on record, all of `case_ids` or none."""
        self._call(act="activate", notary_id=notary_id, case_ids=list(case_ids), activation=activation.json())

    def activated(self, number: str, body_sha256: str) -> bool:
        return bool(self._call(act="activated", number=number, body_sha256=body_sha256)["activated"])

    def send_code(self, notary_id: str, entries: Sequence[Entry]) -> None:
        """Test keys only: a code appears on seal's console."""
        self._call(act="code", notary_id=notary_id, entries=[list(e) for e in entries])

    def renew(self, deed: bytes) -> bytes:
        """The deed with one more archive stamp. Opens no key. StampDown, StatusDown: ask again later."""
        return base64.b64decode(self._call(act="renew", deed=_b64(deed))["deed"])

    def attest(self, purpose: str, payload: bytes) -> Attestation:
        said = self._call(act="attest", purpose=purpose, payload=_b64(payload))
        return Attestation(base64.b64decode(said["signature"]), said["key_id"])

    def public(self) -> Public:
        said = self._call(act="public")
        keys = {p: base64.b64decode(k) for p, k in said["attest"].items()}
        return Public(said["trust"].encode(), keys, bool(said["test_keys"]))

    def standing(self) -> Standing:
        """Every certificate with its list; nothing secret."""
        said = self._call(act="standing")
        certificates = tuple(Certificate(c["use"], c["who"], base64.b64decode(c["der"])) for c in said["certificates"])
        lists, answers = (tuple(map(base64.b64decode, said[name])) for name in ("lists", "answers"))
        return Standing(certificates, lists, answers, said["ceremony"])

    def trust_bundle(self, witnesses: Sequence[str] = ()) -> bytes:
        """What the office knows of its keys today, signed (`signing.trustbundle`)."""
        return base64.b64decode(self._call(act="trust-bundle", witnesses=list(witnesses))["bundle"])

    def add_notary(self, notary_id: str, name: str, passphrase: str | None = None) -> None:
        """A signing key for a notary; the enrolment code appears on seal's console."""
        self._call(act="add-notary", person_id=notary_id, name=name, passphrase=passphrase)

    def add_witness(self, person_id: str, name: str, passphrase: str | None = None) -> None:
        """Somebody without a key who may stand by at a recovery; the code appears on seal's console."""
        self._call(act="add-witness", person_id=person_id, name=name, passphrase=passphrase)

    def begin_enrolment(self, person_id: str) -> bytes:
        """The challenge for navigator.credentials.create(); five minutes, once."""
        return base64.b64decode(self._call(act="enrol-begin", person_id=person_id)["challenge"])

    def finish_enrolment(self, person_id: str, credential: dict[str, Any], proof: dict[str, Any]) -> None:
        """`proof`: {"code"} | {"assertion"} | {"recovery": [{"person_id", "assertion"}, two of them]}."""
        self._call(act="enrol-finish", person_id=person_id, credential=credential, proof=proof)

    def passkeys(self, person_id: str) -> list[str]:
        """Enrolled credential ids, base64url, for allowCredentials."""
        return [str(p) for p in self._call(act="passkeys", person_id=person_id)["passkeys"]]

    def _call(self, **call: Any) -> dict[str, Any]:
        line = json.dumps(call, ensure_ascii=False).encode() + b"\n"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
                door.settimeout(self.timeout)
                door.connect(str(self.path))
                door.sendall(line)
                with door.makefile("rb") as back:
                    raw = back.readline(LONGEST)
        except OSError as wrong:
            raise SealDown(f"seal does not answer: {wrong.strerror or type(wrong).__name__}") from None
        if not raw.endswith(b"\n"):
            raise SealDown("seal broke off")
        said: dict[str, Any] = json.loads(raw)
        if not said.get("ok"):
            kind = KINDS.get(str(said.get("error")), SealError)
            raise kind(str(said.get("words")), tuple(said.get("problems", ())))
        return said


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
