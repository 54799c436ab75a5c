"""What is shown and what is signed: exact bytes, page by page, strokes and a one-time code bound to their hash."""

from __future__ import annotations

import math
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import BadInput, NotFound, NotPossible, NotYet
from notary.ledger import Actor
from notary.lifecycle import Need
from notary.models import Case, CodePurpose, Interview, Paper, Phase, Showing, Signature
from notary.office import doors, filing, hearing, identifying, safe, watching, wording
from notary.office.hearing import Live
from notary.office.needs import check
from notary.parts import Parts
from signing import render

LEAST_INK = 60.0
"""Length of all strokes, in the pad's own pixels: less is no signature."""
MOST_STROKES, MOST_POINTS = 200, 6000
SHOWN_IN = {"instrument": Phase.DOCUMENT, "minutes": Phase.CLOSING}
SIGNED_IN = {"instrument": Phase.SIGNING, "minutes": Phase.CLOSING}
"""The phase that must be open, by kind of paper."""


def make_instrument(db: Session, parts: Parts, at: Live, now: datetime) -> Paper:
    """Fixes the text that is to be signed and stores its bytes; the same text again is the same paper.

    Raises BadInput naming a character that the deed's face lacks.
    """
    facts = wording.instrument(db, at.case, wording.signed_day(now), parts.settings.trial)
    return keep_paper(db, parts, at, "instrument", facts, now)


def keep_paper(db: Session, parts: Parts, at: Live, kind: str, facts: dict[str, Any], now: datetime) -> Paper:
    last = newest(db, at.case, kind)
    if last is not None and last.facts == facts and last.interview_id == at.interview.id:
        return last
    if lacking := render.missing_glyphs(ledger.canonical(facts).decode()):
        raise BadInput(
            {
                "name": _(
                    "公证书的字体里没有这些字：%(chars)s。请和申请人商量写法，或改用纸质公证书。",
                    chars=" ".join(lacking),
                )
            }
        )
    pdf = render.instrument(facts) if kind == "instrument" else render.minutes(facts)
    key, sha256 = safe.keep(parts, at.case, "papers", pdf)
    paper = Paper(
        case_id=at.case.id, interview_id=at.interview.id, kind=kind, version=last.version + 1 if last else 1,
        facts=facts, sha256=sha256, object_key=key, pages=len(render.page_texts(pdf)), made_at=now,
    )  # fmt: skip
    db.add(paper)
    db.flush()
    ledger.append(
        db, f"paper.{kind}", ledger.SYSTEM, now, case_id=at.case.id, office_id=at.case.office_id, sha256=sha256
    )
    return paper


def newest(db: Session, case: Case, kind: str) -> Paper | None:
    query = sa.select(Paper).where(Paper.case_id == case.id, Paper.kind == kind)
    return db.scalar(query.order_by(Paper.version.desc()).limit(1))


def paper_of(db: Session, case: Case, paper_id: UUID) -> Paper:
    paper = db.get(Paper, paper_id)
    if paper is None or paper.case_id != case.id:
        raise NotFound
    return paper


def picture(parts: Parts, case: Case, paper: Paper, page: int) -> bytes:
    """A page as PNG, drawn from the very bytes that will be signed. Raises NotFound."""
    if not 1 <= page <= paper.pages:
        raise NotFound
    pdf = safe.fetch(parts, case, paper.object_key, paper.sha256)
    return render.pages(pdf, dpi=132)[page - 1]


def show(db: Session, parts: Parts, at: Live, paper: Paper, page: int, by: Actor, now: datetime) -> None:
    """The notary turns to a page on the applicant's screen. Raises NotFound, NotPossible, NotYet."""
    if not 1 <= page <= paper.pages:
        raise NotFound
    refuse_outdated(db, at, paper)
    refuse_early(db, parts, at, SHOWN_IN[paper.kind])
    hearing.turn(db, parts, at, {"kind": "document", "paper": str(paper.id), "page": page, "pages": paper.pages})
    hearing.moment(db, at.interview, f"shown.{paper.kind}", by, now, hearing.media_time(parts, at), str(page))


