"""The interview, played by two browsers: cameras that act, a notary who leads, an applicant who answers and signs."""

from __future__ import annotations

import math
import re

from playwright.sync_api import TimeoutError as PlaywrightTimeout

from notary.demo.cast import Somebody, Staff, newest_message
from notary.demo.filing import E164, code_in
from notary.demo.report import Report

ANSWERS = {
    "who-are-you": "我叫样本甲，1980 年 5 月 17 日出生，号码念了一遍，和证件一样。",
    "where-with-whom": "在自己家里，一个人。",
    "health": "身体好，没吃药，没喝酒。",
    "capacity": "我自己是担保人。",
    "loan": "样本乙向江岸村镇银行借的，还欠四十八万，2026 年 11 月 24 日到期。",
    "extension": "展到 2027 年 5 月 20 日。",
    "free-will": "yes",
    "pressure": "no",
    "liability": "yes",
    "own-funds": "想过，有积蓄，影响不大。",
    "who-drafted": "公证处写的，每一页都看过。",
    "untrue": "公证书会撤销，我要赔钱，严重的要坐牢。",
}


def enter(notary: Staff, applicant: Somebody, case: str, report: Report) -> None:
    """The notary opens the room; both come in and see each other."""
    applicant.go(f"/my/{case}/interview")
    applicant.screen("interview-before")
    notary.go(f"/desk/cases/{case}/interview")
    if notary.page.locator("#f-waive_device").count():
        reason = "演示用的浏览器没有耳朵，数不了几声响"
        notary.page.fill("#f-waive_device", reason)
        report.waived("device-check", reason)
    notary.page.click("#open-interview")
    notary.wait_for("#phases")
    applicant.go(f"/my/{case}/interview")
    for someone in (notary, applicant):
        someone.page.wait_for_function(
            "() => { const far = document.querySelector('#far'); return far && far.currentTime > 0.5; }", timeout=40_000
        )
    notary.page.wait_for_function("() => document.querySelector('#rec')?.dataset.on === 'yes'")


def phase(notary: Staff) -> str:
    return notary.page.get_attribute('#phases [aria-current="step"]', "data-phase") or ""


def onwards(notary: Staff) -> None:
    """Goes to the next phase when the checklist lets it, and waits until it stands."""
    before = phase(notary)
    notary.wait_for("#next-phase:not([disabled])", 40)
    notary.page.click("#next-phase")
    notary.page.wait_for_function(
        "before => document.querySelector('#phases [aria-current=\"step\"]')?.dataset.phase !== before", arg=before
    )


def applicant_agrees(notary: Staff, applicant: Somebody, ask: str, kind: str) -> None:
    """The notary puts a consent onto the screen; the applicant reads it and taps yes."""
    notary.page.click(ask)
    applicant.wait_for(f'[data-consent="{kind}"] #consent-yes, [data-consent="{kind}"]#consent-yes')
    applicant.screen(f"interview-consent-{kind}")
    applicant.page.click("#consent-yes")
    applicant.page.wait_for_function(
        "kind => document.querySelector('#panel [data-kind]')?.dataset.consent !== kind", arg=kind
    )


def consents(notary: Staff, applicant: Somebody) -> None:
    applicant_agrees(notary, applicant, "#ask-recording", "recording")
    notary.wait_for("#ask-face:not([disabled])")
    applicant_agrees(notary, applicant, "#ask-face", "face")
    applicant_agrees(notary, applicant, "#ask-liability", "liability")
    onwards(notary)


def shoot(notary: Staff, kind: str) -> None:
    with notary.page.expect_response(
        lambda answer: "snapshot" in answer.url and answer.request.method == "POST"
    ) as got:
        notary.page.click(f"#shot-{kind}")
    if not got.value.ok:
        raise AssertionError(f"no snapshot {kind}: {got.value.text()}")


