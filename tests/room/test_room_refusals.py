"""What the rooms refuse, whatever a page shows: order, hashes, other people, bad offers, broken calls."""

import re

import pytest
import sqlalchemy as sa
from strokes import STROKES
from webrtc_parties import Party as Browser

from notary.models import Assessment, Case, Event, FaceCheck, Interview, Party
from notary.office import hearing, minutes


def phase_of(interview):
    with interview.parts.db() as db:
        return db.scalars(sa.select(Interview)).one()


def at_signing(interview):
    interview.start().consent().identify().ask_all()
    shown = interview.show("instrument")
    interview.notary.does("phase", phase="signing")
    interview.notary.does("papers/instrument/ask-signature")
    return shown


@pytest.mark.req("C14", "C15", "F03")
def test_nothing_is_signed_that_was_not_shown_or_is_not_the_same(interview):
    interview.start().consent().identify().ask_all()
    interview.notary.does("papers/instrument/show", page="1")
    shown = interview.applicant.state()
    assert "没有" in interview.notary.refused(409, "papers/instrument/ask-signature")
    sign = f"papers/{shown['paper']}/sign"
    interview.applicant.refused(409, sign, sha256=shown["sha256"], strokes=STROKES, code="000000")
    interview.applicant.refused(422, f"papers/{shown['paper']}/1/seen", sha256="0" * 64)
    interview.applicant.refused(409, f"papers/{shown['paper']}/{shown['pages'] + 1}/seen", sha256=shown["sha256"])

    interview.show("instrument")
    interview.notary.refused(409, "papers/instrument/ask-signature")  # all shown, but the phase is not signing
    interview.notary.refused(409, "papers/minutes/ask-signature")
    interview.notary.does("phase", phase="signing")
    interview.applicant.refused(409, sign, sha256=shown["sha256"], strokes=STROKES, code="000000")
    interview.notary.does("papers/instrument/ask-signature")
    interview.applicant.refused(409, sign, sha256="1" * 64, strokes=STROKES, code="000000")
    for strokes in (None, [], [[[0, 0, 0]]], [[[float("1e9"), 0, 0]] * 2], "ink", [[["a", 1, 2]]]):
        interview.applicant.refused(422, sign, sha256=shown["sha256"], strokes=strokes, code="000000")


@pytest.mark.req("F03", "C14")
def test_a_wrong_code_serves_five_tries_and_a_new_leg_locks_the_pad(interview):
    shown = at_signing(interview)
    sign = f"papers/{shown['paper']}/sign"
    right = interview.code(shown["paper"])
    wrong = "000000" if right != "000000" else "111111"
    for _try in range(5):
        interview.applicant.refused(422, sign, sha256=shown["sha256"], strokes=STROKES, code=wrong)
    interview.applicant.refused(429, sign, sha256=shown["sha256"], strokes=STROKES, code=right)
    right = interview.code(shown["paper"])

    first = interview.parties[0]
    interview.join("applicant")  # a second login of the same leg takes the seat
    interview.until(lambda: any("replaced" in one for one in first.events))
    assert interview.applicant.state()["locked"]
    said = interview.applicant.refused(409, sign, sha256=shown["sha256"], strokes=STROKES, code=right)
    assert "同一个人" in said
    interview.notary.does("look")
    interview.applicant.does(sign, sha256=shown["sha256"], strokes=STROKES, code=right)


@pytest.mark.req("B07", "B09", "B10", "B14")
def test_faces_are_compared_only_with_consent_and_decided_only_with_a_reason(interview):
    interview.start().consent()
    interview.notary.refused(403, "face/compare")
    with interview.parts.db.begin() as db:
        filed = db.scalars(sa.select(Assessment)).all()
        for one in filed:
            db.delete(one)
    assert "影响评估" in interview.notary.refused(409, "consent/face")
    interview.notary.refused(409, "face/decide", decision="same", reason="")
    with interview.parts.db.begin() as db:  # what the job would have written
        row = db.scalars(sa.select(Interview)).one()
        now = interview.parts.clock()
        db.add(FaceCheck(interview_id=row.id, advice="against", asked_at=now, done_at=now))
    interview.notary.refused(422, "face/decide", decision="same", reason="")
    interview.notary.refused(422, "face/without", reason="")
    assert "%" not in interview.notary.state()["regions"]["identity"]
    interview.notary.does("face/decide", decision="other", reason="")
    interview.notary.refused(409, "face/decide", decision="same", reason="我看错了，其实是本人没错")
    interview.notary.does("face/without", reason="换了光线，当面看证件确认")


