"""The notary's console: one page that never scrolls as a whole, and one audited POST for every click."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from notary.errors import BadInput, NotFound, NotPossible
from notary.lifecycle import Role, State
from notary.models import Case, ConsentKind, DeviceCheck, Paper, Phase, StepResult
from notary.office import (
    accepting,
    asking,
    breaking,
    closing,
    consenting,
    filing,
    hearing,
    identifying,
    minutes,
    relaying,
    safe,
    showing,
    witnessing,
)
from notary.office.hearing import NOTARY, Live
from notary.portal import screens
from notary.portal.doors import actor, only, parts
from notary.portal.room import given, looked_after, read_offer, told, with_etag
from notary.rules import rules

console = Blueprint("console", __name__, url_prefix="/desk/cases/<uuid:case_id>/interview")
REGIONS = ("bar", "alerts", "steps", "shots", "ask", "chat", "liveness", "identity", "papers", "log", "health")
SHOTS = ("card-front", "card-back", "face", "other")
CONSENTS = {str(kind): kind for kind in ConsentKind if kind != ConsentKind.RECIPIENT}


def mine(db: Session, case_id: UUID, *, lock: bool = False) -> Case:
    """A case of the notary's own. Raises NotFound (another office), NotAllowed (another notary)."""
    case = accepting.case_for_staff(db, case_id, actor(), lock=lock)
    hearing.refuse_other(case, actor())
    return case


Do = Callable[[Session, Live, datetime], object]


def act(case_id: UUID, do: Do, *, paused: bool = False, back: str = "") -> AnyResponse:
    """One act on the open interview in one transaction; then the page again, or its turn for scripts."""
    now = parts().clock()
    with parts().db.begin() as db:
        at = hearing.lead(db, mine(db, case_id, lock=True), actor(), paused=paused)
        do(db, at, now)
    if request.accept_mimetypes.best == "application/json":
        return Response(json.dumps({"turn": at.interview.turn, "next": back}), mimetype="application/json")
    return redirect(back or url_for("console.page", case_id=case_id), 303)


@console.get("")
@only(Role.NOTARY)
def page(case_id: UUID) -> AnyResponse | str:
    with parts().db() as db:
        case = mine(db, case_id)
        if case.state not in (State.INTERVIEW, State.SUSPENDED):
            return _before(db, case)
        at = hearing.live(db, case)
        shown = screens.of_notary(db, parts(), at, breaking.room_status(parts(), at), request.args.get("question", ""))
        return render_template("interview/console.html", regions=REGIONS, full=True, **shown)


def _before(db: Session, case: Case) -> str:
    last = hearing.newest(db, case)
    check = hearing.last_device_check(db, case)
    return render_template(
        "interview/open.html", case=case, party=filing.party_of(db, case), matter=filing.matter_of(case), last=last,
        check=check, passed=isinstance(check, DeviceCheck) and check.passed, ready=case.state == State.SCHEDULED,
        ground=rules().grounds.get(last.ended) if last else None, whole=bool(last and closing.is_whole(last.manifest)),
    )  # fmt: skip


@console.post("/open")
@only(Role.NOTARY)
def open_interview(case_id: UUID) -> AnyResponse:
    now = parts().clock()
    with parts().db.begin() as db:
        case = mine(db, case_id, lock=True)
        hearing.open_interview(db, parts(), case, actor(), now, waive_device=given("waive_device"))
    return redirect(url_for("console.page", case_id=case_id), 303)


@console.post("/offer")
@only(Role.NOTARY)
def offer(case_id: UUID) -> AnyResponse:
    sdp, verb = read_offer()
    with parts().db.begin() as db:
        at = hearing.lead(db, mine(db, case_id, lock=True), actor(), paused=True)
        answer = verb(db, parts(), at, NOTARY, sdp, actor(), parts().clock())
    return told(answer)


@console.get("/relay")
@only(Role.NOTARY)
def relay(case_id: UUID) -> AnyResponse:
    with parts().db() as db:
        at = hearing.live(db, mine(db, case_id))
        return told(relaying.ice_servers(parts().settings, at, NOTARY, parts().clock()))


@console.get("/state")
@only(Role.NOTARY)
def state(case_id: UUID) -> AnyResponse:
    now = parts().clock()
    with parts().db.begin() as db:
        case = mine(db, case_id)
        if case.state not in (State.INTERVIEW, State.SUSPENDED):
            return with_etag({"state": str(case.state), "over": True})
        at = hearing.live(db, case)

        def relock() -> Live:
            return hearing.live(db, mine(db, case_id, lock=True), lock=True)

        status = looked_after(db, at, now, relock)
        shown = screens.of_notary(db, parts(), at, status, request.args.get("question", ""))
        body = {
            "state": str(case.state), "over": False, "turn": at.interview.turn, "phase": str(at.interview.phase),
            "held": shown["held"], "locked": at.interview.locked, "recording": shown["recording"],
            "seconds": shown["seconds"], "screen": at.interview.screen, "distress": shown["distress"] is not None,
            "regions": {
                name: render_template("interview/console/region.html", region=name, **shown) for name in REGIONS
            },
        }  # fmt: skip
    return with_etag(body)


