"""Both sides of an interview in a real Chromium, in every state: no accessibility fault, no page that scrolls."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from strokes import STROKES

from notary.models import Challenge, FaceCheck, Interview
from tests.looking import Looking, served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]  # `make look` walks through in six looks
STILL = (Path(__file__).parent / "still_call.js").read_bytes()


class BothSides:
    """Looks at the applicant's page and the notary's; the legs stay with the parties of aiortc."""

    def __init__(self, chromium, origin, interview):
        self.looking, self.interview = Looking(chromium, origin), interview

    def applicant(self, name, kind, then=None, fragment=""):
        """`kind`: what the panel has to be about by now."""
        seat, ready = self.interview.applicant, f"[data-turn][data-kind={kind}] h1"
        self.looking.at(
            f"interview-{name}-applicant", seat.base + fragment, seat.http, then, ready, still=(320, 390, 1280)
        )

    def notary(self, name, then=None):
        seat = self.interview.notary
        self.looking.at(f"interview-{name}-notary", seat.base, seat.http, then, "[data-turn]", still=(1280,))

    def both(self, name, kind):
        self.applicant(name, kind)
        self.notary(name)


def without_a_call(app):
    """The same application, whose pages are given a call that stands still."""

    def answer(environ, start):
        if environ["PATH_INFO"] != "/static/js/call.js":
            return app(environ, start)
        start("200 OK", [("Content-Type", "text/javascript")])
        return [STILL]

    return answer


@pytest.fixture
def sides(chromium, interview):
    with served(without_a_call(interview.app)) as origin:
        yield BothSides(chromium, origin, interview)


def write_name(page):
    pad = page.locator("#pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 60)
    page.mouse.down()
    for n in range(1, 20):
        page.mouse.move(box["x"] + 40 + n * 8, box["y"] + 60 + (n % 5) * 9)
    page.mouse.up()


def plain(seat):
    """A page of the desk before and after the interview has no call."""
    return {"path": seat.base, "client": seat.http}


def compared(interview):
    """What the job leaves when both engines are in doubt."""
    bands = [{"engine": "sface", "band": "doubtful"}, {"engine": "face_recognition", "band": "support"}]
    with interview.parts.db.begin() as db:
        row, now = db.scalars(sa.select(Interview)).one(), interview.parts.clock()
        db.add(FaceCheck(interview_id=row.id, advice="doubtful", results=bands, asked_at=now, done_at=now))


def prompted(page):
    """Prompts come over the data channel, one at a time; colours cover the whole page and go again."""
    told = """([kind, text]) => window.yzCall.dispatchEvent(new CustomEvent("event", { detail: {
        event: "prompt", challenge: document.querySelector("#challenge").dataset.challenge, kind, text } }))"""
    colour = "() => getComputedStyle(document.querySelector('#flash')).backgroundColor"
    page.evaluate(told, ["flash", "red"])
    assert "rgb(255, 0, 0)" == page.evaluate(colour)
    assert page.locator("#flash").bounding_box()["width"] == page.viewport_size["width"]
    page.evaluate(told, ["say", "4711"])
    assert page.locator("#flash").is_hidden()
    assert "4 7 1 1" == page.locator("#digits").inner_text()
    page.evaluate(
        "() => window.yzCall.dispatchEvent(new CustomEvent('event', { detail: { event: 'hint', key: 'too-dark' } }))"
    )
    assert page.locator("#hint").is_visible()
    page.evaluate(told, ["left", ""])
    assert "left" == page.get_attribute("#prompt", "data-now")
    assert page.locator("#prompt").inner_text() == page.locator('[data-prompt="left"]').text_content()


def challenged(interview):
    """What the job leaves when a turn was not quite met, from a camera with a program's name."""
    findings = [
        {"kind": "left", "at": 31.0, "met": 33.5, "reasons": ["eyes-came-along"], "measured": {}},
        {"kind": "mouth", "at": 36.2, "met": 37.1, "reasons": [], "measured": {}},
        {"kind": "say", "at": 41.4, "met": 42.0, "reasons": [], "measured": {}},
    ]
    with interview.parts.db.begin() as db:
        row, at, now = (
            db.scalars(sa.select(Challenge)).one(),
            db.scalars(sa.select(Interview)).one(),
            interview.parts.clock(),
        )
        row.state, row.done_at, row.media_time, row.signs = "done", now, 28.0, ["camera-name", "too-steady"]
        row.verdict = {"outcome": "failed", "findings": findings, "reasons": ["left-out-flash"]}
        at.screen, at.turn = {"kind": "talk"}, at.turn + 1


