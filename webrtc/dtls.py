"""
DTLS 1.2 as a server, by pyOpenSSL on memory, and the SRTP keys that come of it (RFC 5764, RFC 8827 6.5).

No socket and no clock: datagrams in, datagrams out, and when to look again. The caller hands over datagrams
of proved addresses only, which is what RFC 6347 4.2.1 wants a cookie for.
"""

import contextlib
import time
from typing import Any

import pylibsrtp
from aiortc.rtcdtlstransport import SRTP_PROFILES, certificate_digest, generate_certificate
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

MTU = 1200
DTLS_1_2 = 0xFEFD
RENEW_S = 24 * 3600
HEADER = 13  # RFC 6347 4.1: a record's
CHANGE_CIPHER_SPEC, HANDSHAKE = 20, 22
CLIENT_HELLO = 1
# what a client says in clear, and the least bytes of it: ClientHello, Certificate, CertificateVerify, ClientKeyExchange
# (RFC 5246 7.4, RFC 6347 4.2.2)
CLIENT_SAYS = {1: 42, 11: 3, 15: 4, 16: 2}
MAX_MESSAGE = 16 * 1024
MAX_RECORD = (1 << 14) + 2048
REPLAY_WINDOW = 1024
# RFC 8827 6.5 asks for the first; all are AEAD with forward secrecy
CIPHERS = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305"


class Identity:
    """The server's certificate: self-signed, known to browsers by the fingerprint in the answer (RFC 8122)."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = generate_certificate(key)
        self.made = time.monotonic()
        self.fingerprint = certificate_digest(certificate, "sha-256")
        self.context = context = SSL.Context(SSL.DTLS_METHOD)
        context.set_min_proto_version(DTLS_1_2)
        # RFC 8827 6.5 forbids renegotiation; tickets and sessions would be state that nobody uses
        context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU | SSL.OP_NO_RENEGOTIATION)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        # any certificate will do here: `Dtls` compares its fingerprint with the offer's (RFC 8827 6.5)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        context.use_certificate(certificate)
        context.use_privatekey(key)
        context.set_cipher_list(CIPHERS)
        # in our order of preference: AES-256-GCM, AES-128-GCM (RFC 7714), AES-CM with SHA-1 (RFC 5764 4.1.2)
        context.set_tlsext_use_srtp(b":".join(p.openssl_profile for p in SRTP_PROFILES))

    @property
    def old(self) -> bool:
        """Whether a new connection should be given a new certificate."""
        return time.monotonic() - self.made > RENEW_S


def begins(datagram: bytes) -> bool:
    """Whether this can be the first datagram of a handshake: a ClientHello's first fragment (RFC 6347 4.2.2)."""
    return len(datagram) >= HEADER + 12 and datagram[0] == HANDSHAKE and datagram[HEADER] == CLIENT_HELLO


