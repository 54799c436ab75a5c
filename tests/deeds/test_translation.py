"""A deed for use abroad: Chinese text and translation with its translator in one signed file (H06)."""

import json

import pytest
import sqlalchemy as sa
from deed_world import ABROAD, FINDINGS

from notary.models import Deed, Draft
from signing import render
from signing.body import inside
from signing.verify import Trust, verify


def save(world, case_id, **fields):
    text = "兹证明王大川经远程视频，在本公证员面前签署后附声明，签名属实，并知悉后果。"
    return world.browser("chenjing").form(f"/desk/cases/{case_id}/draft", **{"text": text} | FINDINGS | fields)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"translation-translator": ""}, "译文要署名"),
        ({"translation-title": ""}, "请写译文的标题"),
        ({"translation-language": "tlh"}, "译文是哪种文字"),
        ({"translation-text": "תעודה"}, "公证书的字体里没有这些字"),
        ({"translation-text": "a" * 8001}, "最多 8000"),
        ({"translation-text": "a\n" * 301}, "最多 300 行"),
        ({"text": "兹证明甲经远程视频签署。\n" * 41}, "最多 40 行"),
    ],
)
def test_a_translation_that_cannot_stand_in_a_deed_is_refused_and_what_was_typed_stays(world, change, says):
    reply = save(world, world.case_ids[0], **ABROAD | change)
    assert reply.status_code == 422
    assert says in reply.text
    assert (ABROAD | change)["translation-text"].split("\n")[0] in reply.text


@pytest.mark.req("H06", "G04")
def test_the_translation_is_approved_signed_and_verified_with_the_deed(world):
    case_id = world.case_ids[0]
    assert save(world, case_id, **ABROAD).status_code == 303
    page = world.browser("chenjing").get(f"/desk/cases/{case_id}/draft").text
    assert "Sample Translator" in page
    assert world.browser("chenjing").form(f"/desk/cases/{case_id}/propose").status_code == 303
    assert "Given under seal." in world.browser("wangshu").get(f"/desk/cases/{case_id}/approval").text
    assert world.approve(case_id).status_code == 200
    world.work()
    assert world.seal(case_id).status_code == 200
    world.work()
    with world.parts.db() as db:
        deed = db.scalars(sa.select(Deed).where(Deed.case_id == case_id)).one()
    file = world.browser("chenjing").get(f"/desk/cases/{case_id}/deed.pdf").data
    assert verify(file, Trust.from_pem(world.parts.seal.public().trust_pem)).verdict == "valid"
    pages = render.page_texts(file)
    assert deed.pages == len(pages) == 3
    for words in ("Notarial Certificate", "signed by remote video", "译者 Translator: Sample Translator, Shancheng"):
        assert words in pages[-1].replace("\r\n", " ")
    assert inside(file).facts["translation"]["paragraphs"][-1] == "Given under seal."


def test_an_approval_is_bound_to_the_translation_that_was_shown(world):
    case_id = world.case_ids[1]
    assert save(world, case_id, **ABROAD).status_code == 303
    assert world.browser("chenjing").form(f"/desk/cases/{case_id}/propose").status_code == 303
    carol, base = world.browser("wangshu"), f"/desk/cases/{case_id}/approval"
    carol.get(base)
    options = carol.json(f"{base}/options").get_json(force=True)
    from webauthn.helpers import base64url_to_bytes

    assertion = world.passkeys["wangshu"].sign(base64url_to_bytes(options["challenge"]))
    with world.parts.db.begin() as db:
        draft = db.scalars(sa.select(Draft).where(Draft.case_id == case_id)).one()
        draft.translation = json.loads(json.dumps(draft.translation)) | {"text": "Something else."}
    assert carol.json(base, assertion=assertion, seen="yes").status_code == 409
    assert world.case(case_id).state == "approval"
