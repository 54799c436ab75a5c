"""A decision on a review that changes something has a paper of its own: sealed, public by the deed's code, in the log."""

import hashlib
import io
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from notary.models import Deed, Event, Message, Notice, Number
from notary.office import auditing, noticing
from notary.seal import refusals
from notary.seal.activation import ByPasskey, challenge
from signing import render
from signing.lint import words
from signing.render import page_texts
from signing.verify import Trust, verify

WRONG = {"outcome": "corrected", "decision": "录入时写错一个字，材料和录像一致。"}


def review(world, case_id, by="liyuan"):
    assert world.browser(by).form(f"/desk/cases/{case_id}/review", reason="公证书里可能有错字").status_code == 303


def sign(world, case_id, login="liyuan", key=None):
    browser, base = world.browser(login), f"/desk/cases/{case_id}/review"
    page = browser.get(base).text
    shown = re.search(r'name="notice" value="([^"]+)"', page)
    fields = {"notice": shown[1]} if shown else {}
    return page, world.touch(
        browser, key or world.passkeys[login], f"{base}/notice/options", f"{base}/notice", **fields
    )


def test_what_is_to_be_corrected_must_stand_in_the_deed(world, issued):
    def decide(stands, reads):
        return world.decide(issued.case_id, **WRONG, **{"stands-1": stands, "reads-1": reads})

    review(world, issued.case_id)
    assert world.decide(issued.case_id, **WRONG).status_code == 422
    assert decide("这几个字没有", "改").status_code == 422
    assert decide("远程视频", "远程视频").status_code == 422
    reply = decide("远程视频", "\U0002ebf0")
    assert reply.status_code == 422
    assert "字体里没有" in reply.text
    assert world.case(issued.case_id).state == "under_review"


@pytest.mark.parametrize("outcome", ["revoked", "corrected"])
@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("理由里有一个字 \U0002ebf0 印不出来", "字体里没有"),
        ("一行\n" * 41, "最多 40 行"),
        ("一二三", "至少 6 个字"),
    ],
)
def test_a_reason_that_no_paper_can_say_is_refused_before_a_key_is_touched(world, issued, outcome, reason, says):
    """Found on reading once more: the decision stood, and its paper could never be made."""
    more = {"stands-1": "远程视频", "reads-1": "远程移动视频"}
    reply = world.decide(issued.case_id, outcome=outcome, decision=reason, **more)
    assert reply.status_code == 422, reply.text
    assert says in reply.text
    assert world.case(issued.case_id).state == "under_review"


@pytest.mark.req("K06")
def test_a_nul_that_no_database_keeps_is_refused_in_json_too(world, issued):
    said = {"outcome": "upheld", "decision": "理由里夹着一个\x00空字符"}
    assert world.decide(issued.case_id, **said).status_code == 400
    assert world.end(issued.case_id, agree="yes", text="a\x00").status_code == 400


@pytest.mark.req("H01", "H03", "H11", "I01", "I06")
def test_a_correction_is_decided_signed_by_who_asked_for_it_and_read_by_everybody_who_holds_the_code(world, issued):
    said = WRONG | {"stands-1": "远程视频", "reads-1": "远程 视频（移动网络）"}
    assert world.decide(issued.case_id, **said).status_code == 200
    http = world.stranger().http
    page = http.get(f"/v/{issued.code}").text
    assert 'data-verdict="corrected"' in page
    assert "verify-notices" not in page  # not before it is sealed
    world.work()
    assert 'id="sign-notice"' not in world.browser("chenjing").get(f"/desk/cases/{issued.case_id}/review").text
    page, reply = sign(world, issued.case_id, key=world.passkeys["chenjing"])
    assert 'id="sign-notice"' in page
    assert reply.status_code == 403  # another notary's key
    _page, reply = sign(world, issued.case_id)
    assert reply.status_code == 200, reply.text
    world.work()
    assert world.failures() == []

    page = http.get(f"/v/{issued.code}").text
    link = re.search(r'href="(/v/[^"]+/notices/[^"]+\.pdf)"', page)[1]
    paper = http.get(link).data
    trust = Trust.from_pem(world.parts.seal.public().trust_pem)
    verdict = verify(paper, trust)
    assert (verdict.verdict, verdict.kind, verdict.concerns) == ("valid", "correction", issued.number)
    assert verdict.signers[0].name.startswith(world.people["liyuan"].name)
    assert "原文“远程视频”，更正为“远程视频（移动网络）”" in words("".join(page_texts(paper)))
    assert http.get(link.replace(issued.code, "2026-1-WRONGCODE")).status_code == 404
    with world.parts.db() as db:
        notice = db.scalars(sa.select(Notice)).one()
        assert re.fullmatch(r"（\d{4}）\w+补字第1号", notice.text)
        line = db.scalars(sa.select(Event).where(Event.kind == "notice.issued")).one()
        assert line.payload["sha256"] == notice.sha256
        assert f"补正公证书 {notice.text}" in db.scalars(sa.select(Message.text).order_by(Message.at.desc())).first()
        assert auditing.faults(db, world.parts) == []
    _page, again = sign(world, issued.case_id)
    assert again.status_code == 409