@pytest.mark.req("L01")
def test_an_interview_can_be_followed_by_everybody_from_first_to_last(sides, interview):
    looking, one = sides.looking, interview
    looking.at("interview-before-notary", **plain(one.notary))
    sides.applicant("before", "wait")
    one.start()
    sides.both("open", "wait")
    looking.at("interview-media-desk", "/desk/media", one.colleagues["guanli"].http)
    one.notary.does("chat", text="您好，我是公证员陈静。听得见吗？")
    one.applicant.does("chat", text="听得见。")
    for kind in ("recording", "face"):
        one.notary.does(f"consent/{kind}")
        sides.both(f"consent-{kind}", "consent")
        one.applicant.does(f"consent/{kind}", given="yes")
    one.notary.does("phase", phase="identity")
    one.notary.does("snapshot", kind="card-front")
    one.notary.does("snapshot", kind="face")
    compared(one)
    sides.both("identity", "talk")
    one.notary.does("challenge/start", slow="", out="flash", why="怕屏幕闪", reason="")
    sides.both("challenge", "challenge")
    sides.applicant("challenge-left", "challenge", then=prompted)
    challenged(one)
    one.notary.does("item/hand", result="odd", note="手划过时下巴抖了一下")
    sides.notary("challenge-done")
    one.notary.does("challenge/heard", heard="right")
    one.notary.does("challenge/decide", decision="accepted", reason="转头慢，眼睛跟着走，其他都好")
    one.notary.does("face/decide", decision="same", reason="本人说出了证件上的旧住址")
    one.identify()
    sides.notary("notice")
    one.notary.does("consent/notice")
    sides.both("notice-shown", "notice")
    one.ask_all()
    sides.notary("document")
    one.notary.does("papers/instrument/show", page="1")
    sides.both("document-shown", "document")
    shown = one.show("instrument")
    sides.applicant("document-seen", "document")
    one.notary.does("phase", phase="signing")
    one.notary.does("papers/instrument/ask-signature")
    sides.both("sign", "sign")
    sides.applicant("sign-written", "sign", then=write_name)
    one.applicant.does(
        f"papers/{shown['paper']}/sign", sha256=shown["sha256"], strokes=STROKES, code=one.code(shown["paper"])
    )
    one.notary.does("phase", phase="closing")
    shown = one.show("minutes")
    one.notary.does("papers/minutes/ask-signature")
    sides.both("minutes", "sign")
    looking.at("interview-minutes-text", f"{one.applicant.base}/papers/{shown['paper']}/text", one.applicant.http)
    one.applicant.does(
        f"papers/{shown['paper']}/sign", sha256=shown["sha256"], strokes=STROKES, code=one.code(shown["paper"])
    )
    sides.notary("signed")
    one.notary.does("finish")
    sides.applicant("done", "done")
    looking.at("interview-done-notary", **plain(one.notary))

    looking.found_nothing()


@pytest.mark.req("L01")
def test_an_interview_that_is_broken_can_be_followed_too(sides, interview):
    looking, one = sides.looking, interview
    one.start().consent().identify()
    for state in ("interrupted", "denied", "replaced", "connecting"):
        sides.applicant(f"call-{state}", "talk", fragment=f"#{state}")
    for kind in ("notice", "liability"):
        one.notary.does(f"consent/{kind}")
        one.applicant.does(f"consent/{kind}", given="yes")
    one.notary.does("explained", own_words="说了假话要负责")
    one.notary.does("phase", phase="inquiry")
    one.notary.does("ask", question="where-with-whom")
    sides.both("question", "question")
    sides.applicant("question-typing", "question", then=lambda page: page.locator("#type").click())
    sides.notary("break-off", then=lambda page: page.locator("#break-off summary").click())
    one.applicant.post("quiet")
    one.notary.does("suspend")
    sides.both("suspended", "suspended")
    one.notary.does("resume")
    sides.notary("again")
    one.notary.does("break-off", reason="not-free-will")
    sides.applicant("ended", "ended")
    looking.at("interview-ended-notary", **plain(one.notary))

    looking.found_nothing()