def seen(db: Session, parts: Parts, at: Live, paper: Paper, page: int, sha256: str, now: datetime) -> None:
    """The applicant's page reports that it drew a page of that hash (C14). Raises BadInput, NotPossible."""
    screen = at.interview.screen
    refuse_outdated(db, at, paper)
    if screen.get("paper") != str(paper.id) or screen.get("page") != page or screen.get("kind") != "document":
        raise NotPossible(_("这一页现在没有在给您看。"))
    if sha256 != paper.sha256:
        raise BadInput({"paper": _("您看到的和要签的不是同一份。请刷新。")})
    if page in shown_pages(db, at.interview, paper):
        return
    seconds = hearing.media_time(parts, at)
    db.add(
        Showing(
            interview_id=at.interview.id, paper_id=paper.id, sha256=sha256, page=page, media_time=seconds, at=now
        )
    )  # fmt: skip
    hearing.turn(db, parts, at)


def shown_pages(db: Session, interview: Interview, paper: Paper) -> set[int]:
    rows = db.scalars(
        sa.select(Showing.page).where(
            Showing.interview_id == interview.id, Showing.paper_id == paper.id, Showing.sha256 == paper.sha256
        )
    )
    return set(rows)


def fully_shown(db: Session, interview: Interview, paper: Paper) -> bool:
    return shown_pages(db, interview, paper) == set(range(1, paper.pages + 1))


def all_shown(db: Session, interview: Interview) -> bool:
    case = db.get_one(Case, interview.case_id)
    paper = newest(db, case, "instrument")
    return paper is not None and fully_shown(db, interview, paper)


def ask_signature(db: Session, parts: Parts, at: Live, paper: Paper, by: Actor, now: datetime) -> None:
    """Opens the pad on the applicant's screen, for bytes that were shown in this interview and no others (C14).

    Raises NotPossible with the reason.
    """
    refuse_unready(db, parts, at, paper)
    watching.await_look(db, parts, at, now)
    hearing.turn(db, parts, at, {"kind": "sign", "paper": str(paper.id), "sha256": paper.sha256})
    hearing.moment(db, at.interview, f"sign-asked.{paper.kind}", by, now, hearing.media_time(parts, at))


def refuse_outdated(db: Session, at: Live, paper: Paper) -> None:
    """Only the newest text, made in this very interview. Raises NotPossible."""
    last = newest(db, at.case, paper.kind)
    if last is None or paper.id != last.id or paper.interview_id != at.interview.id:
        raise NotPossible(_("这份文件已经改过，请给对方看新的一份。"))


def refuse_early(db: Session, parts: Parts, at: Live, phase: Phase) -> None:
    """The phase must have been entered, and what it rests on must still hold. Raises NotYet, NotPossible."""
    if missing := hearing.what_holds_back(db, parts, at, phase):
        raise NotYet(tuple(missing))
    if hearing.PHASES.index(at.interview.phase) < hearing.PHASES.index(phase):
        raise NotPossible(_("还没走到这一步。请先点左边的“下一步”。"))


def refuse_unready(db: Session, parts: Parts, at: Live, paper: Paper) -> None:
    refuse_outdated(db, at, paper)
    if not fully_shown(db, at.interview, paper):
        raise NotPossible(_("文件还没有逐页给对方看完，不能签。"))
    refuse_early(db, parts, at, SIGNED_IN[paper.kind])
    if at.interview.locked:
        raise NotPossible(_("现在不能签：%(why)s", why=hearing.lock_words(at.interview.locked)))
    if missing := identifying.missing_words(db, at.interview):
        raise NotPossible(_("现在不能签：%(why)s", why="；".join(missing)))


def send_code(db: Session, parts: Parts, at: Live, paper: Paper, address: str, now: datetime) -> None:
    """Sends a one-time code that serves for this hash only (F03). Raises NotPossible, TooMany."""
    refuse_unready(db, parts, at, paper)
    if at.interview.screen.get("kind") != "sign" or at.interview.screen.get("paper") != str(paper.id):
        raise NotPossible(_("公证员还没有请您签字。"))
    doors.send_code(
        db, filing.party_of(db, at.case).phone, address, now, purpose=CodePurpose.SIGN, bound_to=paper.sha256,
        case_id=at.case.id, say=_("签字验证码 %%(code)s，只用于签文件 %(short)s…。公证员正在视频里看着您签。", short=paper.sha256[:8]),
    )  # fmt: skip