def test_the_notice_itself_opens_the_standing_of_its_deed(world, issued):
    with world.parts.db() as db:
        notice = db.scalars(sa.select(Notice)).one()
        paper = noticing.file_of(world.parts, world.case(issued.case_id), notice)
    page = world.stranger().http.post("/verify", data={"file": (io.BytesIO(paper), "notice.pdf")}).text
    assert 'data-verdict="corrected"' in page


@pytest.mark.req("H11", "H12")
def test_a_corrected_deed_may_be_revoked_later_and_the_paper_is_signed_on_another_day(world, issued):
    review(world, issued.case_id)
    said = {"outcome": "revoked", "decision": "申请人隐瞒了担保人身份的变更"}
    assert world.decide(issued.case_id, **said).status_code == 200
    with world.parts.db.begin() as db:  # as if all of it had been yesterday
        notice = db.scalars(sa.select(Notice).where(Notice.sha256.is_(None))).one()
        notice.decided_on -= timedelta(days=1)
        day = {"issued_on": notice.decided_on.isoformat()}
        notice.facts = notice.facts | day | {"concerns": notice.facts["concerns"] | day}
    world.work()
    _page, reply = sign(world, issued.case_id)
    assert reply.status_code == 200, reply.text
    world.work()
    with world.parts.db() as db:
        deed = db.get_one(Deed, issued.id)
        papers = noticing.sealed_of(db, deed)
        assert [str(one.kind) for one in papers] == ["correction", "revocation"]
        paper = noticing.file_of(world.parts, world.case(issued.case_id), papers[1])
    verdict = verify(paper, Trust.from_pem(world.parts.seal.public().trust_pem))
    assert (verdict.verdict, verdict.kind) == ("valid", "revocation")
    assert "自始无效" in "".join(page_texts(paper))


def test_the_seal_signs_no_deed_as_a_notice_and_no_notice_twice(world, issued):
    """Whoever writes the database as he likes: an old review, a body of his own, the notary's touch for it."""
    with world.parts.db() as db:
        notice = db.scalars(sa.select(Notice).order_by(Notice.n)).first()
        facts = db.get_one(Number, issued.number_id).facts
    own = {
        "number": "（2026）渝示证补字第99号",
        "notary": notice.facts["notary"],
        "issued_on": notice.facts["issued_on"],
    }
    deed_body = render.deed(facts | own)
    key, notary = world.passkeys["liyuan"], str(world.people["liyuan"].id)

    def act(number, sha256):
        entries = ((number, sha256),)
        return ByPasskey(entries, key.sign(challenge(entries)))

    with pytest.raises(refusals.NotApproved):  # it is sealed: there is no second paper of one decision
        world.parts.seal.activate(notary, [str(notice.id)], act(notice.text, notice.body_sha256))
    forged = hashlib.sha256(deed_body).hexdigest()
    with world.parts.db.begin() as db:
        row = db.get_one(Notice, notice.id)
        row.sha256, row.body_sha256, row.text = None, forged, own["number"]
    try:
        with pytest.raises(refusals.SealError) as refused:
            world.parts.seal.issue(str(notice.id), deed_body, act(own["number"], forged))
        assert "not the same paper" in str(refused.value.problems)
    finally:
        with world.parts.db.begin() as db:
            row = db.get_one(Notice, notice.id)
            row.sha256, row.body_sha256, row.text = notice.sha256, notice.body_sha256, notice.text