@pytest.mark.req("B02", "B03", "B16", "C15", "D01")
def test_identity_needs_consent_both_sides_of_the_card_and_reasons(interview):
    interview.start()
    interview.notary.refused(409, "identity/look", result="confirmed")
    interview.notary.refused(409, "phase", phase="identity")
    interview.notary.refused(409, "ask", question="who-are-you")
    interview.consent()
    interview.notary.does("phase", phase="identity")
    assert "正反面" in interview.notary.refused(409, "identity/look", result="confirmed")
    interview.notary.does("snapshot", kind="card-front")
    interview.notary.refused(409, "identity/look", result="confirmed")
    interview.notary.does("snapshot", kind="card-back")
    interview.notary.does("identity/look", result="confirmed")
    interview.notary.refused(422, "identity/device", result="waived")
    interview.notary.refused(422, "identity/device", result="perhaps")
    interview.notary.refused(404, "identity/blood", result="confirmed")
    held = interview.notary.refused(409, "phase", phase="signing")
    assert "单独谈话" in held
    interview.notary.refused(409, "finish")


@pytest.mark.req("B03", "E01")
def test_of_a_passport_only_the_page_with_the_photo_is_captured_and_the_minutes_name_it(interview):
    with interview.parts.db.begin() as db:
        party = db.scalars(sa.select(Party)).one()
        party.id_type, party.id_number = "passport", "L898902C3"
    interview.start().consent()
    interview.notary.does("phase", phase="identity")
    assert "card-back" not in interview.notary.state()["regions"]["shots"]
    interview.notary.refused(409, "identity/look", result="confirmed")
    interview.notary.does("snapshot", kind="card-front")
    interview.notary.does("identity/look", result="confirmed")
    with interview.parts.db() as db:
        at = hearing.of_room(db, phase_of(interview).id)
        persons = minutes.data(db, at, interview.parts.clock(), True)["persons"]
    assert "护照号码L898902C3" in [one.get("identity") for one in persons]


@pytest.mark.req("B10", "C05")
def test_recording_refused_ends_it_and_face_refused_does_not(interview):
    interview.start()
    assert "没有问您" in interview.applicant.refused(409, "consent/recording", given="yes")
    interview.notary.does("consent/recording")
    interview.applicant.refused(422, "consent/recording", given="perhaps")
    shown = interview.applicant.state()
    assert shown["kind"] == "consent"
    assert shown["decline"]
    interview.applicant.does("consent/recording", given="no")
    assert interview.applicant.state()["kind"] == "ended"
    with interview.parts.db() as db:
        assert db.get_one(Case, interview.case_id).state == "accepted"
        row = db.scalars(sa.select(Interview)).one()
        assert row.ended == "recording-refused"
        assert row.manifest_seal


@pytest.mark.req("C06", "C07")
def test_media_gone_for_more_than_five_seconds_suspends_and_asks_for_identity_again(interview):
    interview.start().consent().identify()
    interview.look()
    away = interview.parties[0]
    interview.run(away.leave())
    interview.until(lambda: not interview.running("applicant"))
    assert interview.look()["state"] == "interview"
    interview.parts.clock.pass_by(seconds=6)
    assert interview.look()["state"] == "suspended"
    assert interview.applicant.state()["kind"] == "suspended"
    assert "暂停" in interview.notary.refused(409, "ask", question="who-are-you")
    interview.applicant.does("chat", text="我还在")
    interview.notary.refused(409, "resume")
    interview.parties.remove(away)
    interview.join("applicant")
    interview.notary.does("resume")
    assert phase_of(interview).locked
    assert "看一眼" in interview.notary.refused(409, "look")
    interview.notary.does("identity/cross", result="confirmed")
    assert not phase_of(interview).locked
    assert phase_of(interview).interruptions == 1


@pytest.mark.req("C02", "C15")
def test_only_these_two_come_in(interview):
    interview.start()
    for path in ("", "/state"):
        assert interview.stranger.http.get(interview.stranger.base + path).status_code == 404
        for name, seat in interview.colleagues.items():
            got = seat.http.get(seat.base + path).status_code
            assert got == 403, (name, got)
    interview.applicant.page()
    for path in ("offer", "chat", "consent/recording", "leave"):
        reply = interview.stranger.post(path, sdp="v=0", type="offer", text="x", given="yes")
        assert reply.status_code in (400, 404)
    for seat in interview.colleagues.values():
        assert seat.post("resume").status_code in (400, 403)
    assert interview.applicant.http.get(interview.notary.base).status_code == 403
    nobody = interview.app.test_client()
    assert nobody.get(interview.applicant.base + "/state").status_code == 303
    plain = interview.applicant.http.post(interview.applicant.base + "/chat", json={"text": "x"})
    assert plain.status_code == 400  # no token


@pytest.mark.req("C01")
@pytest.mark.parametrize(
    ("sdp", "status"),
    [
        ("v=0\r\n" + "a=x\r\n" * 250_000, 413),
        ("v=0\r\n" + "a=candidate:1 1 UDP 1 10.0.0.1 9 typ host\r\n" * 10_000, 413),
        ("v=0\r\nm=audio 9 X 0\r\n" + "a=candidate:1 1 UDP 1 10.0.0.1 9 typ host\r\n" * 60, 422),
        ("hello", 422),
        ("v=0\r\n名", 422),
        (17, 422),
    ],
)
def test_a_bad_offer_is_refused_in_words(interview, sdp, status):
    interview.notary.page()
    interview.notary.does("open")
    for seat in (interview.applicant, interview.notary):
        seat.refused(status, "offer", sdp=sdp, type="offer")
    assert interview.parts.media.each[1].health()["half_open"] == 0


