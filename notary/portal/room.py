"""The applicant's side of the interview: one screen, led by the notary, that says one thing at a time."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.routing import BuildError
from werkzeug.wrappers import Response as AnyResponse

from notary import words
from notary.errors import BadInput, NotFound, NotPossible, Refusal
from notary.lifecycle import Role, State
from notary.models import Case, ConsentKind, Interview, Paper
from notary.office import asking, breaking, consenting, doors, filing, hearing, relaying, showing, tickets, witnessing
from notary.office.hearing import APPLICANT, Live
from notary.portal import liveness, screens
from notary.portal.doors import actor, address, only, parts
from signing import wording

room = Blueprint("room", __name__, url_prefix="/my/<uuid:case_id>/interview")
LARGEST_OFFER = 32 * 1024
WATCH_EVERY = 2.0
WATCHED_AT_MOST = 2000
_watched: dict[UUID, tuple[float, dict[str, Any]]] = {}
"""When this process last watched a room and what it saw, so that many polls ask the worker once in two seconds."""


class TooLargeOffer(Refusal):
    code, status = "offer-too-large", 413

    def title(self) -> str:
        return _("这个连接请求太大了。")

    def meaning(self) -> str:
        return _("没有建立连接。请换一个浏览器，或请我们打给您。")


def read_offer() -> tuple[str, Callable[..., dict[str, str]]]:
    """The SDP of a page's offer and the verb that answers it; bounded before it is parsed. Raises TooLargeOffer,
    BadInput.
    """
    if request.content_length is None or request.content_length > LARGEST_OFFER:
        raise TooLargeOffer
    body = request.get_json(silent=True)
    if not isinstance(body, dict) or body.get("type") != "offer" or not isinstance(body.get("sdp"), str):
        raise BadInput({"sdp": _("这个连接请求我们读不懂。请换一个浏览器，或请我们打给您。")})
    return str(body["sdp"]), hearing.restart if body.get("restart") is True else hearing.offer


def given(name: str) -> str:
    """A field of the posted form, or of the posted JSON."""
    if request.is_json:
        body = request.get_json(silent=True)
        value = body.get(name, "") if isinstance(body, dict) else ""
        return value if isinstance(value, str) else ""
    return request.form.get(name, "")


def looked_after(db: Session, at: Live | None, now: datetime, relock: Callable[[], Live]) -> dict[str, Any]:
    """The room's state, at most WATCH_EVERY seconds old; `relock` gives the interview locked for a change."""
    if at is None:
        return {"legs": {}, "recorder": {"ok": False}, "seconds": None}
    seen = _watched.get(at.interview.id)
    if seen and time.monotonic() - seen[0] < WATCH_EVERY:
        return seen[1]
    status = breaking.watch(db, parts(), relock(), now)
    if len(_watched) > WATCHED_AT_MOST:
        _watched.clear()
    _watched[at.interview.id] = (time.monotonic(), status)
    return status


def with_etag(body: dict[str, Any]) -> AnyResponse:
    """JSON that a poll need not fetch again while it is the same; the running seconds alone make no difference."""
    response = Response(json.dumps(body, ensure_ascii=False), mimetype="application/json")
    steady = {key: value for key, value in body.items() if key != "seconds"}
    response.set_etag(hashlib.sha256(json.dumps(steady, sort_keys=True).encode()).hexdigest()[:32])
    response.headers["Cache-Control"] = "private, no-cache"
    response.make_conditional(request)
    return response


def own(db: Session, case_id: UUID, *, lock: bool = False) -> Case:
    return filing.own_case(db, case_id, actor().id, lock=lock)


def act(case_id: UUID, do: Callable[[Session, Live], object], *, paused: bool = False) -> AnyResponse:
    """One act of the applicant on the open interview, in one transaction; then the page, or its turn for scripts."""
    with parts().db() as db:
        try:
            case = own(db, case_id, lock=True)
            at = hearing.live(db, case, lock=True)
            if not paused:
                hearing.refuse_paused(case)
            do(db, at)
        except doors.Wrong:
            db.commit()  # the try was counted
            raise
        db.commit()
        turn = at.interview.turn
    if request.accept_mimetypes.best == "application/json":
        return told({"turn": turn})
    return redirect(url_for("room.page", case_id=case_id), 303)


@room.get("")
@only(Role.APPLICANT)
def page(case_id: UUID) -> str:
    with parts().db() as db:
        case = own(db, case_id)
        shown = screens.of_applicant(db, case, hearing.newest(db, case), {"legs": {}, "recorder": {"ok": False}})
        hints = liveness.gate_words().items()
        return render_template(
            "interview/applicant.html", case=case, s=shown, away=overview(case_id), hints=hints, full=True
        )


