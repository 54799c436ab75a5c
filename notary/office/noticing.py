"""The paper of a decision about a deed: 补正公证书 or 撤销公证书决定书 (规则 art. 63), in the shape of a deed.

The decision holds from its own commit on. Its paper is rendered by a job, activated by the notary who asked for the
review, sealed by a job; each step can be repeated, and none can change what was decided.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import BadInput, NotFound, NotPossible
from notary.jobs import enqueue, job
from notary.ledger import SYSTEM, Actor
from notary.models import Case, Deed, Notice, NoticeKind, Number, Office, Person, Review
from notary.office import filing, issuing, messages, safe
from notary.parts import Parts
from notary.seal.activation import ByPasskey, Entry
from notary.seal.refusals import SealError
from signing import lint, render
from signing.verify import Trust, verify

KINDS = {"corrected": (NoticeKind.CORRECTION, "补"), "revoked": (NoticeKind.REVOCATION, "撤")}
"""Outcome of a review -> kind, and the letter of its series of numbers."""


MOST_LINES = 40
"""Of a reason, as the notice's schema has it."""


def lines_of(decision: str) -> list[str]:
    """A reason as the paper prints it, a paragraph a line."""
    return [line for line in (" ".join(one.split()) for one in decision.splitlines()) if line]


def refuse_unprintable(decision: str) -> None:
    """Before anything is decided: what the paper could not say would leave a decision without one. Raises BadInput."""
    if len(lines_of(decision)) > MOST_LINES:
        raise BadInput({"decision": _("理由太长了，最多 %(n)d 行。", n=MOST_LINES)})
    if gone := render.missing_glyphs("".join(lines_of(decision))):
        raise BadInput({"decision": _("公证书的字体里没有这个字：%(c)s", c=" ".join(gone))})


def prepare(db: Session, case: Case, deed: Deed, review: Review, now: datetime) -> Notice:
    """In the transaction of the decision: number and facts, so that the paper can say nothing else."""
    kind, letter = KINDS[review.outcome]
    office = db.get_one(Office, case.office_id)
    today = now.astimezone(ZoneInfo(office.zone)).date()
    series, text = issuing.next_number(db, office, letter, today)
    notary, said = db.get_one(Person, review.opened_by), db.get_one(Number, deed.number_id).facts
    facts: dict[str, Any] = {
        "format": "yuanzheng-notice/1",
        "kind": str(kind),
        "test": said["test"],
        "number": text,
        "code": deed.code,
        "verify_url": said["verify_url"],
        "office": {"name": office.name, "id": str(office.id)},
        "notary": {"name": notary.name, "id": str(notary.id)},
        "issued_on": today.isoformat(),
        "time_zone": office.zone,
        "concerns": {
            "number": deed.number, "sha256": deed.sha256, "issued_on": said["issued_on"],
            "matter": filing.matter_of(case).deed_title.zh,
        },
        "decision": lines_of(review.decision),
    }  # fmt: skip
    if review.corrections:
        facts["corrections"] = review.corrections
    notice = Notice(
        case_id=case.id, review_id=review.id, kind=kind, series_id=series.id, n=series.last, text=text, decided_on=today,
        facts=facts,
    )  # fmt: skip
    db.add(notice)
    db.flush()
    enqueue(db, "render-notice", notice_id=str(notice.id))
    return notice


@job("render-notice", attempts=5)
def render_notice(parts: Parts, notice_id: str) -> None:
    """Renders and lints the body that the notary will be asked to activate."""
    with parts.db() as db:
        notice = db.get_one(Notice, UUID(notice_id))
        case = db.get_one(Case, notice.case_id)
    if notice.body_sha256:
        return
    body = render.deed(notice.facts)
    if problems := lint.lint(body, number=notice.text, on=notice.decided_on.isoformat()):
        raise issuing.Unfit("; ".join(problems))
    key, sha256 = safe.keep(parts, case, "bodies", body)
    with parts.db.begin() as db:
        notice = db.get_one(Notice, UUID(notice_id), with_for_update=True)
        if not notice.body_sha256:
            notice.body_key, notice.body_sha256 = key, sha256


def of_case(db: Session, case: Case) -> list[Notice]:
    return list(db.scalars(sa.select(Notice).where(Notice.case_id == case.id).order_by(Notice.decided_on, Notice.n)))


def sealed_of(db: Session, deed: Deed) -> list[Notice]:
    """What everybody who holds number and code of the deed may read."""
    query = sa.select(Notice).where(Notice.case_id == deed.case_id, Notice.sha256.is_not(None))
    return list(db.scalars(query.order_by(Notice.sealed_at)))


def waiting_for(db: Session, case: Case, by: Actor, notice_id: UUID | None = None) -> Notice | None:
    """The paper that waits for this notary's key: the oldest, or the one that was shown."""
    query = (
        sa.select(Notice)
        .join(Review, Review.id == Notice.review_id)
        .where(
            Notice.case_id == case.id, Review.opened_by == by.id, Notice.body_sha256 != "", Notice.activation == {},
        )
    ).order_by(Notice.decided_on, Notice.n)  # fmt: skip
    if notice_id is not None:
        query = query.where(Notice.id == notice_id)
    return db.scalar(query.limit(1))