# leading


@console.post("/phase")
@only(Role.NOTARY)
def phase(case_id: UUID) -> AnyResponse:
    if given("phase") not in set(Phase):
        raise NotFound
    to = Phase(given("phase"))
    return act(case_id, lambda db, at, now: hearing.enter(db, parts(), at, to, actor(), now))


@console.post("/consent/<kind>")
@only(Role.NOTARY)
def consent(case_id: UUID, kind: str) -> AnyResponse:
    """Puts a consent or a notice onto the applicant's screen; only the applicant answers it."""
    if kind not in CONSENTS:
        raise NotFound
    return act(case_id, lambda db, at, now: consenting.ask_consent(db, parts(), at, CONSENTS[kind], actor(), now))


@console.post("/suspend")
@only(Role.NOTARY)
def suspend(case_id: UUID) -> AnyResponse:
    why = given("why").strip()[:200] or "asked"
    return act(case_id, lambda db, at, now: breaking.suspend(db, parts(), at, why, actor(), now))


@console.post("/resume")
@only(Role.NOTARY)
def resume(case_id: UUID) -> AnyResponse:
    return act(case_id, lambda db, at, now: breaking.resume(db, parts(), at, actor(), now), paused=True)


@console.post("/break-off")
@only(Role.NOTARY)
def break_off(case_id: UUID) -> AnyResponse:
    """Ends it before it is complete, with one of the grounds of rules/ (C19)."""
    reason = given("reason")
    if reason not in {one.key for one in rules().kinds("stop")}:
        raise BadInput({"reason": _("请选一个终止的原因。")})
    back = url_for("console.page", case_id=case_id)
    return act(
        case_id, lambda db, at, now: breaking.break_off(db, parts(), at, reason, actor(), now), paused=True, back=back
    )


@console.post("/finish")
@only(Role.NOTARY)
def finish(case_id: UUID) -> AnyResponse:
    back = url_for("console.page", case_id=case_id)
    return act(case_id, lambda db, at, now: closing.close(db, parts(), at, actor(), now), back=back)


@console.post("/look")
@only(Role.NOTARY)
def look(case_id: UUID) -> AnyResponse:
    return act(case_id, lambda db, at, now: hearing.look_again(db, parts(), at, actor(), now))


@console.post("/chat")
@only(Role.NOTARY)
def chat(case_id: UUID) -> AnyResponse:
    text = given("text")
    return act(case_id, lambda db, at, now: asking.chat(db, parts(), at, text, actor(), actor().name, now), paused=True)


# what is seen and said


@console.post("/present")
@only(Role.NOTARY)
def present(case_id: UUID) -> AnyResponse:
    who, names = given("who"), given("names")
    return act(case_id, lambda db, at, now: witnessing.present(db, parts(), at, who, names, actor(), now))


@console.post("/said/<key>")
@only(Role.NOTARY)
def said(case_id: UUID, key: str) -> AnyResponse:
    return act(case_id, lambda db, at, now: witnessing.said(db, parts(), at, key, actor(), now))


@console.post("/explained")
@only(Role.NOTARY)
def explained(case_id: UUID) -> AnyResponse:
    own_words = given("own_words")
    return act(case_id, lambda db, at, now: witnessing.explained(db, parts(), at, own_words, actor(), now))


@console.post("/ask")
@only(Role.NOTARY)
def ask(case_id: UUID) -> AnyResponse:
    key = given("question")
    return act(case_id, lambda db, at, now: asking.ask(db, parts(), at, key, actor(), now))


@console.post("/answer")
@only(Role.NOTARY)
def answer(case_id: UUID) -> AnyResponse:
    """Writes an answer down, or why it was left out; a later one is a new version. `then=next` asks the next."""
    key, text, choice, omitted, then = (given(n) for n in ("question", "text", "choice", "omitted", "then"))

    def write(db: Session, at: Live, now: datetime) -> None:
        asking.answer(db, parts(), at, key, text, choice, omitted, actor(), now)
        following = asking.following(db, at) if then == "next" else None
        if following is not None:
            asking.ask(db, parts(), at, following.key, actor(), now)

    return act(case_id, write)


# identity


@console.post("/snapshot")
@only(Role.NOTARY)
def snapshot(case_id: UUID) -> AnyResponse:
    kind = given("kind")
    if kind not in SHOTS:
        raise NotFound
    return act(case_id, lambda db, at, now: identifying.take_snapshot(db, parts(), at, kind, actor(), now))


@console.post("/face/compare")
@only(Role.NOTARY)
def compare(case_id: UUID) -> AnyResponse:
    return act(case_id, lambda db, at, now: identifying.ask_comparison(db, parts(), at, actor(), now))


