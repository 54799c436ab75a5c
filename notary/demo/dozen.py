"""A dozen cases in every state, for trying out: made as users make them, over the pages' own routes.

Nothing here is drawn by hand into the database: applications are filed and papers handed in over HTTP, interviews are held
over WebRTC and recorded, deeds are approved and sealed with passkeys.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from identity.specimen import YANG_JIA, Card, number_of
from notary.demo import papers
from notary.demo.peer import Clip, Peers
from notary.demo.visitor import Caller, Officer, Refused

ISSUED_AFTER = 60
"""Seconds that a deed may take from its passkey to the register."""
BANK = re.compile(r'<option value="([0-9a-f-]{36})"')
CASE = re.compile(r"/my/([0-9a-f-]{36})")


@dataclass(frozen=True)
class Application:
    """What one matter asks: papers, pages of the form with their answers, declarations."""

    papers: tuple[str, ...]
    form: dict[str, dict[str, str]]
    declares: tuple[str, ...]
    recipients: dict[str, str] = field(default_factory=dict)


APPLICATIONS = {
    "guarantor-consent": Application(
        ("loan-contract", "guarantee-contract", "extension-notice"),
        {
            "territory": {"territory": "domicile"},
            "who": {"capacity": "guarantor"},
            "loan": {
                "borrower": "样本乙", "loan_number": "借字2024-0088号", "guarantee_number": "保字2024-0088号",
                "principal": "480000", "due": "2026-11-24", "new_due": "2027-05-20", "period": "展期届满之日起三年",
            },
            "copies": {"borrower_phone": "13900139000"},
        },
        ("interest", "no-dispute", "capacity", "licensed"),
        {"bank": "yes", "borrower": "yes"},
    ),
    "power-of-attorney": Application(
        ("agent-id", "right"),
        {
            "territory": {"territory": "domicile"},
            "agent": {"agent_name": "样本乙", "agent_id_number": number_of(date(1968, 11, 2), 925), "relation": "儿子"},
            "powers": {
                "use": "样本市社会保险局", "powers": "代我领取并提交养老保险的资格认证材料；代我签收回执。",
                "until": "2027-11-30", "sub_delegation": "no",
            },
        },
        ("interest", "no-dispute", "capacity", "not-real-estate", "revocable", "not-family"),
    ),
    "declaration": Application(
        ("facts",),
        {
            "territory": {"territory": "act"},
            "content": {
                "use": "样本市不动产登记中心", "subject": "曾用名",
                "content": "我曾用名“样本小”，与现在的姓名是同一个人，1998 年起不再使用。",
            },
        },
        ("interest", "no-dispute", "capacity", "not-family"),
    ),
}  # fmt: skip
SAYS_NO = ("pressure", "inheritance", "home")
"""The questions to which an applicant who may go on answers no."""
FINDINGS = {
    "identity": "一人申请，身份已核，有完全行为能力。", "intention": "自愿，清楚后果。", "document": "文书内容完备，用词准确。",
    "materials": "材料齐全，与陈述一致。", "legality": "事项真实、合法。",
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """How a case comes to `state`: steps of `Dozen` by name; `after`: those that follow its seal, None without one."""

    state: str
    matter: str
    steps: tuple[str, ...] = ()
    after: tuple[str, ...] | None = None


HEARD = ("accept", "interview")
APPROVED = (*HEARD, "propose", "approve")
PLANS = (
    Plan("submitted", "declaration"),
    Plan("returned", "guarantor-consent", ("give_back",)),
    Plan("not_accepted", "power-of-attorney", ("decline",)),
    Plan("withdrawn", "declaration", ("withdraw",)),
    Plan("accepted", "guarantor-consent", ("accept", "queue")),
    Plan("terminated", "power-of-attorney", ("accept", "withdraw")),
    Plan("drafting", "power-of-attorney", HEARD),
    Plan("approval", "declaration", (*HEARD, "propose")),
    Plan("issued", "declaration", APPROVED, ()),
    Plan("delivered", "power-of-attorney", APPROVED, ("fetch",)),
    Plan("under_review", "declaration", APPROVED, ("question",)),
    Plan("revoked", "power-of-attorney", APPROVED, ("question", "revoke")),
    Plan("approved", "guarantor-consent", APPROVED),
    Plan("suspended", "declaration", ("accept", "half")),
)


def card_of(number: int) -> Card:
    """Somebody who does not exist, with a number of region 000000."""
    name = "样本" + "丙丁戊己庚辛壬癸子丑寅卯辰巳"[number]
    born = date(1950 + 3 * number, 1 + number % 12, 3 + number)
    sequence = 301 + 2 * number
    return Card(
        name, "男", "汉", born, f"样本省样本市样本区渡口路{number + 1}号", number_of(born, sequence),
        YANG_JIA.issuer, YANG_JIA.valid_from, YANG_JIA.valid_to,
    )  # fmt: skip


STROKES = [
    [[40 + 9 * n + 70 * stroke, 60 + (n * (5 + stroke)) % 60, 300 * stroke + 16 * n] for n in range(9)]
    for stroke in range(3)
]


class Dozen:
    """The people who make the cases: `notary`, `other` notary, `approver`, `second` approver, and many applicants."""

    def __init__(self, url: str, props: Path, people: dict[str, Officer], tell: Callable[[str], None]) -> None:
        self.url, self.props, self.tell = url, props, tell
        self.notary, self.other = people["chenjing"], people["liyuan"]
        self.approver, self.second = people["wangshu"], people["zhaoheng"]
        self.peers = Peers()
        self.clips = {
            "applicant": Clip(papers.FACES / "1.jpg", 220), "notary": Clip(papers.FACES / "2.jpg", 330),
        }  # fmt: skip
        self.made = self.booked = 0

    def first(self, jia: Caller) -> dict[str, str]:
        """样本甲 (`jia`) has a draft, and an interview that is booked. Identifier by state."""
        self.tell("样本甲: draft, scheduled")
        cases = {"draft": self.begun(jia), "scheduled": self.filed(jia, "guarantor-consent", YANG_JIA)}
        self.accept(jia, cases["scheduled"])
        self.book(jia, cases["scheduled"])
        return cases

    def rest(self) -> dict[str, str]:
        """Everybody else's. Identifier by state."""
        cases: dict[str, str] = {}
        applicants: dict[str, Caller] = {}
        for plan in PLANS:
            card = card_of(self.made)
            self.tell(f"{card.name}: {plan.state}")
            applicant = Caller(self.url).log_in(f"138000{10000 + self.made:05d}")
            case = self.filed(applicant, plan.matter, card)
            for step in plan.steps:
                getattr(self, step)(applicant, case)
            cases[plan.state] = case
            applicants[plan.state] = applicant
            self.made += 1
        sealed = [plan for plan in PLANS if plan.after is not None]
        self.tell("seal: " + ", ".join(plan.state for plan in sealed))
        self.seal([cases[plan.state] for plan in sealed])
        for plan in sealed:
            for step in plan.after or ():
                getattr(self, step)(applicants[plan.state], cases[plan.state])
        return cases

    # filing

    def begun(self, applicant: Caller, matter: str = "guarantor-consent") -> str:
        found = CASE.search(applicant.form(f"/my/new/{matter}").headers["Location"])
        assert found is not None
        return found[1]

    def filed(self, applicant: Caller, matter: str, card: Card) -> str:
        case, asked = self.begun(applicant, matter), APPLICATIONS[matter]
        base = f"/my/{case}"
        front, back = papers.card(self.props, card)
        for material, path in (("id-front", front), ("id-back", back)):
            applicant.form(f"{base}/papers/{material}", file=path)
        for material in asked.papers:
            applicant.form(f"{base}/papers/{material}", file=self.props / "extension.jpg")
        applicant.form(
            f"{base}/who",
            {"name": card.name, "sex": card.sex, "birth": card.birth.isoformat(), "id_number": card.number, "address": card.address},
        )  # fmt: skip
        for section, answers in asked.form.items():
            page = applicant.get(f"{base}/form/{section}")
            bank = BANK.search(page)
            applicant.form(f"{base}/form/{section}", {**answers, **({"bank": bank[1]} if bank else {})})
        applicant.form(f"{base}/declare", {f"declare-{one}": "yes" for one in asked.declares})
        for recipient, given in asked.recipients.items():
            applicant.form(f"{base}/recipients/{recipient}", {"given": given})
        applicant.form(f"{base}/submit")
        return case

    # the desk

    def give_back(self, applicant: Caller, case: str) -> None:
        fields = {"gap": ["material:loan-contract", "field:period"], "other": "借款合同第二页没拍到，请补一张。"}
        self.notary.form(f"/desk/cases/{case}/return", fields)

    def decline(self, applicant: Caller, case: str) -> None:
        page = self.notary.get(f"/desk/cases/{case}")
        ways = re.findall(r'name="alternative"[^>]*value="([^"]+)"', page)
        self.notary.form(
            f"/desk/cases/{case}/decline",
            {"reason": "这份委托要在当地窗口当面办。", "alternative": ways[0] if ways else ""},
        )

    def accept(self, applicant: Caller, case: str) -> None:
        self.notary.form(f"/desk/cases/{case}/accept")
        self.notary.form(f"/desk/cases/{case}/fee", {"manner": "transfer"})

    def withdraw(self, applicant: Caller, case: str) -> None:
        applicant.form(f"/my/{case}/withdraw")

    def queue(self, applicant: Caller, case: str) -> None:
        """Waits in the queue where the office is open; otherwise the case stays accepted."""
        if f"/my/{case}/queue" in applicant.get(f"/my/{case}/book"):
            applicant.form(f"/my/{case}/queue")

    def book(self, applicant: Caller, case: str) -> None:
        """A half hour that no other case of these has taken, so that the notary who accepted it keeps it."""
        slots: list[str] = []
        page = applicant.get(f"/my/{case}/book")
        for day in re.findall(r'href="[^"]*[?&](?:amp;)?day=([\d-]+)', page):
            slots += re.findall(r'name="slot"[^>]*value="([^"]+)"', applicant.get(f"/my/{case}/book?day={day}"))
            if len(slots) > self.booked:
                break
        applicant.form(f"/my/{case}/book", {"slot": slots[self.booked], "zone": "Asia/Shanghai"})
        self.booked += 1

    # the interview

    def half(self, applicant: Caller, case: str) -> None:
        """Begins, then both are gone: the interview is paused by the table for a broken call."""
        parties = self._enter(applicant, case)
        for party in parties:
            self.peers.leave(party)
        end = time.monotonic() + 30
        while self.notary.state(f"/desk/cases/{case}/interview/state")["state"] != "suspended":
            if time.monotonic() > end:
                raise TimeoutError("the interview was not suspended")
            time.sleep(1)

    def _enter(self, applicant: Caller, case: str) -> list[Any]:
        self.book(applicant, case)
        desk, my = f"/desk/cases/{case}/interview", f"/my/{case}/interview"
        self.notary.get(desk)
        self.notary.json(f"{desk}/open", waive_device="试用：没有做试机")
        parties = [
            self.peers.join(self.clips["applicant"], lambda sdp: applicant.json(f"{my}/offer", sdp=sdp, type="offer")),
            self.peers.join(self.clips["notary"], lambda sdp: self.notary.json(f"{desk}/offer", sdp=sdp, type="offer")),
        ]
        end = time.monotonic() + 20
        while not self.notary.state(f"{desk}/state")["recording"]:
            if time.monotonic() > end:
                raise TimeoutError("the recording did not begin")
            time.sleep(0.2)
        self.notary.json(f"{desk}/consent/recording")
        applicant.json(f"{my}/consent/recording", given="yes")
        return parties

    def interview(self, applicant: Caller, case: str) -> None:
        """The whole of it, on the route without face comparison, in a few seconds."""
        parties = self._enter(applicant, case)
        desk, my = f"/desk/cases/{case}/interview", f"/my/{case}/interview"

        def do(path: str, **fields: Any) -> None:
            self.notary.json(f"{desk}/{path}", **fields)

        do("phase", phase="identity")
        for side in ("card-front", "card-back", "face"):
            self._snapshot(desk, side)
        do("face/without")
        for step in ("look", "talk", "cross"):
            do(f"identity/{step}", result="confirmed")
        do("identity/device", result="waived", reason="申请人身边没有身份证识别仪，三项已确认")
        do("phase", phase="environment")
        do("present", who="alone")
        do("phase", phase="private_talk")
        for said in ("name", "place", "date", "free-will", "consent"):
            do(f"said/{said}")
        do("phase", phase="notice")
        for kind in ("notice", "liability"):
            do(f"consent/{kind}")
            applicant.json(f"{my}/consent/{kind}", given="yes")
        do("explained", own_words="我明白，签了字要负责。")
        do("phase", phase="inquiry")
        self._answer_all(desk)
        do("phase", phase="document_review")
        shown = self._show(applicant, desk, my, "instrument")
        do("phase", phase="signing")
        self._sign(applicant, desk, my, "instrument", shown)
        do("phase", phase="closing")
        self._sign(applicant, desk, my, "minutes", self._show(applicant, desk, my, "minutes"))
        do("finish")
        for party in parties:
            self.peers.leave(party)

    def _snapshot(self, desk: str, kind: str) -> None:
        """The sampler looks at a key frame every two seconds; the first may not be there yet."""
        for _try in range(20):
            try:
                self.notary.json(f"{desk}/snapshot", kind=kind)
            except Refused:
                time.sleep(0.5)
            else:
                return
        raise TimeoutError("no picture of the applicant came")

    def _answer_all(self, desk: str) -> None:
        """The console puts the next open question forward; when the one in front is answered, all are."""
        while found := re.search(r'id="question" data-question="([^"]+)"', page := self.notary.get(desk)):
            key = found[1]
            line = re.search(rf'<li[^>]*data-question="{key}"[^>]*>', page)
            if line and "yz-done" in line[0]:
                return
            if f"choice-{key}-yes" in page:
                said = {"choice": "no" if key in SAYS_NO else "yes", "text": ""}
            else:
                said = {"text": "说过了，和申请里写的一样。"}
            self.notary.json(f"{desk}/answer", question=key, **said)

    def _show(self, applicant: Caller, desk: str, my: str, kind: str) -> dict[str, Any]:
        self.notary.json(f"{desk}/papers/{kind}/show", page="1")
        shown: dict[str, Any] = applicant.state(f"{my}/state")
        for number in range(1, shown["pages"] + 1):
            self.notary.json(f"{desk}/papers/{kind}/show", page=str(number))
            applicant.json(f"{my}/papers/{shown['paper']}/{number}/seen", sha256=shown["sha256"])
        return shown

    def _sign(self, applicant: Caller, desk: str, my: str, kind: str, shown: dict[str, Any]) -> None:
        self.notary.json(f"{desk}/papers/{kind}/ask-signature")
        paper = f"{my}/papers/{shown['paper']}"
        applicant.json(f"{paper}/code")
        code = applicant.code(shown["phone"])
        applicant.json(f"{paper}/sign", sha256=shown["sha256"], strokes=STROKES, code=code)

    # the deed

    def propose(self, applicant: Caller, case: str) -> None:
        page = self.notary.get(f"/desk/cases/{case}/draft")
        words = re.search(r'id="draft-template">([^<]+)<', page)
        assert words is not None
        self.notary.form(f"/desk/cases/{case}/draft", {"text": words[1], **FINDINGS})
        self.notary.form(f"/desk/cases/{case}/propose")

    def approve(self, applicant: Caller, case: str) -> None:
        base = f"/desk/cases/{case}/approval"
        self.approver.get(base)
        self.approver.touch(f"{base}/options", base, seen="yes")

    def seal(self, cases: list[str]) -> None:
        """Waits for the bodies, touches the passkey once over all of them, and waits until the deeds stand."""
        end = time.monotonic() + ISSUED_AFTER
        while (page := self.notary.get("/desk/seal")) and not all(f'value="{case}"' in page for case in cases):
            if time.monotonic() > end:
                raise TimeoutError("a deed's body was not rendered")
            time.sleep(0.5)
        self.notary.touch("/desk/seal/options", "/desk/seal", cases=cases)
        for case in cases:
            while 'id="deed"' not in self.notary.get(f"/desk/cases/{case}/deed"):
                if time.monotonic() > end:
                    raise TimeoutError("a deed was not sealed")
                time.sleep(0.5)

    def fetch(self, applicant: Caller, case: str) -> None:
        applicant.get(f"/my/{case}/deed")
        applicant.form(f"/my/{case}/deed/file")

    def question(self, applicant: Caller, case: str) -> None:
        self.other.form(f"/desk/cases/{case}/review", {"reason": "有人来电说材料里的一处与事实不符，启动复查。"})

    def revoke(self, applicant: Caller, case: str) -> None:
        fields = {"outcome": "revoked", "decision": "经复查，申请人陈述与事实不符，予以撤销。"}
        base = f"/desk/cases/{case}/review/decision"
        self.second.touch(f"{base}/options", base, **fields)