def compare_faces(notary: Staff) -> str:
    """Asks for the machine's opinion, again when no frame was good enough; returns the advice's key."""
    advice = "none"
    for _try in range(4):
        with notary.page.expect_response(lambda answer: answer.url.endswith("/face/compare")):
            notary.page.click("#face-compare")
        advice = advice_of(notary)
        if advice != "none":
            break
    return advice


def advice_of(notary: Staff) -> str:
    """The machine's opinion, once it is there."""
    notary.page.wait_for_function(
        """() => { const advice = document.querySelector('#advice');
        return document.querySelector('#face-same') && advice && advice.dataset.advice !== 'waiting'; }""",
        timeout=90_000,
    )
    return notary.page.get_attribute("#advice", "data-advice") or "none"


def identify(notary: Staff, applicant: Somebody, report: Report) -> None:
    """Both sides of the card live, faces compared, the four steps of 五不准."""
    for side in ("front", "back"):
        applicant.show(side)
        applicant.page.wait_for_timeout(1500)
        shoot(notary, f"card-{side}")
    applicant.show("face")
    applicant.page.wait_for_timeout(1500)
    shoot(notary, "face")
    waive_liveness(notary, report)
    advice = advice_of(notary)  # the challenge's own frames were compared
    report.check("the machine supports the same face", advice == "supports", advice)
    notary.page.click("#face-same")
    notary.page.wait_for_function("() => !document.querySelector('#face-same')")
    for step in ("look", "talk", "cross"):
        settle(notary, step, "confirm", "")
    reason = "申请人身边没有身份证识别仪；已看证件、比对人脸、问答印证"
    settle(notary, "device", "waive", reason)
    report.waived("identity-device", reason)
    notary.screen("console-identity")


def waive_liveness(notary: Staff, report: Report) -> None:
    """A photograph at the camera does not turn its head, and a picture that was animated to do so would show nothing:
    the notary waives the machine's part, and page, minutes and report say so."""
    notary.page.click("#liveness-start")
    notary.wait_for('#liveness[data-state="done"], #liveness[data-state="broken"]', 150)
    outcome = notary.page.get_attribute("#liveness-outcome", "data-outcome") or ""
    report.check("a photograph at the camera does not meet the challenge", outcome == "failed", outcome)
    notary.screen("console-liveness")
    reason = "演示用照片当摄像头，不会转头眨眼；由公证员自己看"
    notary.page.click("#liveness-without summary")
    notary.page.fill("#liveness-waiver", reason)
    notary.page.click("#liveness-waive")
    notary.wait_for('#liveness[data-decision="waived"]')
    report.waived("liveness", reason)


def settle(notary: Staff, step: str, verb: str, reason: str) -> None:
    if reason:
        notary.page.fill(f"#reason-{step}", reason)
    notary.page.click(f"#{verb}-{step}")
    result = {"confirm": "confirmed", "waive": "waived", "fail": "failed"}[verb]
    notary.wait_for(f'[data-step="{step}"][data-result="{result}"]')


def surroundings(notary: Staff, applicant: Somebody) -> None:
    """Who is in the room, what was said aloud, the notice and its explanation."""
    while phase(notary) in ("identity", "environment", "private_talk"):
        if notary.page.locator("#present").count():
            notary.page.click("#present")
            notary.page.wait_for_timeout(800)
        for key in notary.page.eval_on_selector_all('[id^="said-"]', "all => all.map(one => one.id)"):
            notary.page.click(f"#{key}")
            notary.page.wait_for_timeout(400)
        onwards(notary)
    applicant_agrees(notary, applicant, "#ask-notice", "notice")
    if notary.page.locator("#ask-liability").count() and notary.page.locator("[data-held]").count():
        applicant_agrees(notary, applicant, "#ask-liability", "liability")
    notary.page.fill("#own-words", "银行到期收不到钱，可以直接找我要，我明白。")
    notary.page.click("#explained")
    notary.page.wait_for_timeout(800)
    onwards(notary)


