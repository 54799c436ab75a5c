"""Keys and chains on disk: PKCS#8 under PBES2 with scrypt (RFC 8018, RFC 7914), 0600, written whole.

One file holds the encrypted key and its chain, leaf first, so a crash cannot leave one without the other.
`cryptography` reads this form but writes only PBKDF2 with 2,048 rounds, hence the few lines of DER here.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

SCRYPT = {"n": 1 << 14, "r": 8, "p": 1}
"""16 MB and about 40 ms a key: paid once when a process starts."""

BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s.+?-----END \1-----\s*", re.DOTALL)


class BadKeyFile(Exception):
    """A key file that cannot be used: missing, damaged, wrong passphrase, wrong kind."""


def write_key(path: Path, key: Any, passphrase: bytes, chain: Iterable[x509.Certificate] = ()) -> None:
    """`key`: a private key of `cryptography`. Refuses to replace a file."""
    if path.exists():
        raise FileExistsError(path)
    certs = b"".join(c.public_bytes(form.Encoding.PEM) for c in chain)
    write_whole(path, _pem(b"ENCRYPTED PRIVATE KEY", encrypt(key, passphrase)) + certs)


def read_key(path: Path, passphrase: bytes) -> tuple[Any, tuple[x509.Certificate, ...]]:
    """-> (private key, chain leaf first). The key must be the one of the first certificate."""
    try:
        raw = path.read_bytes()
    except OSError as wrong:
        raise BadKeyFile(f"{path.name}: {wrong.strerror}") from None
    try:
        blocks = [(m[1], m[0]) for m in BLOCK.finditer(raw)]
        keys = [b for kind, b in blocks if kind.endswith(b"PRIVATE KEY")]
        chain = tuple(x509.load_pem_x509_certificate(b) for kind, b in blocks if kind == b"CERTIFICATE")
        if len(keys) != 1:
            raise BadKeyFile(f"{path.name}: {len(keys)} private keys, expected one")
        key = form.load_pem_private_key(keys[0], passphrase)
    except (ValueError, TypeError):
        raise BadKeyFile(f"{path.name}: damaged, or the passphrase is another") from None
    if chain and chain[0].public_key() != key.public_key():
        raise BadKeyFile(f"{path.name}: the key is not the certificate's")
    return key, chain


def named_in_module(path: Path) -> tuple[str, tuple[x509.Certificate, ...]] | None:
    """(PKCS#11 URI, chain leaf first) of a file that names a key instead of holding one; None for any other file.

    Raises BadKeyFile.
    """
    try:
        raw = path.read_bytes()
        if not raw.startswith(b"pkcs11:"):
            return None
        uri, _, rest = raw.partition(b"\n")
        return uri.decode().strip(), tuple(x509.load_pem_x509_certificates(rest)) if rest.strip() else ()
    except OSError as wrong:
        raise BadKeyFile(f"{path.name}: {wrong.strerror}") from None
    except ValueError:
        raise BadKeyFile(f"{path.name}: damaged behind its PKCS#11 URI") from None


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Temporary file beside it, fsync, rename, fsync of the folder."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(fd, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def encrypt(key: Any, passphrase: bytes) -> bytes:
    """EncryptedPrivateKeyInfo, DER."""
    if not passphrase:
        raise BadKeyFile("a key is never written without a passphrase")
    plain = key.private_bytes(form.Encoding.DER, form.PrivateFormat.PKCS8, form.NoEncryption())
    salt, iv = os.urandom(16), os.urandom(16)
    secret = Scrypt(salt=salt, length=32, **SCRYPT).derive(passphrase)
    pad = padding.PKCS7(128).padder()
    lock = Cipher(algorithms.AES(secret), modes.CBC(iv)).encryptor()
    hidden = lock.update(pad.update(plain) + pad.finalize()) + lock.finalize()
    kdf = _seq(_SCRYPT, _seq(_octets(salt), *(_int(SCRYPT[k]) for k in "nrp"), _int(32)))
    return _seq(_seq(_PBES2, _seq(kdf, _seq(_AES256_CBC, _octets(iv)))), _octets(hidden))


_PBES2 = bytes.fromhex("06092a864886f70d01050d")  # 1.2.840.113549.1.5.13
_SCRYPT = bytes.fromhex("06092b06010401da47040b")  # 1.3.6.1.4.1.11591.4.11
_AES256_CBC = bytes.fromhex("060960864801650304012a")  # 2.16.840.1.101.3.4.1.42


def _tlv(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    count = (size.bit_length() + 7) // 8
    return bytes([tag, 0x80 | count]) + size.to_bytes(count, "big") + body


def _seq(*parts: bytes) -> bytes:
    return _tlv(0x30, b"".join(parts))


def _octets(data: bytes) -> bytes:
    return _tlv(0x04, data)


def _int(n: int) -> bytes:
    return _tlv(0x02, n.to_bytes(n.bit_length() // 8 + 1, "big"))


def _pem(kind: bytes, der: bytes) -> bytes:
    import base64

    body = base64.encodebytes(der).replace(b"\n", b"")
    lines = b"\n".join(body[i : i + 64] for i in range(0, len(body), 64))
    return b"-----BEGIN " + kind + b"-----\n" + lines + b"\n-----END " + kind + b"-----\n"