def test_who_has_no_video_codec_of_the_others_is_told_so(interview):
    interview.notary.page()
    interview.notary.does("open")

    async def offer(*codecs):
        party = Browser(interview.clips["applicant"], codecs)
        sdp = await party.offer()
        await party.leave()
        return sdp

    assert interview.notary.does("offer", sdp=interview.run(offer("VP8")), type="offer").json["sdp"].startswith("v=0")
    said = interview.applicant.refused(409, "offer", sdp=interview.run(offer("H264")), type="offer")
    assert "没有共同的视频格式" in said


@pytest.mark.req("C07")
def test_a_connection_is_mended_by_its_own_page_only_and_nothing_is_locked(interview):
    interview.notary.page()
    interview.notary.does("open")

    def restart(sdp):
        return interview.applicant.does("offer", sdp=sdp, type="offer", restart=True).json

    async def elsewhere():
        party = Browser(interview.clips["applicant"])
        offer = await party.offer()
        await party.leave()
        return offer

    other = interview.run(elsewhere())
    assert restart(other) == {"gone": "over"}
    own = interview.join("applicant").pc.localDescription.sdp
    interview.join("notary")
    before = interview.look()
    moved = re.sub(r"a=ice-ufrag:\S+", "a=ice-ufrag:fresh", own)
    answer = restart(moved)
    assert answer["type"] == "answer"
    assert answer["sdp"].startswith("v=0")
    assert restart(other) == {"gone": "replaced"}
    interview.applicant.refused(422, "offer", sdp="hello", type="offer", restart=True)
    interview.applicant.refused(413, "offer", sdp="v=0\r\n" + "a=x\r\n" * 250_000, type="offer", restart=True)
    assert interview.look()["turn"] == before["turn"]
    assert not phase_of(interview).locked
    with interview.parts.db() as db:
        kinds = list(db.scalars(sa.select(Event.kind).where(Event.case_id == interview.case_id)))
    assert kinds.count("interview.moved") == 1
    assert kinds.count("interview.joined") == 2


@pytest.mark.req("C10", "C19", "E02")
def test_a_silent_sign_reaches_the_notary_and_leaves_no_trace(interview):
    interview.start().consent()
    before = interview.applicant.state()
    interview.applicant.does("quiet")
    after = interview.applicant.state()
    for key in before.keys() - {"turn", "seconds"}:
        assert before[key] == after[key]
    said = interview.look()
    assert said["distress"]
    assert 'id="distress"' in said["regions"]["alerts"]
    interview.notary.refused(422, "break-off", reason="mood")
    interview.notary.does("break-off", reason="not-free-will")
    ended = interview.applicant.state()
    assert ended["kind"] == "ended"
    assert "自愿" not in ended["why"]


def test_a_poll_of_the_same_state_is_answered_with_304(interview):
    interview.start()
    for seat in (interview.applicant, interview.notary):
        seat.page()
        url = f"{seat.base}/state"
        hits = []
        for _n in range(6):
            first = seat.http.get(url)
            again = seat.http.get(url, headers={"If-None-Match": first.headers["ETag"]})
            hits.append(again.status_code)
        assert 304 in hits


def test_a_form_without_script_comes_back_to_the_page(interview):
    interview.start()
    interview.notary.page()
    reply = interview.notary.http.post(
        f"{interview.notary.base}/consent/recording", data={"csrf_token": interview.notary.csrf}
    )
    assert reply.status_code == 303
    page = interview.applicant.page().text
    assert 'id="consent-yes"' in page
    reply = interview.applicant.http.post(
        f"{interview.applicant.base}/consent/recording", data={"csrf_token": interview.applicant.csrf, "given": "yes"}
    )
    assert reply.status_code == 303
    with interview.parts.db() as db:
        assert hearing.consented(db, db.get_one(Case, interview.case_id), hearing.ConsentKind.RECORDING)


def test_an_application_taken_back_in_a_pause_closes_the_room_and_seals_what_was_recorded(interview):
    interview.start().consent()
    interview.notary.does("suspend", reason="对方要接电话")
    my = f"/my/{interview.case_id}/withdraw"
    page = interview.applicant.http.get(my)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
    assert interview.applicant.http.post(my, data={"csrf_token": token}).status_code == 303
    with interview.parts.db() as db:
        case = db.get_one(Case, interview.case_id)
        left = hearing.newest(db, case)
        assert (case.state, left.ended) == ("terminated", "withdrawn")
        assert left.closed_at is not None
        assert left.manifest_seal
    interview.notary.refused(409, "resume")
