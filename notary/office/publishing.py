"""The public view of the ledger: static files under `log/`, written from the database, signed by the seal's checkpoint key.

Lines first, tiles next, the checkpoint last: whatever dies on the way, the last published checkpoint still fits its files,
and the next run writes the same bytes again.
"""

from __future__ import annotations

import logging
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import sqlalchemy as sa
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import NotYet, Unavailable
from notary.jobs import here, queue
from notary.models import Case, Event
from notary.parts import Parts
from notary.seal.refusals import SealDown, SealError
from signing import proof
from signing.note import BadNote, Checkpoint, Verifier, opened, sign
from signing.tiles import WIDTH, BadTiles, Tiles, in_folder, replace, write
from signing.witness import request

log = logging.getLogger(__name__)
BATCH = 20 * WIDTH
LOG_LOCK = 0x71AD10
SECONDS = 5.0
"""What one witness may take."""


class Differs(RuntimeError):
    """The database no longer says what was published. Nothing is published until people have looked."""


def folder(parts: Parts) -> Path:
    return parts.settings.under("log")


def origin_of(parts: Parts) -> str:
    """The log's name is where its files stand, without the scheme (tlog-checkpoint)."""
    return urlsplit(parts.settings.base_url).netloc + "/log"


def verifier(parts: Parts) -> Verifier:
    return Verifier(origin_of(parts), parts.seal.public().attest["checkpoint"])


def published(parts: Parts) -> Checkpoint | None:
    """The newest checkpoint of ours; None before the first. Raises Differs when it is not signed by our key."""
    head = _newest(parts)
    return head[1] if head else None


def _newest(parts: Parts) -> tuple[str, Checkpoint] | None:
    """The newest note and what it says, read once: the next one may take its place at any moment."""
    path = folder(parts) / "checkpoint"
    if not path.exists():
        return None
    note = path.read_text()
    try:
        body, signers = opened(note, [verifier(parts)])
    except BadNote as wrong:
        raise Differs(f"the checkpoint on disk: {wrong}") from wrong
    if not signers:
        raise Differs("the checkpoint on disk is not signed by the log's key")
    return note, Checkpoint.parse(body)


def publish(parts: Parts) -> int:
    """Publishes every line that is committed; returns the log's size. Safe to run twice; beside another run it does nothing (0).

    Raises Differs, and Unavailable while fewer witnesses answer than the office asks for.
    """
    with parts.db() as db:
        if not db.scalar(sa.text("SELECT pg_try_advisory_xact_lock(:k)"), {"k": LOG_LOCK}):
            return 0
        return _publish(db, parts)


def _publish(db: Session, parts: Parts) -> int:
    before = published(parts)
    size = before.size if before else 0
    _refuse_another_past(db, parts, before)
    total = size
    while lines := db.scalars(sa.select(Event).where(Event.seq > total).order_by(Event.seq).limit(BATCH)).all():
        if [one.seq for one in lines] != list(range(total + 1, total + len(lines) + 1)):
            raise Differs(f"events: lines behind {total} are missing")
        total = write(folder(parts), total, [bytes(one.leaf) for one in lines])
        db.expire_all()
    if total == size and before is not None:
        return size
    tree = Tiles(total, in_folder(folder(parts)))
    name = verifier(parts)
    body = Checkpoint(name.name, total, tree.root()).body()
    note = sign(body, name, lambda payload: parts.seal.attest("checkpoint", payload).signature)
    note += _cosignatures(parts, tree, size, note)
    replace(folder(parts) / "checkpoint", note.encode())
    return total


def _refuse_another_past(db: Session, parts: Parts, before: Checkpoint | None) -> None:
    """The last published line must be the database's too: a restored dump does not grow a second past."""
    if before is None or before.size == 0:
        return
    tree = Tiles(before.size, in_folder(folder(parts)))
    event = db.get(Event, before.size)
    if event is None or bytes(event.leaf_hash) != tree.node(0, before.size - 1) or tree.root() != before.root:
        raise Differs(f"line {before.size} of the database is not the one that was published")


def _cosignatures(parts: Parts, tree: Tiles, size: int, note: str) -> str:
    """Lines of the witnesses that answer. Raises Unavailable when they are fewer than LOG_QUORUM."""
    lines = []
    for url in parts.settings.log_witnesses:
        try:
            lines.append(_ask(url, tree, size, note))
        except (httpx.HTTPError, ValueError) as error:
            log.warning("witness %s: %s", url, error)
    if len(lines) < parts.settings.log_quorum:
        raise Unavailable(
            f"{len(lines)} of {parts.settings.log_quorum} witnesses signed; the checkpoint stays as it is"
        )
    return "".join(lines)


def _ask(url: str, tree: Tiles, size: int, note: str) -> str:
    """One cosignature. A witness that has seen another size says so (409) and is asked once more from there."""
    for _try in range(2):
        answer = httpx.post(
            f"{url}/add-checkpoint", content=request(size, tree.consistency(size), note), timeout=SECONDS
        )
        if answer.status_code != 409:
            break
        size = int(answer.text)
    if answer.status_code != 200:
        raise ValueError(f"{answer.status_code} {answer.text.strip()[:200]}")
    return answer.text


def proof_of(db: Session, parts: Parts, case: Case) -> bytes:
    """That the case's deed, as its file is now, stands in the public log; whoever asks first has the line published.

    Raises NotYet when it cannot be published now.
    """
    from flask_babel import gettext as _

    query = sa.select(Event).where(Event.case_id == case.id, Event.kind.in_(("case.issue", "deed.renewed")))
    event = db.scalar(query.order_by(Event.seq.desc()).limit(1))
    try:
        head = _newest(parts)
        if event is not None and (head is None or head[1].size < event.seq):
            publish(parts)
            head = _newest(parts)
        if event is not None and head is not None and head[1].size >= event.seq:
            return _proved(event, *head, parts)
    except (SealError, Unavailable, Differs, BadTiles, OSError) as away:  # the deed itself is no worse for that
        log.warning("no proof could be made: %s", away)
    raise NotYet((_("公开日志里的这一行，一分钟内发布"),))


def _proved(event: Event, note: str, head: Checkpoint, parts: Parts) -> bytes:
    tree = Tiles(head.size, in_folder(folder(parts)))
    private = ledger.private_of(event.kind, event.case_id, event.actor, event.role, event.payload)
    return proof.made(
        bytes(event.leaf), event.seq - 1, head.size, tree.inclusion(event.seq - 1), note, bytes(event.salt), private,
    )  # fmt: skip


def checkpoint_key(parts: Parts) -> str:
    """The log's verifier key, for monitors and witnesses."""
    return str(verifier(parts))


@queue.periodic(cron="* * * * *")
@queue.task(name="publish-log", queueing_lock="publish-log")
def publish_log(timestamp: int) -> None:
    """Every minute. What differs is said loudly and again until somebody looks; a seal that is away is asked again."""
    try:
        publish(here())
    except (SealDown, Unavailable) as away:
        log.warning("the log was not published: %s", away)
