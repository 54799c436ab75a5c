"""`make demo`: everything by pages, API, printed output and the visible outbox; nothing that users do not have."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import httpx
from playwright.sync_api import Browser, sync_playwright

from notary.demo import deed, filing, interview, papers, recording
from notary.demo.bank import BankDesk
from notary.demo.cast import DESK, PHONE, Somebody, Staff, launch
from notary.demo.report import Report
from notary.demo.stage import Stage
from notary.settings import CHECKOUT

OUT = CHECKOUT / "var" / "demo"
PITCHES = {"applicant": 1000, "notary": 1500}
STAFF = ("guanli", "hejie", "zhoumin", "chenjing", "liyuan", "wangshu")
SIGNERS = {"chenjing": "陈静", "liyuan": "李远"}


def main() -> int:
    """Exit 0 when the deed is valid, every check holds and every refusal came."""
    shutil.rmtree(OUT, ignore_errors=True)
    screens = OUT / "screens"
    screens.mkdir(parents=True)
    report = Report()
    try:
        with Stage() as stage, sync_playwright() as play:
            phone, desk = launch(play), launch(play)
            try:
                played = Play(stage, phone, desk, screens, report)
                try:
                    played.run()
                except Exception:
                    played.leave_traces()
                    raise
            finally:
                phone.close()
                desk.close()
    finally:
        report.write(OUT / "report.json")
    print(f"\nverdict: {report.verdict}   {OUT / 'report.json'}")
    return 0 if report.good and len(report.refusals) == 3 else 1


class Play:
    """Two browsers: `phone` holds the applicant and the borrower, `desk` the office and the bank."""

    def __init__(self, stage: Stage, phone: Browser, desk: Browser, screens: Path, report: Report) -> None:
        self.stage, self.report, self.screens, self.desk = stage, report, screens, desk
        self.props = papers.make(OUT / "props")
        self.bank_desk = BankDesk(stage.url)
        self.staff = {login: Staff(desk, stage.url, DESK, screens, login) for login in STAFF}
        self.applicant = Somebody(phone, stage.url, PHONE, screens, "applicant")
        self.borrower = Somebody(phone, stage.url, PHONE, screens, "borrower")
        self.reader = Somebody(desk, stage.url, DESK, screens, "outbox")
        self.bank = Somebody(desk, stage.url, DESK, screens, "bank")
        p = self.props
        self.applicant.camera(
            {"face": p.applicant, "front": p.front, "back": p.back, "stranger": p.stranger}, PITCHES["applicant"]
        )
        for login in SIGNERS:
            self.staff[login].camera({"face": p.notary}, PITCHES["notary"])

    def run(self) -> None:
        report = self.report
        notary, applicant = self.staff["chenjing"], self.applicant
        with report.step("people enrol"):
            self.enrol()
        with report.step("bank gets its webhook and key"):
            api_key = self.connect_bank()
            self.assess_faces()
        with report.step("operator takes the call"):
            filing.operator_takes_the_call(self.staff["hejie"])
        with report.step("applicant opens the link"):
            filing.applicant_opens_the_link(applicant, self.reader)
        with report.step("applicant files"):
            case = filing.applicant_files(applicant, self.props)
        with report.step("notary accepts"):
            filing.notary_accepts(notary, case)
        with report.step("applicant books"):
            if filing.applicant_books(applicant, case):
                notary.go(f"/desk/cases/{case}")
                notary.page.click('form[action$="/claim"] button')
                notary.page.wait_for_load_state()
        with report.step("both enter"):
            interview.enter(notary, applicant, case, report)
        with report.step("consents"):
            interview.consents(notary, applicant)
        with report.step("another face at the camera"):
            self.stranger_is_stopped(notary, applicant, case)
        with report.step("both enter again"):
            self.book_again(notary, applicant, case)
        with report.step("consents again"):
            interview.consents(notary, applicant)
        with report.step("identity"):
            interview.identify(notary, applicant, report)
        with report.step("surroundings and notice"):
            interview.surroundings(notary, applicant)
        with report.step("questions"):
            count = interview.inquire(notary, applicant)
        report.check("every question was asked", count == len(interview.ANSWERS), count)
        with report.step("document shown"):
            interview.show_pages(notary, applicant, "instrument")
            interview.onwards(notary)
        with report.step("document signed"):
            interview.sign(notary, applicant, self.reader, "instrument")
            interview.onwards(notary)
        with report.step("minutes read and signed"):
            interview.show_pages(notary, applicant, "minutes")
            interview.sign(notary, applicant, self.reader, "minutes")
        with report.step("interview ends"):
            interview.finish(notary, applicant)
        with report.step("draft"):
            deed.notary_drafts(notary, case)
        with report.step("approval"):
            deed.approver_approves(self.staff["wangshu"], case)
        with report.step("deed"):
            report.deed_number = deed.notary_seals(notary, case)
        self.after(case, api_key)

    def leave_traces(self) -> None:
        """Where everybody stood when it went wrong, and what the office printed."""
        for person in (*self.staff.values(), self.applicant, self.borrower, self.bank):
            person.screen(f"failed-{person.name}")
            self.report.trouble += [f"{person.name}: {line}" for line in person.trouble]
        (OUT / "office.log").write_text("\n".join(self.stage.said))

    def enrol(self) -> None:
        for login, person in self.staff.items():
            if login in SIGNERS or login == "wangshu":
                person.authenticator()
            person.enrol(self.stage.links[login])
        for login in (*SIGNERS, "wangshu"):
            code = self.stage.code_for(SIGNERS[login]) if login in SIGNERS else ""
            self.staff[login].add_passkey(code)
        self.staff["chenjing"].screen("staff-home")

    def connect_bank(self) -> str:
        """The administrator types the bank's webhook address and makes a key, which is shown once."""
        admin = self.staff["guanli"]
        admin.go("/desk/banks")
        card = admin.page.locator('section[id^="b-"]', has_text=filing.BANK)
        card.locator('input[type="url"]').fill(self.bank_desk.url)
        card.locator("form").first.locator("button").click()
        admin.page.wait_for_load_state()
        card = admin.page.locator('section[id^="b-"]', has_text=filing.BANK)
        card.get_by_role("button", name="做一把新密钥").click()
        admin.wait_for("#bank-key")
        return admin.page.inner_text("#bank-key").strip()

    def assess_faces(self) -> None:
        """Without the office's assessment on file no face is compared by machine."""
        admin = self.staff["guanli"]
        admin.go("/desk/face-assessment")
        for name, words in papers.ASSESSMENT.items():
            admin.page.fill(f"#f-{name}", words)
        admin.page.click("#file")
        admin.wait_for("text=现在用的")
        admin.screen("face-assessment")

    def stranger_is_stopped(self, notary: Staff, applicant: Somebody, case: str) -> None:
        """Another face: signing stays locked, a decision without a reason is refused, the notary ends the act."""
        applicant.show("stranger")
        applicant.page.wait_for_timeout(2500)
        advice = interview.compare_faces(notary)
        self.report.check("the machine does not support another face", advice in ("against", "doubtful"), advice)
        notary.page.click("#face-same")
        words = interview.text_of_refusal(notary)
        notary.screen("console-stranger")
        self.report.refused("another face at the camera: decision against the advice without a reason", words)
        notary.page.click("#break-off summary")
        notary.page.select_option("#break-reason", index=0)
        notary.page.click("#break-off-now")
        notary.wait_for("#over", 60)
        applicant.wait_for('#panel [data-kind="ended"]', 30)
        applicant.show("face")

    def book_again(self, notary: Staff, applicant: Somebody, case: str) -> None:
        if filing.applicant_books(applicant, case):
            notary.go(f"/desk/cases/{case}")
            notary.page.click('form[action$="/claim"] button')
            notary.page.wait_for_load_state()
        interview.enter(notary, applicant, case, self.report)

    def after(self, case: str, api_key: str) -> None:
        """Copies, verdicts, evidence, one changed byte, revocation."""
        report, notary = self.report, self.staff["chenjing"]
        with report.step("copies reach applicant, borrower and bank"):
            mine = deed.fetch_copy(self.applicant, self.reader, filing.E164, OUT, "deed.pdf")
            theirs = deed.fetch_copy(self.borrower, self.reader, "+86" + filing.BORROWER, OUT, "borrower.pdf")
            event = self.bank_desk.waits_for("deed.issued")
        report.check("applicant and borrower got the same bytes", mine.read_bytes() == theirs.read_bytes(), "identical")
        report.check("the bank's webhook was genuine", not self.bank_desk.refused, event["data"]["number"])
        code = event["data"]["code"]
        with report.step("the bank verifies"):
            by_code = deed.verdict_by_code(self.bank, code)
            self.bank.screen("verify-valid")
            by_file, _sentence = deed.verdict_by_file(self.bank, mine)
            by_api = self.ask_api(api_key, event["data"]["number"], code)
        report.check("by QR, by file and by API", {by_code, by_file, by_api} == {"valid"}, [by_code, by_file, by_api])
        with report.step("the verdict offline"):
            self.offline(mine)
        with report.step("evidence"):
            self.measure(deed.evidence(notary, case, OUT))
            bundled = self.verify_offline(mine, "--bundle", str(OUT / "bundle.zip"))
        report.check("the bundle proves itself offline", bundled == "valid", bundled)
        with report.step("one byte changed"):
            changed, words = deed.verdict_by_file(self.bank, deed.one_byte_changed(mine))
            self.bank.screen("verify-changed")
        report.check("one changed byte is refused", changed == "changed", changed)
        if changed == "changed":
            report.refused("one byte changed", words)
        with report.step("revoked"):
            deed.revoke(self.staff["liyuan"], self.second_approver(), case)
            revoked = deed.verdict_by_code(self.bank, code)
            words = self.bank.page.inner_text("#verify-verdict")
            self.bank.screen("verify-revoked")
            by_api = self.ask_api(api_key, event["data"]["number"], code)
            self.bank_desk.waits_for("deed.revoked")
        report.check("revoked is seen by QR and API at once", {revoked, by_api} == {"revoked"}, [revoked, by_api])
        if revoked == "revoked":
            report.refused("a revoked deed", words)
        for person in (*self.staff.values(), self.applicant, self.borrower, self.bank):
            report.trouble += [f"{person.name}: {line}" for line in person.trouble]

    def second_approver(self) -> Staff:
        """Whoever approved may not decide the review: the administrator lets another approver in."""
        admin = self.staff["guanli"]
        admin.go("/staff/people")
        admin.page.fill("#f-login", "zhaoheng")
        admin.page.fill("#f-name", "赵衡")
        admin.page.select_option("#f-role", "approver")
        admin.press("添加，给一次性链接")
        admin.wait_for("#enrol-link")
        other = Staff(self.desk, self.stage.url, DESK, self.screens, "zhaoheng")
        self.staff["zhaoheng"] = other
        other.authenticator()
        other.enrol(admin.page.inner_text("#enrol-link").strip())
        other.add_passkey()
        return other

    def ask_api(self, key: str, number: str, code: str) -> str:
        answer = httpx.post(
            f"{self.stage.url}/api/v1/verifications", json={"number": number, "code": code},
            headers={"X-API-Key": key}, timeout=20,
        )  # fmt: skip
        return str(answer.json().get("verdict", answer.status_code))

    def offline(self, path: Path) -> None:
        root = httpx.get(f"{self.stage.url}/.well-known/yuanzheng/root.pem", timeout=10).content
        (OUT / "trust.pem").write_bytes(root)
        self.report.verdict = self.verify_offline(path)

    def verify_offline(self, path: Path, *more: str) -> str:
        """`signing verify` in a process of its own, with a folder that holds nothing but `signing/`."""
        alone = OUT / "alone"
        if not alone.exists():
            shutil.copytree(CHECKOUT / "signing", alone / "signing", ignore=shutil.ignore_patterns("__pycache__"))
        done = subprocess.run(
            [sys.executable, "-m", "signing", "verify", str(path), "--trust", str(OUT / "trust.pem"), "--json", *more],
            cwd=alone, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        try:
            return str(json.loads(done.stdout)["verdict"])
        except (ValueError, KeyError):
            return f"exit {done.returncode}: {done.stderr[-200:]}"

    def measure(self, files: list[Path]) -> None:
        """Every recorded segment: counters without holes, sound with picture, the right party."""
        import hashlib

        manifest = json.loads((OUT / "recording" / "manifest.json").read_text())
        legs = {one["segment"]: one["leg"] for one in manifest["segments"]}
        for path in sorted(files):
            heard, party = recording.measure(path), legs[path.stem]
            self.report.recording.append(
                {
                    "file": path.name, "party": party, "seconds": heard.seconds, "frames": heard.frames,
                    "holes": heard.holes, "apart_ms": heard.apart_ms, "pitch": heard.pitch,
                    "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                }
            )  # fmt: skip
            right = heard.pitch is not None and abs(heard.pitch - PITCHES[party]) < 40
            good = heard.holes == 0 and heard.apart_ms is not None and heard.apart_ms <= 80 and right
            self.report.check(f"recording {path.name} ({party})", good, asdict(heard))
        self.report.check("both parties are recorded", set(legs.values()) == {"applicant", "notary"}, sorted(legs))
