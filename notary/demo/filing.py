"""The first half of the demo: people come in, an application is filed, accepted and booked."""

from __future__ import annotations

import re

from notary.demo.cast import Somebody, Staff, newest_message
from notary.demo.papers import Props

PHONE_NUMBER = "13800138000"
E164 = "+8613800138000"
BORROWER = "13900139000"
BANK = "江岸村镇银行"


def case_of(someone: Somebody) -> str:
    """The case's identifier, from the address that stands in the browser. Raises LookupError."""
    found = re.search(r"/(?:my|cases)/([0-9a-f-]{36})", someone.page.url)
    if not found:
        raise LookupError(f"no case in {someone.page.url}")
    return found[1]


def operator_takes_the_call(operator: Staff) -> None:
    operator.go("/desk/tickets")
    operator.page.fill("#f-phone", PHONE_NUMBER)
    operator.page.fill("#f-name", "样本甲")
    operator.page.select_option("#f-matter", "guarantor-consent")
    operator.page.fill("#f-about", "银行今天要担保人同意展期")
    operator.page.click('form[action$="/tickets"] button[type=submit], form[action*="tickets"]:has(#f-phone) button')
    operator.wait_for('section[id^="t-"]')
    operator.press("发链接到他手机")
    operator.screen("desk-tickets")


def applicant_opens_the_link(applicant: Somebody, reader: Somebody) -> None:
    message = newest_message(reader.page, applicant.url, E164, "/l/")
    link = re.search(r"http\S+/l/\S+", message)
    assert link, message
    applicant.go(link[0])
    applicant.screen("applicant-link")
    applicant.press("发短信给我")
    applicant.wait_for("#f-code")
    applicant.page.fill("#f-code", code_in(newest_message(reader.page, applicant.url, E164, "验证码")))
    applicant.press("开始填申请")
    applicant.page.wait_for_url(re.compile("/my/"))


def code_in(message: str) -> str:
    found = re.search(r"(?<!\d)(\d{6})(?!\d)", message)
    if not found:
        raise LookupError(f"no code in {message!r}")
    return found[1]


def upload(applicant: Somebody, material: str, path: object) -> None:
    """Hands one paper in at its place of the page, and waits until the page says that it has it."""
    place = f"#m-{material}"
    applicant.page.set_input_files(f"{place} input[type=file]", str(path))
    if applicant.page.locator(f"{place} [data-upload-send]").is_visible():
        applicant.page.click(f"{place} [data-upload-send]")
    applicant.wait_for(f"{place} .yz-st--ok", 60)


def applicant_files(applicant: Somebody, props: Props) -> str:
    """Fills the whole application on a phone; returns the case's identifier."""
    page = applicant.page
    case = case_of(applicant)
    applicant.go(f"/my/{case}/card")
    upload(applicant, "id-front", props.front)
    upload(applicant, "id-back", props.back)
    applicant.screen("applicant-card")
    wait_for_reading(applicant, case)
    applicant.screen("applicant-who")
    applicant.press("都对，下一步")
    for _section in range(12):
        if not re.search(r"/form/", page.url):
            break
        fill_section(applicant)
        applicant.screen("applicant-form-" + page.url.rsplit("/", 1)[-1])
        applicant.press("存好，下一步")
        page.wait_for_load_state()
    applicant.go(f"/my/{case}/papers")
    for material, path in (
        ("loan-contract", props.contract),
        ("guarantee-contract", props.guarantee),
        ("extension-notice", props.extension),
    ):
        upload(applicant, material, path)
    applicant.screen("applicant-papers")
    applicant.go(f"/my/{case}/declare")
    for key in ("interest", "no-dispute", "capacity", "licensed"):
        page.check(f'input[name="declare-{key}"][value="yes"]', force=True)
    applicant.press("存好，下一步")
    applicant.go(f"/my/{case}/recipients")
    for key in ("bank", "borrower"):
        page.click(f'#r-{key} button[value="yes"]')
        applicant.wait_for(f"#r-{key} .yz-st--ok")
    applicant.screen("applicant-recipients")
    applicant.go(f"/my/{case}/check")
    applicant.screen("applicant-check")
    applicant.press("都是真的，交上来")
    page.wait_for_url(re.compile("/receipt"))
    applicant.screen("applicant-receipt")
    return case


def wait_for_reading(applicant: Somebody, case: str) -> None:
    """The card is read by a job; the page shows what was read when it is opened again."""
    for _try in range(60):
        applicant.go(f"/my/{case}/who")
        if applicant.page.input_value("#f-id_number"):
            return
        applicant.page.wait_for_timeout(1000)
    raise LookupError("the card was not read")


FORM = {
    "territory": "act", "witnesses": "", "capacity": "guarantor", "borrower": "样本乙", "loan_number": "借字2024-0088号",
    "guarantee_number": "保字2024-0088号", "principal": "480000", "due": "2026-11-24", "new_due": "2027-05-20",
    "period": "展期届满之日起三年", "borrower_phone": BORROWER,
}  # fmt: skip


def fill_section(applicant: Somebody) -> None:
    """Answers every field of the section that stands on the screen."""
    page = applicant.page
    for key, value in FORM.items():
        if page.locator(f'input[type=radio][name="{key}"]').count():
            page.check(f'input[name="{key}"][value="{value}"]', force=True)
        elif page.locator(f"#f-{key}").count():
            page.fill(f"#f-{key}", value)
    if page.locator("select#f-bank").count():
        page.select_option("#f-bank", label=BANK)


def notary_accepts(notary: Staff, case: str) -> None:
    notary.go(f"/desk/cases/{case}")
    notary.screen("desk-case")
    notary.page.click('form[action$="/accept"] button')
    notary.wait_for('form[action$="/fee"], form[action$="/wanted-by"]')
    if notary.page.locator('form[action$="/fee"]').count():
        notary.page.check('input[name="manner"][value="transfer"]', force=True)
        notary.page.click('form[action$="/fee"] button')


def applicant_books(applicant: Somebody, case: str) -> bool:
    """Queues now where the office is open, else takes the first free half hour. True when queued."""
    applicant.go(f"/my/{case}/book")
    applicant.screen("applicant-times")
    join = applicant.page.locator('form[action$="/queue"] button, form[action*="join"] button')
    if join.count() and join.first.is_visible():
        join.first.click()
        applicant.wait_for("#place")
        applicant.screen("applicant-waiting")
        return True
    days = applicant.page.locator(".yz-days a")
    for n in range(days.count()):
        if applicant.page.locator('input[name="slot"]').count():
            break
        days.nth(n).click()
        applicant.page.wait_for_load_state()
    applicant.page.locator('input[name="slot"]').first.check(force=True)
    applicant.press("就定这个时间")
    applicant.page.wait_for_load_state()
    return False