def entry_of(notice: Notice) -> Entry:
    return (notice.text, notice.body_sha256)


def body_of(parts: Parts, case: Case, notice: Notice) -> bytes:
    return safe.fetch(parts, case, notice.body_key, notice.body_sha256)


def file_of(parts: Parts, case: Case, notice: Notice) -> bytes:
    """The sealed file. Raises NotFound before it is sealed, Unavailable."""
    if notice.sha256 is None:
        raise NotFound
    return safe.fetch(parts, case, notice.object_key, notice.sha256)


def activate(
    db: Session, parts: Parts, case: Case, notice_id: UUID, assertion: dict[str, Any], by: Actor, now: datetime
) -> Notice:
    """The notary's act over exactly the body that was shown; the seal puts it on record first. Raises NotPossible, NotAllowed, Unavailable."""
    from notary.office.activating import words_of

    notice = waiting_for(db, case, by, notice_id)
    if notice is None:
        raise NotPossible(_("没有等您签的决定书，或者已经签了。请刷新。"))
    try:
        parts.seal.activate(str(by.id), [str(notice.id)], ByPasskey((entry_of(notice),), assertion))
    except SealError as error:
        raise words_of(error) from error
    notice = db.get_one(Notice, notice.id, with_for_update=True, populate_existing=True)
    if notice.activation:
        raise NotPossible(_("这一份刚刚已经签发或作废了。请刷新。"))
    notice.activation = {**ByPasskey((entry_of(notice),), assertion).json(), "given_at": now.isoformat()}
    ledger.append(
        db, "notice.activated", by, now, case_id=case.id, office_id=case.office_id,
        number=notice.text, body=notice.body_sha256,
    )  # fmt: skip
    enqueue(db, "seal-notice", notice_id=str(notice.id))
    return notice


@job("seal-notice", attempts=8)
def seal_notice(parts: Parts, notice_id: str) -> None:
    """Seals the activated body and keeps it. Run twice, or after a crash anywhere: one paper, the same bytes."""
    with parts.db() as db:
        notice = db.get_one(Notice, UUID(notice_id))
        case = db.get_one(Case, notice.case_id)
    if notice.sha256 or not notice.activation:
        return
    kept = notice.activation
    act = ByPasskey(tuple((text, sha256) for text, sha256 in kept["entries"]), kept["assertion"])
    sealed = parts.seal.issue(str(notice.id), body_of(parts, case, notice), act)
    verdict = verify(sealed, Trust.from_pem(parts.seal.public().trust_pem))
    if verdict.verdict != "valid" or verdict.kind != str(notice.kind):
        raise issuing.Unfit("; ".join(reason.code for reason in verdict.reasons))
    key, sha256 = safe.keep(parts, case, "notices", sealed)
    now = parts.clock()
    with parts.db.begin() as db:
        case = db.get_one(Case, case.id, with_for_update=True)
        notice = db.get_one(Notice, notice.id, with_for_update=True)
        if notice.sha256:
            return
        notice.object_key, notice.sha256, notice.sealed_at = key, sha256, now
        ledger.append(
            db, "notice.issued", SYSTEM, now, case_id=case.id, office_id=case.office_id,
            number=notice.text, about=notice.facts["concerns"]["sha256"], sha256=sha256,
        )  # fmt: skip
        url = f"{parts.settings.base_url}/v/{notice.facts['code']}"
        words = {
            NoticeKind.CORRECTION: lambda: _("补正公证书 %(number)s 出来了，和原公证书一起用：%(url)s", number=notice.text, url=url),
            NoticeKind.REVOCATION: lambda: _("撤销公证书决定书 %(number)s 在这里：%(url)s", number=notice.text, url=url),
        }  # fmt: skip
        messages.tell(db, case, filing.party_of(db, case).phone, words[notice.kind], now)


def with_hash(db: Session, sha256: str) -> Notice | None:
    return db.scalar(sa.select(Notice).where(Notice.sha256 == sha256))


def finish(parts: Parts) -> None:
    """Every minute: papers whose job is gone go on."""
    with parts.db.begin() as db:
        late = parts.clock() - timedelta(minutes=1)
        for notice, decided in db.execute(
            sa.select(Notice, Review.decided_at)
            .join(Review, Review.id == Notice.review_id)
            .where(Notice.sha256.is_(None))
        ):
            given = notice.activation.get("given_at")
            if given and datetime.fromisoformat(given) < late:
                issuing.go_on(db, "seal-notice", notice_id=str(notice.id))
            elif not notice.body_sha256 and decided is not None and decided < late:
                issuing.go_on(db, "render-notice", notice_id=str(notice.id))