def overview(case_id: UUID) -> str:
    try:
        return url_for("filing.overview", case_id=case_id)
    except BuildError:
        return "/"


@room.get("/state")
@only(Role.APPLICANT)
def state(case_id: UUID) -> AnyResponse:
    now = parts().clock()
    with parts().db.begin() as db:
        case = own(db, case_id)
        at = _live(db, case)

        def relock() -> Live:
            return hearing.live(db, own(db, case_id, lock=True), lock=True)

        status = looked_after(db, at, now, relock)
        shown = screens.of_applicant(db, case, hearing.newest(db, case), status)
        shown["panel"] = render_template("interview/panel.html", case=case, s=shown, away=overview(case_id))
    return with_etag(shown)


def _live(db: Session, case: Case) -> Live | None:
    try:
        return hearing.live(db, case)
    except NotPossible:
        return None


@room.post("/offer")
@only(Role.APPLICANT)
def offer(case_id: UUID) -> AnyResponse:
    sdp, verb = read_offer()
    with parts().db.begin() as db:
        at = hearing.live(db, own(db, case_id, lock=True), lock=True)
        answer = verb(db, parts(), at, APPLICANT, sdp, actor(), parts().clock())
    return told(answer)


@room.get("/relay")
@only(Role.APPLICANT)
def relay(case_id: UUID) -> AnyResponse:
    with parts().db() as db:
        at = hearing.live(db, own(db, case_id))
        return told(relaying.ice_servers(parts().settings, at, APPLICANT, parts().clock()))


def told(body: object) -> AnyResponse:
    return Response(json.dumps(body), mimetype="application/json")


@room.post("/chat")
@only(Role.APPLICANT)
def chat(case_id: UUID) -> AnyResponse:
    text, now = given("text"), parts().clock()

    def say(db: Session, at: Live) -> None:
        asking.chat(db, parts(), at, text, actor(), filing.party_of(db, at.case).name or _("申请人"), now)

    return act(case_id, say, paused=True)


CONSENTS = {
    "recording": (ConsentKind.RECORDING, "recording-consent"),
    "face": (ConsentKind.FACE, "face-consent"),
    "notice": (ConsentKind.NOTICE, "rights-and-risks"),
    "liability": (ConsentKind.LIABILITY, "liability"),
}


@room.post("/consent/<kind>")
@only(Role.APPLICANT)
def consent(case_id: UUID, kind: str) -> AnyResponse:
    """The answer to the consent that the notary has put on the screen; the words kept are those of rules/."""
    if kind not in CONSENTS:
        raise NotFound
    said, now = given("given"), parts().clock()
    if said not in ("yes", "no"):
        raise BadInput({"given": _("请选同意，或不同意。")})
    which, key = CONSENTS[kind]
    notice = screens.notice_of(key)
    if said == "no" and notice.decline is None:
        raise BadInput({"given": _("不明白的地方请问公证员；不想办了可以点“离开”。")})

    def answer(db: Session, at: Live) -> None:
        withdrawn = which == ConsentKind.FACE and said == "no" and hearing.consented(db, at.case, which)
        if at.interview.screen.get("consent") != kind and not withdrawn:
            raise NotPossible(_("公证员现在没有问您这个。"))
        language = words.chosen_locale()
        chosen = notice.acknowledge if said == "yes" or notice.decline is None else notice.decline
        shown = "\n".join(one.to(language) for one in (notice.title, *notice.paragraphs, chosen))
        consenting.consent(db, parts(), at, which, said == "yes", shown, actor(), now)

    return act(case_id, answer)


# papers


def shown_paper(db: Session, case: Case, paper_id: UUID) -> tuple[Interview, Paper]:
    """A paper that is on the applicant's screen, or was shown in this interview. Raises NotFound."""
    paper = showing.paper_of(db, case, paper_id)
    interview = hearing.newest(db, case)
    if interview is None or paper.interview_id != interview.id:
        raise NotFound
    if interview.screen.get("paper") != str(paper.id) and not showing.shown_pages(db, interview, paper):
        raise NotFound
    return interview, paper


@room.get("/papers/<uuid:paper_id>/<int:number>.png")
@only(Role.APPLICANT)
def picture(case_id: UUID, paper_id: UUID, number: int) -> Response:
    with parts().db() as db:
        case = own(db, case_id)
        _interview, paper = shown_paper(db, case, paper_id)
        data = showing.picture(parts(), case, paper, number)
    return Response(data, mimetype="image/png", headers={"Cache-Control": "private, max-age=3600"})