@console.post("/face/decide")
@only(Role.NOTARY)
def decide(case_id: UUID) -> AnyResponse:
    decision, reason = given("decision"), given("reason")
    return act(case_id, lambda db, at, now: identifying.decide_face(db, parts(), at, decision, reason, actor(), now))


@console.post("/face/without")
@only(Role.NOTARY)
def without_face(case_id: UUID) -> AnyResponse:
    reason = given("reason")
    return act(case_id, lambda db, at, now: identifying.without_face(db, parts(), at, reason, actor(), now))


@console.post("/identity/<step>")
@only(Role.NOTARY)
def identity(case_id: UUID, step: str) -> AnyResponse:
    result, reason = given("result"), given("reason")
    if result not in set(StepResult):
        raise BadInput({"result": _("请选结果。")})
    return act(
        case_id,
        lambda db, at, now: identifying.decide_step(
            db, parts(), at, step, StepResult(result), reason, actor(), now
        ),
    )  # fmt: skip


@console.post("/item/<item>")
@only(Role.NOTARY)
def check_item(case_id: UUID, item: str) -> AnyResponse:
    """One thing that the notary looked at within a step of identity."""
    result, note = given("result"), given("note")
    return act(case_id, lambda db, at, now: identifying.check_item(db, parts(), at, item, result, note, actor(), now))


@console.get("/snapshots/<uuid:snapshot_id>.jpg")
@only(Role.NOTARY)
def snapshot_picture(case_id: UUID, snapshot_id: UUID) -> Response:
    with parts().db() as db:
        case = mine(db, case_id)
        interview = hearing.newest(db, case)
        if interview is None:
            raise NotFound
        row = identifying.snapshot_of(db, interview, snapshot_id)
        return _jpeg(safe.fetch(parts(), case, row.object_key, row.sha256))


@console.get("/card.jpg")
@only(Role.NOTARY)
def card(case_id: UUID) -> Response:
    """The card as it was uploaded, to lay beside the live picture."""
    with parts().db() as db:
        case = mine(db, case_id)
        exhibit = identifying.card_front(db, case)
        if exhibit is None or exhibit.media_type != "image/jpeg":
            raise NotFound
        return _jpeg(safe.fetch(parts(), case, exhibit.object_key, exhibit.sha256))


def _jpeg(data: bytes) -> Response:
    return Response(data, mimetype="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


# papers


@console.post("/papers/<kind>/show")
@only(Role.NOTARY)
def show(case_id: UUID, kind: str) -> AnyResponse:
    """Turns to a page on the applicant's screen; the text is fixed when it is first shown or when it has changed."""
    number = _page_number()

    def turn_to(db: Session, at: Live, now: datetime) -> None:
        showing.show(db, parts(), at, _made(db, at, kind, now), number, actor(), now)

    return act(case_id, turn_to)


def _page_number() -> int:
    raw = given("page") or "1"
    if not raw.isdecimal() or len(raw) > 4:
        raise NotFound
    return int(raw)


def _made(db: Session, at: Live, kind: str, now: datetime) -> Paper:
    """The paper as it is now; one that is signed stays what it is."""
    if kind not in showing.SHOWN_IN:
        raise NotFound
    last = showing.newest(db, at.case, kind)
    here = last is not None and last.interview_id == at.interview.id and showing.is_signed(db, at.case, kind)
    if last is not None and here and not (kind == "minutes" and minutes.outdated(db, parts(), at, last, now)):
        return last
    showing.refuse_early(db, parts(), at, showing.SHOWN_IN[kind])
    if kind == "minutes":
        return minutes.make(db, parts(), at, now)
    return showing.make_instrument(db, parts(), at, now)


@console.post("/papers/<kind>/ask-signature")
@only(Role.NOTARY)
def ask_signature(case_id: UUID, kind: str) -> AnyResponse:
    def ask_it(db: Session, at: Live, now: datetime) -> None:
        paper = showing.newest(db, at.case, kind)
        if paper is None:
            raise NotPossible(_("文件还没有逐页给对方看完，不能签。"))
        if kind == "minutes" and minutes.outdated(db, parts(), at, paper, now):
            raise NotPossible(_("笔录后来改过了。请把新的一份给对方看，再请他签。"))
        showing.ask_signature(db, parts(), at, paper, actor(), now)

    return act(case_id, ask_it)


@console.get("/papers/<uuid:paper_id>/<int:number>.png")
@only(Role.NOTARY)
def paper_picture(case_id: UUID, paper_id: UUID, number: int) -> Response:
    with parts().db() as db:
        case = mine(db, case_id)
        data = showing.picture(parts(), case, showing.paper_of(db, case, paper_id), number)
    return Response(data, mimetype="image/png", headers={"Cache-Control": "private, max-age=3600"})
