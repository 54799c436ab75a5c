"""Keys in a hardware module: the same `Signer` as a key file, behind PKCS#11 (OASIS, version 2.40).

The private key never leaves the module: it is made there, cannot be read out, and signs SHA-256 digests with CKM_ECDSA or
CKM_RSA_PKCS. One session stays open, since a login costs a hundred times a signature; a module that was unplugged or restarted is opened anew
once, and what fails twice is an OSError, so that the caller tries the whole act again later.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from signing import kinds
from signing.kinds import P256, RSA3072, SIZE, Kind

Public = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class BadToken(ValueError):
    """The module, the token, the PIN or the key is not what was named; the message says which."""


@dataclass
class Token:
    """One token of one PKCS#11 module, logged in as its user; safe for threads."""

    module: str
    label: str
    pin: str = field(repr=False)
    _session: Any = field(default=None, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def run(self, work: Callable[[Any], Any]) -> Any:
        """`work(session)`, once more on a fresh session when the first one is gone. Raises OSError, BadToken."""
        import pkcs11

        with self._lock:
            for last in (False, True):
                try:
                    return work(self._open())
                except BadToken:
                    raise
                except pkcs11.exceptions.PKCS11Error as wrong:
                    self.close()
                    if last:
                        raise OSError(f"the hardware module failed: {type(wrong).__name__}") from wrong
        raise AssertionError("unreachable")

    def _open(self) -> Any:
        import pkcs11

        if self._session is not None:
            return self._session
        try:
            library = pkcs11.lib(self.module)
        except (RuntimeError, OSError, pkcs11.exceptions.PKCS11Error) as wrong:
            raise BadToken(f"{self.module}: no PKCS#11 module") from wrong
        try:
            token = library.get_token(token_label=self.label)
            try:
                self._session = token.open(user_pin=self.pin, rw=True)
            except pkcs11.exceptions.UserAlreadyLoggedIn:  # a login is the process's, not the session's
                self._session = token.open(rw=True)
        except (pkcs11.exceptions.NoSuchToken, pkcs11.exceptions.MultipleTokensReturned) as wrong:
            raise BadToken(f"{self.label}: no such token, or two of that name") from wrong
        except pkcs11.exceptions.PinIncorrect as wrong:
            raise BadToken(f"{self.label}: the PIN is wrong") from wrong
        return self._session

    def close(self) -> None:
        with self._lock:
            session, self._session = self._session, None
            if session is not None:
                with contextlib.suppress(Exception):  # a session of a module that is gone cannot be closed
                    session.close()

    def make(self, name: str, kind: Kind = P256) -> Public:
        """A new key that cannot be read out. FileExistsError where one has that name."""
        import pkcs11
        from pkcs11.util.ec import encode_named_curve_parameters

        hidden = {
            pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False, pkcs11.Attribute.SIGN: True,
            pkcs11.Attribute.DECRYPT: False, pkcs11.Attribute.UNWRAP: False,
        }  # fmt: skip
        named = {pkcs11.Attribute.LABEL: name, pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}

        def work(session: Any) -> Public:
            if list(session.get_objects(named)):
                raise FileExistsError(name)
            if kind is RSA3072:
                made = session.generate_keypair(
                    pkcs11.KeyType.RSA, kinds.RSA_BITS, store=True, label=name, private_template=hidden
                )
            else:
                curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
                domain = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
                made = domain.generate_keypair(store=True, label=name, private_template=hidden)
            return _public(made[0])

        found: Public = self.run(work)
        return found

    def public(self, name: str) -> Public | None:
        """The public half of the key `name`; None where the token has none of that name."""
        import pkcs11

        def work(session: Any) -> Public | None:
            try:
                return _public(session.get_key(label=name, object_class=pkcs11.ObjectClass.PUBLIC_KEY))
            except pkcs11.exceptions.NoSuchKey:
                return None
            except pkcs11.exceptions.MultipleObjectsReturned:
                raise BadToken(f"{name}: two keys of that name in the token") from None

        found: Public | None = self.run(work)
        return found

    def sign(self, name: str, kind: Kind, digest: bytes) -> bytes:
        """By the key `name`. BadToken where it is not there, OSError where the device fails."""
        import pkcs11

        kinds.checked(digest)

        def work(session: Any) -> bytes:
            try:
                key = session.get_key(label=name, object_class=pkcs11.ObjectClass.PRIVATE_KEY)
            except (pkcs11.exceptions.NoSuchKey, pkcs11.exceptions.MultipleObjectsReturned) as wrong:
                raise BadToken(f"{name}: no such key in the token, or two of that name") from wrong
            if (key.key_type == pkcs11.KeyType.RSA) != (kind is RSA3072):
                raise BadToken(f"{name}: the key is not the one of its certificate")
            if kind is RSA3072:
                signed: bytes = key.sign(kinds.DIGEST_INFO + digest, mechanism=pkcs11.Mechanism.RSA_PKCS)
                return signed
            raw: bytes = key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA)
            r, s = int.from_bytes(raw[:SIZE], "big"), int.from_bytes(raw[SIZE:], "big")
            return utils.encode_dss_signature(r, s)

        done: bytes = self.run(work)
        return done

    def signer(self, name: str, chain: Sequence[x509.Certificate]) -> HsmSigner:
        """The key `name` with its chain, leaf first. BadToken where it is not there or not the leaf's."""
        digest, leaf = bytes(SIZE), chain[0].public_key()
        kind = kinds.kind_of(leaf)
        if kind is None:
            raise BadToken(f"{name}: its certificate is not over a P-256 or RSA-3072 key")
        made = HsmSigner(tuple(chain), self, name, kind)
        if not kinds.holds(leaf, digest, made.sign(digest)):
            raise BadToken(f"{name}: the key is not the one of its certificate")
        return made