@room.get("/papers/<uuid:paper_id>/text")
@only(Role.APPLICANT)
def text(case_id: UUID, paper_id: UUID) -> str:
    """The same words as HTML: larger letters, another reader, a voice."""
    with parts().db() as db:
        case = own(db, case_id)
        _interview, paper = shown_paper(db, case, paper_id)
        return render_template("interview/text.html", case=case, paper=paper, sheet=sheet_of(paper))


def sheet_of(paper: Paper) -> dict[str, Any]:
    """What the layout of the PDF is given, for its HTML twin."""
    if paper.kind == "minutes":
        return wording.minutes(paper.facts)
    return wording.instrument(paper.facts, signed=False)


@room.post("/papers/<uuid:paper_id>/<int:number>/seen")
@only(Role.APPLICANT)
def seen(case_id: UUID, paper_id: UUID, number: int) -> AnyResponse:
    sha256, now = given("sha256"), parts().clock()
    return act(
        case_id,
        lambda db, at: showing.seen(db, parts(), at, showing.paper_of(db, at.case, paper_id), number, sha256, now),
    )


@room.post("/papers/<uuid:paper_id>/code")
@only(Role.APPLICANT)
def code(case_id: UUID, paper_id: UUID) -> AnyResponse:
    now = parts().clock()
    return act(
        case_id,
        lambda db, at: showing.send_code(db, parts(), at, showing.paper_of(db, at.case, paper_id), address(), now),
    )


@room.post("/papers/<uuid:paper_id>/sign")
@only(Role.APPLICANT)
def sign(case_id: UUID, paper_id: UUID) -> AnyResponse:
    now = parts().clock()
    if request.is_json:
        body = request.get_json(silent=True)
        strokes = body.get("strokes") if isinstance(body, dict) else None
    else:
        try:
            strokes = json.loads(request.form.get("strokes") or "null")
        except ValueError:
            strokes = None
    sha256, digits = given("sha256"), given("code")

    def put(db: Session, at: Live) -> None:
        paper = showing.paper_of(db, at.case, paper_id)
        showing.sign(db, parts(), at, paper, sha256, strokes, digits, actor(), address(), now)

    return act(case_id, put)


@room.post("/papers/<uuid:paper_id>/decline")
@only(Role.APPLICANT)
def decline(case_id: UUID, paper_id: UUID) -> AnyResponse:
    why, now = given("why"), parts().clock()
    return act(
        case_id,
        lambda db, at: showing.decline(db, parts(), at, showing.paper_of(db, at.case, paper_id), why, actor(), now),
    )


# ways out


@room.post("/help")
@only(Role.APPLICANT)
def ask_help(case_id: UUID) -> AnyResponse:
    """Somebody rings the applicant up; the interview stays open."""
    now = parts().clock()
    with parts().db.begin() as db:
        case = own(db, case_id)
        phone = filing.party_of(db, case).phone
        tickets.ask_for_call(db, phone, request.path, _("视频里求助"), address(), now, case_id=case.id)
        at = _live(db, case)
        if at is not None:
            at = hearing.live(db, own(db, case_id, lock=True), lock=True)
            hearing.moment(db, at.interview, "help", actor(), now, None)
            hearing.turn(db, parts(), at)
    if request.accept_mimetypes.best == "application/json":
        return Response(json.dumps({"said": _("好的，我们马上打给您。视频不用关。")}), mimetype="application/json")
    return redirect(url_for("room.page", case_id=case_id), 303)


@room.post("/quiet")
@only(Role.APPLICANT)
def quiet(case_id: UUID) -> AnyResponse:
    """The hidden sign of distress (C10): it answers with nothing, whatever happened."""
    now = parts().clock()
    with parts().db.begin() as db:
        case = own(db, case_id, lock=True)
        if case.state in (State.INTERVIEW, State.SUSPENDED):
            witnessing.distress(db, parts(), hearing.live(db, case, lock=True), actor(), now)
    return Response(status=204)


@room.post("/leave")
@only(Role.APPLICANT)
def leave(case_id: UUID) -> AnyResponse:
    """The applicant goes; the notary sees it, and the table for a broken call does the rest."""
    now = parts().clock()
    with parts().db.begin() as db:
        case = own(db, case_id, lock=True)
        if case.state in (State.INTERVIEW, State.SUSPENDED):
            hearing.leave(db, parts(), hearing.live(db, case, lock=True), actor(), now)
    if request.accept_mimetypes.best == "application/json":
        return Response(json.dumps({"next": overview(case_id)}), mimetype="application/json")
    return redirect(overview(case_id), 303)