class Dtls:
    """One association. `state`: handshaking, connected, failed, closed."""

    def __init__(self, identity: Identity, fingerprint: str) -> None:
        self.state = "handshaking"
        self._expected = fingerprint
        self._ssl = SSL.Connection(identity.context, None)
        self._ssl.set_accept_state()
        self._ssl.set_ciphertext_mtu(MTU)
        self.rx: Any = None
        self.tx: Any = None

    def take(self, datagram: bytes) -> list[bytes]:
        """What the browser's application sent in this datagram; the handshake goes on beside. Never raises."""
        if self.state in ("failed", "closed") or not _sound(datagram):
            return []
        said = []
        try:
            self._ssl.bio_write(datagram)
            if self.state == "handshaking":
                self._ssl.do_handshake()
                self._finish()
            while True:
                said.append(self._ssl.recv(MAX_RECORD))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.state = "closed"
        except (SSL.Error, ValueError):
            self.state = "failed"
        return said

    def send(self, data: bytes) -> None:
        """Application data; dropped if there is no association."""
        if self.state == "connected":
            try:
                self._ssl.send(data)
            except SSL.Error:
                self.state = "failed"

    def due(self) -> float | None:
        """Seconds until `again` is to be called: the retransmission timer of RFC 6347 4.2.4."""
        if self.state != "handshaking":
            return None
        return self._ssl.DTLSv1_get_timeout()

    def again(self) -> None:
        """Send the last flight again if it is time."""
        try:
            self._ssl.DTLSv1_handle_timeout()
        except SSL.Error:  # OpenSSL gives up after a dozen
            self.state = "failed"

    def close(self) -> None:
        """Say close_notify (RFC 6347 4.1.2.7, RFC 5246 7.2.1)."""
        if self.state == "connected":
            with contextlib.suppress(SSL.Error):
                self._ssl.shutdown()
            self.state = "closed"

    def outgoing(self) -> list[bytes]:
        """Datagrams to send, each of whole records and of at most MTU bytes where records allow."""
        out = bytearray()
        while True:
            try:
                out += self._ssl.bio_read(1 << 16)
            except SSL.Error:
                break
        datagrams: list[bytes] = []
        start = at = 0
        while at + HEADER <= len(out):
            end = at + HEADER + int.from_bytes(out[at + 11 : at + 13], "big")
            if end - start > MTU and at > start:
                datagrams.append(bytes(out[start:at]))
                start = at
            at = end
        if start < len(out):
            datagrams.append(bytes(out[start:]))
        return datagrams

    def _finish(self) -> None:
        """The handshake is done: whose certificate, which keys. Raises ValueError."""
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        if certificate is None or certificate_digest(certificate, "sha-256") != self._expected:
            raise ValueError("another certificate than the offer's")  # RFC 8122 6.2: no media before this
        chosen = self._ssl.get_selected_srtp_profile()
        profile = next((p for p in SRTP_PROFILES if p.openssl_profile == chosen), None)
        if profile is None:
            raise ValueError("no SRTP profile in common")
        size = 2 * (profile.key_length + profile.salt_length)
        keys = self._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", size)  # RFC 5764 4.2
        # RFC 5764 4.2: the client's half first, then the server's. The keys live as long as the association:
        # libsrtp refuses after 2**48 packets (RFC 3711 9.2), which is 6,000 years of a call
        self.rx = _session(profile, keys, 0, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        self.tx = _session(profile, keys, 1, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self.state = "connected"


def _session(profile: Any, keys: bytes, half: int, kind: int) -> Any:
    policy = pylibsrtp.Policy(
        key=profile.get_key_and_salt(keys, half), ssrc_type=kind, srtp_profile=profile.libsrtp_profile
    )
    policy.window_size = REPLAY_WINDOW
    policy.allow_repeat_tx = True  # the same packet again, for NACK; `Outgoing` never sends another under its number
    return pylibsrtp.Session(policy)


def _sound(datagram: bytes) -> bool:
    """Whether records fill the datagram exactly, and those in clear can be a client's.

    RFC 6347 4.1.2.7: what is invalid is dropped in silence; OpenSSL would end the handshake over it. An alert in
    clear may be forged, so nobody ends a handshake by one: a true one becomes a timeout.
    """
    at, size = 0, len(datagram)
    while at + HEADER <= size:
        end = at + HEADER + int.from_bytes(datagram[at + 11 : at + 13], "big")
        if datagram[at + 3 : at + 5] == b"\0\0" and not _clear(datagram[at], datagram[at + HEADER : end]):
            return False
        at = end
    return at == size > 0


def _clear(kind: int, body: bytes) -> bool:
    if kind == CHANGE_CIPHER_SPEC:
        return body == b"\x01"
    if kind != HANDSHAKE:
        return False
    at = 0
    while at + 12 <= len(body):  # RFC 6347 4.2.2: type, length, number, offset and length of the fragment
        length = int.from_bytes(body[at + 1 : at + 4], "big")
        offset = int.from_bytes(body[at + 6 : at + 9], "big")
        part = int.from_bytes(body[at + 9 : at + 12], "big")
        if not CLIENT_SAYS.get(body[at], MAX_MESSAGE + 1) <= length <= MAX_MESSAGE or offset + part > length:
            return False
        at += 12 + part
    return at == len(body) > 0
