"""What an auditor with the database asks: does every row that matters still say what the ledger was told?

`python -m notary audit`. The public log proves that the ledger was not rewritten (signing/monitor.py); this proves that the
tables follow the ledger, and the files the tables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import Refusal
from notary.models import Case, Deed, Event, Interview, Notice, Number, NumberState, Review, Series, Standing
from notary.office import bundling, issuing
from notary.parts import Parts, parts_from
from notary.seal.refusals import SealError
from notary.settings import Settings
from signing.note import BadNote
from signing.tiles import BadTiles
from webrtc import journal


def faults(db: Session, parts: Parts) -> list[str]:
    """Every fault by the name of its row; empty when all agree. Recordings are read whole: minutes a hundred cases."""
    found = ledger.faults(db)
    for check in (_published, _deeds, _numbers, _reviews, _approvals, _recordings):
        found += check(db, parts)
    return found


def _published(db: Session, parts: Parts) -> Iterator[str]:
    from notary.office import publishing
    from signing.tiles import Tiles, in_folder

    try:
        head = publishing.published(parts)
        if head is None:
            return
        tree = Tiles(head.size, in_folder(publishing.folder(parts)))
        for event in db.scalars(sa.select(Event).where(Event.seq <= head.size).order_by(Event.seq)):
            if tree.node(0, event.seq - 1) != bytes(event.leaf_hash):
                yield f"events: line {event.seq} is not the one that was published"
        if (last := db.scalar(sa.select(sa.func.max(Event.seq))) or 0) < head.size:
            yield f"events: {head.size} lines were published, {last} are there"
    except (publishing.Differs, BadTiles, BadNote, OSError) as wrong:
        yield f"log: {wrong}"


def _last(db: Session, case_id: object, *kinds: str) -> Event | None:
    query = sa.select(Event).where(Event.case_id == case_id, Event.kind.in_(kinds))
    return db.scalar(query.order_by(Event.seq.desc()).limit(1))


def _deeds(db: Session, parts: Parts) -> Iterator[str]:
    for deed in db.scalars(sa.select(Deed)):
        told = _last(db, deed.case_id, "case.issue", "deed.renewed")
        if told is None or (told.payload.get("number"), told.payload.get("sha256")) != (deed.number, deed.sha256):
            yield f"deeds: {deed.number}: number or file hash is not what was logged at its issue or renewal"
        last = _last(db, deed.case_id, *(f"deed.{one}" for one in Standing))
        logged = last.kind.removeprefix("deed.") if last else "valid"
        if logged != str(deed.standing):
            yield f"deeds: {deed.number}: stands as {deed.standing}, logged as {logged}"
        try:
            issuing.deed_bytes(parts, db.get_one(Case, deed.case_id), deed)
        except Refusal:
            yield f"deeds: {deed.number}: its file is gone or another"


def _numbers(db: Session, parts: Parts) -> Iterator[str]:
    for series in db.scalars(sa.select(Series)):
        counted = sa.union_all(*(sa.select(one.n).where(one.series_id == series.id) for one in (Number, Notice)))
        have = sorted(db.scalars(counted))
        if have != list(range(1, series.last + 1)):
            yield f"numbers: series {series.year}{series.letter} does not count from 1 to {series.last}"
    for number in db.scalars(sa.select(Number)):
        if number.state == NumberState.ISSUED:
            told = _last(db, number.case_id, "deed.activated")
            if told is None or (told.payload.get("number"), told.payload.get("body")) != (
                number.text,
                number.body_sha256,
            ):
                yield f"numbers: {number.text}: issued over a body that its notary's activation does not name"
            try:
                if not parts.seal.activated(number.text, number.body_sha256):
                    yield f"numbers: {number.text}: the seal knows no activation of this body"
            except SealError as error:
                yield f"seal: {error}"
        if number.state == NumberState.VOID and _last(db, number.case_id, "number.voided", "case.void") is None:
            yield f"numbers: {number.text}: void without a line in the ledger"


def _reviews(db: Session, parts: Parts) -> Iterator[str]:
    acts = {"revoked": "case.revoke", "corrected": "case.correct", "upheld": "case.uphold"}
    for review in db.scalars(sa.select(Review).where(Review.outcome != "")):
        told = _last(db, review.case_id, *acts.values())
        logged = (told.kind, told.payload.get("decision"), told.payload.get("corrections", [])) if told else ()
        if logged != (acts.get(review.outcome), review.decision, review.corrections):
            yield f"reviews: {review.id}: outcome or decision is not what was logged"


def _approvals(db: Session, parts: Parts) -> Iterator[str]:
    for case in db.scalars(sa.select(Case).where(Case.approver_id.is_not(None))):
        told = _last(db, case.id, "case.approve")
        if told is None or not told.actor.endswith(str(case.approver_id)):
            yield f"cases: {case.reference}: approved by somebody else than the ledger says"


def _recordings(db: Session, parts: Parts) -> Iterator[str]:
    sealed = {one.payload["manifest"] for one in db.scalars(sa.select(Event).where(Event.kind == "recording.sealed"))}
    for interview in db.scalars(sa.select(Interview).where(Interview.closed_at.is_not(None))):
        body = ledger.canonical(interview.manifest)
        if hashlib.sha256(body).hexdigest() != interview.manifest_sha256 or interview.manifest_sha256 not in sealed:
            yield f"interviews: {interview.id}: its manifest is not the one that was sealed and logged"
            continue
        listed = {journal.file_name(one): one["sha256"] for one in interview.manifest.get("segments", [])}
        try:
            files = bundling.recordings(parts, db.get_one(Case, interview.case_id), interview)
        except Refusal:
            yield f"interviews: {interview.id}: its recording is damaged or another"
            continue
        for name, sha256 in listed.items():
            if name not in files or hashlib.sha256(files[name]).hexdigest() != sha256:
                yield f"interviews: {interview.id}: segment {name} is not the one of the manifest"


def main(settings: Settings) -> int:
    """Exit 0 when everything agrees, 1 with one line a fault."""
    parts = parts_from(settings)
    with parts.db() as db:
        found = faults(db, parts)
    for one in found:
        print(one)
    print(f"{len(found)} faults" if found else "every row says what the ledger was told")
    return 1 if found else 0