def sign(
    db: Session, parts: Parts, at: Live, paper: Paper, sha256: str, strokes: Any, code: str, by: Actor, address: str,
    now: datetime,
) -> Signature:  # fmt: skip
    """Takes strokes and code for exactly these bytes (F01–F03, C14). Raises BadInput, Wrong, NotPossible, TooMany."""
    refuse_unready(db, parts, at, paper)
    screen = at.interview.screen
    if screen.get("kind") != "sign" or screen.get("paper") != str(paper.id) or sha256 != paper.sha256:
        raise NotPossible(_("要签的和给您看的不是同一份，请公证员再给您看一遍。"))
    if is_signed(db, at.case, paper.kind):
        raise NotPossible(_("这份文件已经签过了。"))
    ink = clean_strokes(strokes)
    used = doors.check_code(
        db, filing.party_of(db, at.case).phone, code, address, now, purpose=CodePurpose.SIGN, bound_to=paper.sha256
    )
    seconds = hearing.media_time(parts, at)
    shot = identifying.take_snapshot(db, parts, at, f"signature-{paper.kind}", by, now)
    row = Signature(
        interview_id=at.interview.id, paper_id=paper.id, sha256=paper.sha256,
        signer=filing.party_of(db, at.case).name, strokes=ink, code_id=used.id, snapshot_id=shot.id,
        media_time=seconds, at=now,
    )  # fmt: skip
    db.add(row)
    db.flush()
    hearing.moment(db, at.interview, f"signed.{paper.kind}", by, now, seconds)
    ledger.append(
        db, f"signed.{paper.kind}", by, now, case_id=at.case.id, office_id=at.case.office_id,
        sha256=paper.sha256, strokes=len(ink), media_time=seconds,
    )  # fmt: skip
    hearing.turn(db, parts, at, {"kind": "talk"})
    return row


def decline(db: Session, parts: Parts, at: Live, paper: Paper, why: str, by: Actor, now: datetime) -> None:
    """The applicant does not sign, or cannot write: the pad closes and the notary is told."""
    if why not in ("no", "cannot"):
        raise BadInput({"why": _("请选一个原因。")})
    hearing.moment(db, at.interview, f"sign-declined.{why}", by, now, hearing.media_time(parts, at), paper.kind)
    ledger.append(
        db, "sign.declined", by, now, case_id=at.case.id, office_id=at.case.office_id, sha256=paper.sha256, why=why
    )
    hearing.turn(db, parts, at, {"kind": "talk"})


def clean_strokes(strokes: Any) -> list[list[list[float]]]:
    """Strokes as lists of [x, y, t_ms]; bounded, finite, and long enough to be a signature. Raises BadInput."""
    wrong = BadInput({"strokes": _("没有收到完整的签名，请再签一次。")})
    if not isinstance(strokes, list) or not 1 <= len(strokes) <= MOST_STROKES:
        raise wrong
    made: list[list[list[float]]] = []
    length, points = 0.0, 0
    for stroke in strokes:
        if not isinstance(stroke, list) or not stroke:
            raise wrong
        line: list[list[float]] = []
        for point in stroke:
            if not isinstance(point, list) or len(point) != 3:
                raise wrong
            if not all(isinstance(n, int | float) and math.isfinite(n) and abs(n) < 1e7 for n in point):
                raise wrong
            line.append([round(float(point[0]), 1), round(float(point[1]), 1), max(0, int(point[2]))])
        points += len(line)
        if points > MOST_POINTS:
            raise wrong
        length += sum(math.dist(a[:2], b[:2]) for a, b in pairwise(line))
        made.append(line)
    if length < LEAST_INK:
        raise BadInput({"strokes": _("签名太短了，请把名字写全。")})
    return made


def signature_of(db: Session, case: Case, kind: str) -> Signature | None:
    """The signature under the newest paper of a kind."""
    paper = newest(db, case, kind)
    return db.scalar(sa.select(Signature).where(Signature.paper_id == paper.id)) if paper else None


def is_signed(db: Session, case: Case, kind: str) -> bool:
    return signature_of(db, case, kind) is not None


@check(Need.SHOWN)
def instrument_was_shown(db: Session, case: Case, _by: Actor) -> bool:
    signature = signature_of(db, case, "instrument")
    if signature is None:
        return False
    return fully_shown(db, db.get_one(Interview, signature.interview_id), db.get_one(Paper, signature.paper_id))


@check(Need.SIGNED)
def instrument_is_signed(db: Session, case: Case, _by: Actor) -> bool:
    return is_signed(db, case, "instrument")


@check(Need.MINUTES)
def minutes_are_signed(db: Session, case: Case, _by: Actor) -> bool:
    return is_signed(db, case, "minutes")
