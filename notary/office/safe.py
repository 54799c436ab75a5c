"""Objects of a case: encrypted under the case's own key before they reach the store, hashed as plaintext."""

from __future__ import annotations

import hashlib
from uuid import uuid4

import structlog
from flask_babel import gettext as _

from notary.errors import Unavailable
from notary.models import Case
from notary.parts import Parts
from storage.errors import BadBox, NoSuchObject, StoreFull
from storage.vault import aad, decrypt, encrypt, new_data_key, unwrap, wrap

log = structlog.get_logger()


def new_key(parts: Parts, case_id: object) -> bytes:
    """A fresh data key for a case, wrapped by the storage key."""
    return wrap(new_data_key(), parts.settings.storage_key, str(case_id))


def data_key(parts: Parts, case: Case) -> bytes:
    return unwrap(case.data_key, parts.settings.storage_key, str(case.id))


def keep(parts: Parts, case: Case, family: str, data: bytes) -> tuple[str, str]:
    """Stores `data` once; returns (object key, SHA-256 hex of the plaintext).

    The object is there before the row that names it: a crash between leaves an object that nobody names.
    Raises Unavailable when the disk is full; nothing half-written is visible.
    """
    key = f"cases/{case.id}/{family}/{uuid4().hex}"
    box = encrypt(data_key(parts, case), data, aad(str(case.id), key))
    try:
        parts.store.put_once(key, box)
    except StoreFull as full:
        raise Unavailable(_("我们这里的磁盘满了，这份文件没有存下。")) from full
    return key, hashlib.sha256(data).hexdigest()


def fetch(parts: Parts, case: Case, object_key: str, sha256: str) -> bytes:
    """The plaintext of an object; its hash must be the one on record. Raises Unavailable."""
    try:
        data = decrypt(data_key(parts, case), parts.store.get(object_key), aad(str(case.id), object_key))
    except (BadBox, NoSuchObject) as lost:
        log.error("object", key=object_key, error=type(lost).__name__)
        raise Unavailable(_("这份文件现在拿不出来。请打电话给我们。")) from lost
    if hashlib.sha256(data).hexdigest() != sha256:
        log.error("object", key=object_key, error="differs")
        raise Unavailable(_("这份文件和登记的不一样，不能给您看。请打电话给我们。"))
    return data
