"""A small time-stamp authority (RFC 3161, RFC 5816) with one key of its own, for trying out and for tests.

It proves little against whoever runs it: take at least one stamp from an outside authority for real deeds.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import serialization as form

from signing import asn1_repair, kinds
from signing.keys import Signer, Turns
from signing.profile import STAMP
from signing.stamp import clock

asn1_repair.apply()
LARGEST = 4_000


class Reply(core.Sequence):  # type: ignore[misc] # asn1crypto has no types
    """TimeStampResp, RFC 3161 2.4.2; `asn1crypto` forgets that a refusal carries no token."""

    _fields: ClassVar = [
        ("status", tsp.PKIStatusInfo),
        ("time_stamp_token", cms.ContentInfo, {"optional": True}),
    ]


@dataclass(frozen=True)
class StampUnit:
    """Answers requests. Only SHA-256 imprints; the policy is ours or none is named. `accuracy`: seconds."""

    signer: Signer
    now: Callable[[], datetime] = field(default=clock)
    accuracy: int = 1
    later: tuple[Signer, ...] = ()
    """Units that take over on the day on which their certificates begin."""

    def respond(self, query: bytes) -> bytes:
        """TimeStampReq -> TimeStampResp, always an answer, also to rubbish."""
        try:
            asked = tsp.TimeStampReq.load(query, strict=True)
            imprint = asked["message_imprint"]
            algorithm = imprint["hash_algorithm"]["algorithm"].native
            digest = imprint["hashed_message"].native
            policy, nonce = asked["req_policy"].native, asked["nonce"].native
            wants_certs = bool(asked["cert_req"].native)
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return _refusal("bad_data_format")
        if algorithm != "sha256" or len(digest) != 32:
            return _refusal("bad_alg")
        if policy not in (None, STAMP):
            return _refusal("unaccepted_policy")
        token = self._token(digest, nonce, wants_certs)
        reply: bytes = Reply({"status": tsp.PKIStatusInfo({"status": "granted"}), "time_stamp_token": token}).dump()
        return reply

    def _token(self, digest: bytes, nonce: int | None, wants_certs: bool) -> Any:
        now = self.now().replace(microsecond=0)
        unit = Turns((self.signer, *self.later)).at(now) if self.later else self.signer
        leaf = asn1_x509.Certificate.load(unit.chain[0].public_bytes(form.Encoding.DER))
        info = {
            "version": "v1",
            "policy": STAMP,
            "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": digest},
            "serial_number": secrets.randbits(63) | 1 << 62,
            "gen_time": now,
            "accuracy": {"seconds": self.accuracy},
            "ordering": False,
        }
        if nonce is not None:
            info["nonce"] = nonce
        content = tsp.TSTInfo(info).dump()
        own = tsp.ESSCertIDv2({"cert_hash": hashlib.sha256(leaf.dump()).digest()})
        attrs = cms.CMSAttributes(
            [
                cms.CMSAttribute({"type": "content_type", "values": ["tst_info"]}),
                cms.CMSAttribute({"type": "message_digest", "values": [hashlib.sha256(content).digest()]}),
                cms.CMSAttribute(
                    {"type": "signing_certificate_v2", "values": [tsp.SigningCertificateV2({"certs": [own]})]}
                ),
            ]
        )
        value = unit.sign(hashlib.sha256(attrs.dump()).digest())
        kind = kinds.kind_of(unit.chain[0].public_key())
        assert kind is not None
        sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
        sid = cms.IssuerAndSerialNumber({"issuer": leaf.issuer, "serial_number": leaf.serial_number})
        signer_info = cms.SignerInfo(
            {
                "version": "v1",
                "sid": cms.SignerIdentifier({"issuer_and_serial_number": sid}),
                "digest_algorithm": sha256,
                "signed_attrs": attrs,
                "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": kind.algorithm}),
                "signature": value,
            }
        )
        signed: dict[str, Any] = {
            "version": "v3",
            "digest_algorithms": [sha256],
            "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(content)},
            "signer_infos": [signer_info],
        }
        if wants_certs:
            signed["certificates"] = [leaf]  # those above it stand once in the deed's long-term data
        return cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed)})


def _refusal(why: str) -> bytes:
    status = tsp.PKIStatusInfo({"status": "rejection", "fail_info": tsp.PKIFailureInfo({why})})
    wire: bytes = Reply({"status": status}).dump()
    return wire


def server(unit: StampUnit, port: int = 0, host: str = "127.0.0.1") -> ThreadingHTTPServer:
    """A bound HTTP server (RFC 3161 3.4); the caller runs `serve_forever`. Port 0 takes a free one."""

    class Door(BaseHTTPRequestHandler):
        timeout = 10  # seconds a silent client may hold a thread

        def do_POST(self) -> None:
            try:
                size = int(self.headers.get("Content-Length", ""))
            except ValueError:
                size = -1
            if not 0 < size <= LARGEST:
                self.send_error(413 if size > LARGEST else 411)
                return
            if self.headers.get("Content-Type", "") != "application/timestamp-query":
                self.send_error(415)
                return
            answer = unit.respond(self.rfile.read(size))
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            """Silent: requests carry digests only and come several a deed."""

    return ThreadingHTTPServer((host, port), Door)