def inquire(notary: Staff, applicant: Somebody) -> int:
    """Every question that the matter calls for; returns how many."""
    done = 0
    while notary.page.locator("#question").count():
        key = notary.page.get_attribute("#question", "data-question") or ""
        if notary.page.locator("#ask").count():
            notary.page.click("#ask")
            applicant.wait_for(f'#question[data-question="{key}"]')
            notary.page.wait_for_function("() => !document.querySelector('#ask')")
        if done == 0:
            applicant.screen("interview-question")
            notary.screen("console-question")
        said = ANSWERS[key]
        if said in ("yes", "no"):
            notary.page.check(f"#choice-{key}-{said}", force=True)
        else:
            notary.page.fill(f"#text-{key}", said)
        notary.page.click("#answer")
        notary.wait_for(f'#questions [data-question="{key}"].yz-done')
        done += 1
        if not notary.page.locator("#questions li:not(.yz-done)").count():
            break
    onwards(notary)
    return done


def show_pages(notary: Staff, applicant: Somebody, kind: str) -> None:
    """Turns every page on the applicant's screen; the applicant says of each that it was read."""
    number = 1
    while True:
        notary.page.click(f"#show-{kind}-{number}")
        applicant.page.wait_for_function(
            """([kind, n]) => { const at = document.querySelector('#panel [data-kind="document"]');
            return at && at.dataset.paperKind === kind && document.querySelector('#sheet')?.src.match(new RegExp(`/${n}(\\\\.png)?$`)); }""",
            arg=[kind, number],
        )
        applicant.screen(f"interview-{kind}-{number}")
        seen = applicant.page.locator('form[action*="/seen"] button')
        if seen.count():
            seen.first.click()
            applicant.page.wait_for_function("() => !document.querySelector('form[action*=\"/seen\"]')")
        number += 1
        try:
            notary.wait_for(f"#show-{kind}-{number}", 3)
        except PlaywrightTimeout:
            return


def sign(notary: Staff, applicant: Somebody, reader: Somebody, kind: str) -> None:
    """Strokes on the pad and the code of the text message, both bound to what was shown."""
    notary.wait_for(f"#ask-signature-{kind}:not([disabled])")
    notary.page.click(f"#ask-signature-{kind}")
    applicant.wait_for("#pad")
    write_name(applicant)
    applicant.page.click("#send-code")
    applicant.page.wait_for_timeout(700)
    code = code_in(newest_message(reader.page, applicant.url, E164, "签字验证码").split("验证码", 1)[1])
    applicant.page.fill("#code", code)
    applicant.screen(f"interview-sign-{kind}")
    applicant.page.click("#sign")
    applicant.page.wait_for_function("() => !document.querySelector('#pad')", timeout=40_000)
    notary.wait_for(f'#do-paper[data-paper="{kind}"][data-signed="yes"]')


def write_name(applicant: Somebody) -> None:
    """Draws something like a name with the pointer."""
    box = applicant.page.locator("#pad").bounding_box()
    assert box is not None
    mouse = applicant.page.mouse
    for stroke in range(3):
        x0, y0 = box["x"] + box["width"] * (0.2 + 0.22 * stroke), box["y"] + box["height"] * 0.3
        mouse.move(x0, y0)
        mouse.down()
        for n in range(18):
            angle = n / 17 * math.pi * 1.6
            mouse.move(x0 + n * 2.2 + 8 * math.sin(angle * 2), y0 + box["height"] * 0.4 * math.sin(angle) ** 2)
        mouse.up()


def finish(notary: Staff, applicant: Somebody) -> None:
    notary.page.click("#finish")
    notary.wait_for("#over", 60)
    applicant.wait_for('#panel [data-kind="done"]', 30)
    applicant.screen("interview-done")


def text_of_refusal(someone: Somebody) -> str:
    """The words of the refusal that stands on the page."""
    someone.wait_for("#refused:not([hidden])")
    return re.sub(r"\s+", " ", someone.page.inner_text("#refused"))