_tokens: dict[tuple[str, str], Token] = {}
"""One login a token and process: a second login of the same user is an error in PKCS#11."""


def open_key(uri: str, chain: Sequence[x509.Certificate]) -> HsmSigner:
    """The key that a URI names, with its chain. Raises BadToken, OSError."""
    token, name = named(uri)
    return token.signer(name, chain)


def named(uri: str) -> tuple[Token, str]:
    """Token and key of a PKCS#11 URI (RFC 7512): `pkcs11:token=T;object=K?module-path=FILE&pin-source=file:FILE`.

    The PIN stands in a file, never in the URI (7.5). Raises BadToken, OSError.
    """
    path, _, query = uri.removeprefix("pkcs11:").partition("?")
    said = _attributes(path, ";") | _attributes(query, "&")
    missing = {"token", "object", "module-path", "pin-source"} - said.keys()
    if not uri.startswith("pkcs11:") or missing or "pin-value" in said:
        raise BadToken("a key in a module is named by token, object, module-path and pin-source, and without its PIN")
    where = (said["module-path"], said["token"])
    if where not in _tokens:
        pin = Path(said["pin-source"].removeprefix("file:")).read_text().strip()
        _tokens[where] = Token(*where, pin)
    return _tokens[where], said["object"]


def _attributes(text: str, between: str) -> dict[str, str]:
    pairs = (one.partition("=") for one in text.split(between) if one)
    return {name: unquote(value) for name, _, value in pairs}


@dataclass(frozen=True)
class HsmSigner:
    """`keys.Signer` over a token."""

    chain: tuple[x509.Certificate, ...]
    token: Token = field(repr=False)
    name: str
    kind: Kind = P256

    def sign(self, digest: bytes) -> bytes:
        return self.token.sign(self.name, self.kind, digest)


def _public(key: Any) -> Public:
    from pkcs11 import KeyType
    from pkcs11.util.ec import encode_ec_public_key
    from pkcs11.util.rsa import encode_rsa_public_key

    if key.key_type == KeyType.RSA:
        numbers = serialization.load_der_public_key(encode_rsa_public_key(key))
    else:
        numbers = serialization.load_der_public_key(encode_ec_public_key(key))
    if not isinstance(numbers, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise BadToken("the module made another kind of key")
    return numbers


class _Inside:
    """As much of a private key as the library asks of one that signs a request: it goes by the module's hand.

    Where a private key itself is wanted, there is none.
    """

    def __init__(self, token: Token, name: str, public: Public) -> None:
        self._token, self._name, self._public = token, name, public

    def public_key(self) -> Any:
        return self._public

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def _signed(self, data: bytes, algorithm: object) -> bytes:
        kind = kinds.kind_of(self._public)
        if kind is None or not isinstance(algorithm, hashes.SHA256):
            raise BadToken("a key in a module signs requests by P-256 or RSA-3072 over SHA-256")
        return self._token.sign(self._name, kind, hashlib.sha256(data).digest())

    def _hidden(self, *_given: Any, **_named: Any) -> Any:
        raise BadToken("a key in a module cannot be read out")

    private_numbers = private_bytes = exchange = decrypt = _hidden

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, _memo: Any) -> Any:
        return self


class _EcInside(_Inside, ec.EllipticCurvePrivateKey):
    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public.curve  # type: ignore[union-attr]

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        return self._signed(data, signature_algorithm.algorithm)


class _RsaInside(_Inside, rsa.RSAPrivateKey):
    def sign(self, data: Any, padding: Any, algorithm: Any) -> bytes:
        if not isinstance(padding, PKCS1v15):
            raise BadToken("a key in a module signs by PKCS#1 v1.5")
        return self._signed(data, algorithm)


def private(token: Token, name: str) -> kinds.SignKey:
    """The key `name` as the library's builders take it. BadToken where there is none."""
    public = token.public(name)
    if public is None:
        raise BadToken(f"{name}: no such key in the token")
    return (_RsaInside if isinstance(public, rsa.RSAPublicKey) else _EcInside)(token, name, public)
