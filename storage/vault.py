"""
Encryption of everything that belongs to a case.

One 256-bit data key a case, wrapped by the office's storage key. Each box is sealed under a key of its own,
derived from the data key and a fresh 128-bit salt (HKDF-SHA-256, RFC 5869), and used for that one box, so
no AES-GCM nonce is ever used twice under a key however many boxes a case has.

Box: version 0x01 | salt (16) | AES-256-GCM ciphertext and tag (16). Hashes elsewhere are of the plaintext.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from storage.errors import BadBox

KEY_BYTES = 32
OVERHEAD = 1 + 16 + 16
_VERSION = b"\x01"
_NONCE = bytes(12)  # constant by design: the derived key seals exactly one box
_WRAPPING = b"yuanzheng data key"


def new_data_key() -> bytes:
    """A fresh key for one case, 32 bytes."""
    return os.urandom(KEY_BYTES)


def aad(case: str, name: str, index: int = 0, total: int = 1) -> bytes:
    """What a box is bound to: case, name, and its place among its parts.

    `total` 0 is a stream whose end is not known yet. Lengths go before texts, so no two places look alike.
    """
    texts = b"".join(len(t).to_bytes(4, "big") + t for t in (case.encode(), name.encode()))
    return texts + index.to_bytes(8, "big") + total.to_bytes(8, "big")


def encrypt(data_key: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """Seal `plaintext` to the place `aad`; OVERHEAD bytes longer. ValueError if the key is not 32 bytes."""
    salt = os.urandom(16)
    return _VERSION + salt + AESGCM(_derive(data_key, salt)).encrypt(_NONCE, plaintext, aad)


def decrypt(data_key: bytes, box: bytes, aad: bytes) -> bytes:
    """Open a box of `encrypt`. Raises BadBox: cut short, unknown version, another key or place, changed."""
    if len(box) < OVERHEAD:
        raise BadBox("an encrypted object is cut short")
    if box[:1] != _VERSION:
        raise BadBox(f"an encrypted object of unknown version {box[0]}")
    try:
        return AESGCM(_derive(data_key, box[1:17])).decrypt(_NONCE, box[17:], aad)
    except InvalidTag:
        raise BadBox("an encrypted object does not open: another key, another place, or changed") from None


def wrap(data_key: bytes, storage_key: bytes, case: str = "") -> bytes:
    """The data key sealed under the storage key and bound to its case, to be kept beside it."""
    _check(data_key)
    return encrypt(storage_key, data_key, _WRAPPING + aad(case, "key"))


def unwrap(wrapped: bytes, storage_key: bytes, case: str = "") -> bytes:
    """The data key of `wrap`. Raises BadBox on another storage key or another case."""
    return decrypt(storage_key, wrapped, _WRAPPING + aad(case, "key"))


def _check(key: bytes) -> None:
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")


def _derive(key: bytes, salt: bytes) -> bytes:
    _check(key)
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=b"yuanzheng box v1").derive(key)
