"""Playing a recording through the portal: a reason first, then for half an hour, with stretches of bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, session, url_for
from werkzeug.http import parse_range_header
from werkzeug.wrappers import Response as AnyResponse

from notary.errors import BadInput, NotAllowed, NotFound
from notary.lifecycle import Role
from notary.models import Case
from notary.office import composing, filing, hearing, playing
from notary.office.accepting import case_for_staff
from notary.portal.doors import actor, only, parts
from webrtc import journal

recordings = Blueprint("recordings", __name__, url_prefix="/desk")
MIMES = {".webm": "video/webm", ".mkv": "video/x-matroska"}
LOOKING = timedelta(minutes=30)
Page = tuple[str, int] | AnyResponse | str


def may_look(case: Case) -> bool:
    """Whether this person gave a reason for this case within the last half hour; kept in the signed session."""
    until = session.get("looking", {}).get(f"{actor().id}:{case.id}", "")
    return bool(until) and datetime.fromisoformat(until) > parts().clock()


@recordings.get("/cases/<uuid:case_id>/recordings")
@only(Role.NOTARY, Role.APPROVER)
def index(case_id: UUID) -> Page:
    return _page(case_id, {}, "")


def _page(case_id: UUID, errors: dict[str, str], reason: str) -> str:
    with parts().db() as db:
        case = case_for_staff(db, case_id, actor())
        looking = may_look(case)
        found = hearing.interviews_of(db, case) if looking else []
        rows = [
            (one, playing.segments(one), playing.phases(db, one), composing.size(parts(), one) is not None)
            for one in found
        ]
        return render_template(
            "deed/recordings.html", case=case, party=filing.party_of(db, case), looking=looking, rows=rows,
            errors=errors, reason=reason, words=playing.phase_words, file_name=journal.file_name,
        )  # fmt: skip


@recordings.post("/cases/<uuid:case_id>/recordings")
@only(Role.NOTARY, Role.APPROVER)
def look(case_id: UUID) -> Page:
    me, now, reason = actor(), parts().clock(), request.form.get("reason", "")
    try:
        with parts().db.begin() as db:
            case = case_for_staff(db, case_id, me)
            playing.open_for(db, case, reason, me, now)
            for interview in hearing.interviews_of(db, case):
                composing.wanted(db, parts(), interview)
    except BadInput as bad:
        return _page(case_id, bad.fields, reason), bad.status
    still = {key: until for key, until in session.get("looking", {}).items() if datetime.fromisoformat(until) > now}
    session["looking"] = {**still, f"{me.id}:{case_id}": (now + LOOKING).isoformat()}
    return redirect(url_for("recordings.index", case_id=case_id), 303)


@recordings.get("/cases/<uuid:case_id>/recordings/<uuid:interview_id>/<name>")
@only(Role.NOTARY, Role.APPROVER)
def play(case_id: UUID, interview_id: UUID, name: str) -> AnyResponse:
    """One segment, whole or a stretch of it (RFC 9110 §14)."""
    with parts().db() as db:
        case = case_for_staff(db, case_id, actor())
        if not may_look(case):
            raise NotAllowed
        interview = playing.interview_of(db, case, interview_id)
        size = int(playing.segment_of(interview, name)["bytes"])
    mime = MIMES[name[name.rindex(".") :]]
    return _ranged(size, lambda first, last: playing.read(parts(), case, interview, name, first, last), mime)


@recordings.get("/cases/<uuid:case_id>/recordings/<uuid:interview_id>/side-by-side.webm")
@only(Role.NOTARY, Role.APPROVER)
def play_both(case_id: UUID, interview_id: UUID) -> AnyResponse:
    """The film of both parties, once its job has made it."""
    with parts().db() as db:
        case = case_for_staff(db, case_id, actor())
        if not may_look(case):
            raise NotAllowed
        interview = playing.interview_of(db, case, interview_id)
    size = composing.size(parts(), interview)
    if size is None:
        raise NotFound
    return _ranged(size, lambda first, last: composing.read(parts(), case, interview, first, last))


def _ranged(size: int, read: Callable[[int, int], Iterator[bytes]], mime: str = MIMES[".webm"]) -> AnyResponse:
    asked = parse_range_header(request.headers.get("Range"))
    stretch = asked.range_for_length(size) if asked is not None else None
    if asked is not None and stretch is None:
        return AnyResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    first, end = stretch or (0, size)
    response = AnyResponse(read(first, end - 1), status=206 if stretch else 200, mimetype=mime)
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Content-Length"] = str(end - first)
    if stretch:
        response.headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    return response
