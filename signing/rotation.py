"""One key takes over from another without a gap: both stand ready, and the day on which the new certificate begins decides.

Nothing is taken back. The old certificate keeps verifying, its status service and list keep answering for it, and what it signed
stays signed; only its key goes when it is retired.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form

from signing import kinds, request
from signing.keyfile import named_in_module, sync_folder, write_whole
from signing.places import Place, chain_in
from signing.request import BadRequest


def rotate(
    folder: Path,
    passphrase: bytes,
    where: Place,
    *,
    begins: datetime,
    now: datetime,
    kind: kinds.Kind = kinds.P256,
    module: str | None = None,
) -> Path:
    """A new key for `where` by the office's own authority, ready to take over at `begins` -> its file. Safe to repeat.

    BadRequest where that would leave a time without a key; FileExistsError where one waits already.
    """
    if where.next.exists():
        raise FileExistsError(17, "a key waits there already to take over", str(where.next))
    chain = chain_in(where.path)
    if begins > chain[0].not_valid_after_utc:
        raise BadRequest(f"the key before it ends on {chain[0].not_valid_after_utc:%F}: nobody could sign in between")
    wanted = request.ask(where, passphrase, chain[0].subject, kind=kind, module=module)
    new = request.issue(folder, passphrase, wanted, where.role, begins=max(begins, now))
    given = b"".join(c.public_bytes(form.Encoding.PEM) for c in new)
    return request.install(where, passphrase, given, (chain[-1],), now)


def retire(folder: Path, where: Place, now: datetime) -> tuple[Path, str | None]:
    """The key that was taken over from goes, its chain stays under `former/` -> (that chain's file, URI of a key in a module).

    A key in a module is for whoever keeps the module to destroy. BadRequest while the new one has not begun.
    """
    if not where.next.exists():
        raise BadRequest("no key waits there to take over")
    begins = chain_in(where.next)[0].not_valid_before_utc
    if begins > now:
        raise BadRequest(f"the new key takes over on {begins:%F} only")
    old = chain_in(where.path)
    named = named_in_module(where.path)
    kept = folder / "former" / f"{old[0].fingerprint(hashes.SHA256()).hex()}.pem"
    kept.parent.mkdir(mode=0o700, exist_ok=True)
    write_whole(kept, b"".join(c.public_bytes(form.Encoding.PEM) for c in old), 0o644)
    where.next.replace(where.path)
    sync_folder(where.path.parent)
    return kept, named[0] if named else None
