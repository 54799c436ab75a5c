"""A case that ends without a deed: proposed by its notary with a ground of the law, decided by somebody else."""

import pytest
from walking import ALICE, desk
from webauthn.helpers import base64url_to_bytes

from notary.demo.passkey import SoftPasskey
from notary.lifecycle import State

SAID = "申请人当庭表示对担保金额有争议，已就此起诉。"


class Key:
    """Carol's passkey at the pages' own routes."""

    def __init__(self, carol):
        self.carol, self.key = carol, SoftPasskey(origin="http://localhost")
        told = self.send("/staff/passkeys/options").get_json(force=True)
        made = self.key.register(base64url_to_bytes(told["challenge"]))
        assert self.send("/staff/passkeys", credential=made).status_code == 200

    def send(self, path, **fields):
        head = {"Accept": "application/json", "X-CSRFToken": self.carol.token()}
        return self.carol.client.post(path, json=fields, headers=head)

    def decides(self, case, **said):
        base = desk(case) + "/ending/decision"
        told = self.send(f"{base}/options", **said)
        if told.status_code != 200:
            return told
        assertion = self.key.sign(base64url_to_bytes(told.get_json(force=True)["challenge"]))
        return self.send(base, assertion=assertion, **said)


@pytest.fixture
def carols_key(carol_approves):
    return Key(carol_approves)


def propose(bob, case, ground="refuse:dispute", text=SAID):
    return bob.post(desk(case) + "/ending", {"ground": ground, "text": text})


@pytest.mark.req("G08")
def test_a_refusal_is_proposed_by_the_notary_and_decided_by_another(
    accepted, alice_applies, bob_notarizes, carol_approves, carols_key, row, outbox
):
    assert propose(bob_notarizes, accepted).status_code == 303
    assert State.ACCEPTED is row(accepted).state
    assert "1 件，等您决定" in carol_approves.get("/desk/deeds").text
    page = carol_approves.get(desk(accepted) + "/ending").text
    assert SAID in page
    assert "公证法 第31条第4项" in page

    assert carols_key.decides(accepted, agree="yes").status_code == 200
    assert State.REFUSED is row(accepted).state
    assert "不予办理" in outbox(ALICE)[0].text
    mine = alice_applies.get(accepted).text
    assert SAID in mine
    assert "投诉与复查" in mine
    assert "等您决定" not in carol_approves.get("/desk/deeds").text


@pytest.mark.req("G09")
def test_a_termination_gives_the_appointment_back(
    accepted, alice_applies, bob_notarizes, carol_approves, carols_key, row, parts
):
    import re

    slot = re.search(r'name="slot" id="f-slot" value="([^"]+)"', alice_applies.get(f"{accepted}/book").text)[1]
    assert alice_applies.post(f"{accepted}/book", {"slot": slot, "zone": "Asia/Shanghai"}).status_code == 303
    assert (
        propose(bob_notarizes, accepted, "terminate:six-months", "半年没有补来展期通知，电话也联系不上。").status_code
        == 303
    )
    assert carols_key.decides(accepted, agree="yes").status_code == 200

    assert State.TERMINATED is row(accepted).state
    with parts.db() as db:
        from notary.office import booking

        assert booking.slot_of(db, row(accepted)) is None
    assert "六个月" in alice_applies.get(accepted).text


def test_a_proposal_that_is_not_agreed_to_leaves_the_case_as_it_was(
    accepted, bob_notarizes, carol_approves, carols_key, row
):
    propose(bob_notarizes, accepted)
    assert carols_key.decides(accepted, agree="no", text="").status_code == 422
    assert carols_key.decides(accepted, agree="no", text="先让双方核对金额").status_code == 200
    assert State.ACCEPTED is row(accepted).state
    assert carols_key.decides(accepted, agree="yes").status_code == 409
    assert propose(bob_notarizes, accepted).status_code == 303  # with what was learnt, once more


@pytest.mark.parametrize(
    ("ground", "text"), [("", SAID), ("refuse:six-months", SAID), ("accept:dispute", SAID), ("refuse:dispute", "不行")]
)
def test_without_a_ground_of_the_law_and_a_reason_nothing_is_proposed(accepted, bob_notarizes, ground, text):
    reply = propose(bob_notarizes, accepted, ground, text)
    assert reply.status_code == 422
    assert "请" in reply.text
    assert text in reply.text


def test_nobody_else_may_propose_or_decide(accepted, bob_notarizes, carol_approves, carols_key, visit, row):
    other = visit().enrol("liyuan")
    assert propose(other, accepted).status_code == 403
    assert propose(carol_approves, accepted).status_code == 403
    assert carols_key.decides(accepted, agree="yes").status_code == 409
    propose(bob_notarizes, accepted)
    assert propose(bob_notarizes, accepted).status_code == 409
    for one in (bob_notarizes, other):
        assert one.post(desk(accepted) + "/ending/decision", {"agree": "yes"}).status_code == 403
    assert State.ACCEPTED is row(accepted).state
