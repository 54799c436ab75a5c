"""An interview as two browsers see it: HTTP on the pages' own routes, a real media worker, aiortc at both ends."""

import asyncio
import re
import sys
import threading
import time
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parent.parent / "webrtc"))

from aiortc import RTCSessionDescription
from webrtc_parties import Party, Worker, make_clip

from notary.app import create_app
from notary.demo.papers import ASSESSMENT
from notary.ledger import Actor
from notary.lifecycle import Role
from notary.media import Workers
from notary.models import Applicant, Case, DeviceCheck, Message, Office, Person
from notary.models import Party as Applying
from notary.office import assessing, doors, safe
from notary.parts import Parts
from notary.portal import room as room_pages
from notary.rules import rules
from notary.seal.client import SealClient
from notary.seal.process import Door
from notary.seal.serve import open_vault
from signing import keys as signing_keys
from signing.responder import load
from signing.stamp import LocalStamper
from signing.status import LocalStatus
from signing.tsa import StampUnit
from tests.conftest import NOON

FILED = {
    "territory": "domicile", "use": "交银行", "subject": "婚姻状况",
    "content": "本人自二〇二〇年起未再登记结婚。", "who": "样本甲",
}  # fmt: skip


class Ticking:
    """Runs like a clock from noon, and can be moved."""

    def __init__(self):
        self.began, self.ahead = time.monotonic(), timedelta()

    def __call__(self):
        return NOON + timedelta(seconds=time.monotonic() - self.began) + self.ahead

    def pass_by(self, **span):
        self.ahead += timedelta(**span)


@pytest.fixture
def clock():
    return Ticking()


@pytest.fixture(scope="session")
def worker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    running = Worker(folder / "media.sock", folder / "rec")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def clips():
    return {"applicant": make_clip(1, 2), "notary": make_clip(2, 2)}


@pytest.fixture(scope="session")
def seal(tmp_path_factory):
    """Seal's own door and vault behind its socket."""
    folder = tmp_path_factory.mktemp("seal") / "keys"
    signing_keys.make_authority(folder, b"pw", "山城示例公证处")
    (folder / "journal" / "spool").mkdir(parents=True)
    office = signing_keys.load_office(folder, b"pw")
    stamper = LocalStamper(StampUnit(signing_keys.load_stamp_unit(folder / "tsu", b"pw")), (office.chain[-1],))
    words = LocalStatus(load(folder / "status", folder, b"pw"))
    vault = open_vault(
        folder, b"pw", {}, stamper, words, test_keys=True, rp_id="localhost", origin="http://localhost",
        console=lambda _said: None, now=time.time,
    )  # fmt: skip
    door = Door(folder / "seal.sock", vault)
    threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield SealClient(folder / "seal.sock")
    door.shutdown()
    door.server_close()
    vault.journal.close()


@pytest.fixture
def office(parts, worker, seal):
    """The office's parts with a worker and a seal that answer."""
    from dataclasses import replace

    room_pages._watched.clear()
    media = Workers([worker.socket], parts.db, parts.clock, timeout=15)
    made: Parts = replace(parts, media=media, seal=seal)
    return made


class Seat:
    """Somebody at a browser: cookies, the page's token, and the routes of one interview."""

    def __init__(self, app, token, base):
        self.http, self.base = app.test_client(), base
        self.http.set_cookie("yz", token)
        self.csrf = ""

    def page(self, path=""):
        reply = self.http.get(self.base + path)
        if found := re.search(r'csrf-token" content="([^"]+)"|name="csrf_token" value="([^"]+)"', reply.text):
            self.csrf = found[1] or found[2]
        return reply

    def post(self, path, **fields):
        if not self.csrf:
            self.page()
        headers = {"Accept": "application/json", "X-CSRFToken": self.csrf}
        return self.http.post(f"{self.base}/{path}", json=fields, headers=headers)

    def does(self, path, **fields):
        """A post that must be taken."""
        reply = self.post(path, **fields)
        assert reply.status_code in (200, 204, 303), (path, reply.status_code, reply.text[:400])
        return reply

    def state(self, **query):
        reply = self.http.get(f"{self.base}/state", query_string=query)
        assert reply.status_code == 200, reply.text[:400]
        return reply.json

    def refused(self, status, path, **fields):
        """A post that must be refused, in words."""
        reply = self.post(path, **fields)
        assert reply.status_code == status, (path, reply.status_code, reply.text[:400])
        assert reply.mimetype == "application/problem+json"
        assert re.search(r"[㐀-鿿]", reply.json["title"])
        return reply.json["title"]


class Interviewing:
    """A case that is booked, its two people at their browsers, and the means to look behind the pages."""

    def __init__(self, parts, clips, matter="declaration"):
        self.parts, self.clips, self.app = parts, clips, create_app(parts)
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.parties = []
        now = parts.clock()
        with parts.db.begin() as db:
            notary = db.scalars(sa.select(Person).where(Person.login == "chenjing")).one()
            applicant = Applicant(phone="+8613800000001", created_at=now)
            other = Applicant(phone="+8613800000002", created_at=now)
            db.add_all([applicant, other])
            db.flush()
            self.case_id = uuid4()
            case = Case(
                id=self.case_id, office_id=db.scalars(sa.select(Office.id)).one(), reference="2026-远-000001",
                matter=matter, profile="cn-domestic", rules_digest=rules().matters[matter].digest,
                applicant_id=applicant.id, filed=FILED, data_key=safe.new_key(parts, self.case_id), code="ABCDEFGHJK",
                notary_id=notary.id, created_at=now,
            )  # fmt: skip
            db.add(case)
            db.flush()
            db.execute(sa.update(Case).where(Case.id == case.id).values(state="scheduled"))
            db.add(
                Applying(
                    case_id=case.id, name="样本甲", sex="男", birth=date(1968, 4, 21), id_number="000000196804210000",
                    address="示例省样例市渡口路00号", phone=applicant.phone,
                )
            )  # fmt: skip
            db.add(DeviceCheck(case_id=case.id, results={}, passed=True, at=now))
            everybody = {p.login: p for p in db.scalars(sa.select(Person))}
            tokens = {p.login: doors.open_login(db, now, person=p) for p in everybody.values()}
            mine = doors.open_login(db, now, applicant=applicant)
            foreign = doors.open_login(db, now, applicant=other)
            assessing.file(db, case.office_id, ASSESSMENT, Actor(Role.ADMIN, everybody["guanli"].id), now)
        my, desk = f"/my/{self.case_id}/interview", f"/desk/cases/{self.case_id}/interview"
        self.applicant, self.stranger = Seat(self.app, mine, my), Seat(self.app, foreign, my)
        self.notary = Seat(self.app, tokens["chenjing"], desk)
        self.colleagues = {name: Seat(self.app, token, desk) for name, token in tokens.items() if name != "chenjing"}

    def run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def join(self, leg):
        """A browser of that party comes in through its page's own offer."""

        async def come():
            party = Party(self.clips[leg])
            sdp = await party.offer()
            seat = getattr(self, leg)
            answer = await asyncio.to_thread(seat.does, "offer", sdp=sdp, type="offer")
            await party.pc.setRemoteDescription(RTCSessionDescription(answer.json["sdp"], answer.json["type"]))
            await asyncio.wait_for(party.connected.wait(), 15)
            return party

        party = self.run(come())
        self.parties.append(party)
        self.until(lambda: self.running(leg))
        return party

    def running(self, leg):
        said = self.parts.media.status(self.room)["legs"].get(leg, {})
        return said.get("connected") and None not in said["ages"].values()

    @property
    def room(self):
        with self.parts.db() as db:
            from notary.models import Interview

            query = sa.select(Interview.id).where(Interview.case_id == self.case_id).order_by(Interview.number.desc())
            return str(db.scalars(query).first())

    def until(self, what, seconds=10.0):
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.05)

    def look(self):
        """Both pages poll now, whatever was seen a moment ago."""
        room_pages._watched.clear()
        return self.notary.state()

    def start(self):
        self.notary.page()
        self.notary.does("open", waive_device="")
        self.join("applicant")
        self.join("notary")
        return self

    def consent(self):
        self.notary.does("consent/recording")
        self.applicant.does("consent/recording", given="yes")
        return self

    def identify(self):
        self.notary.does("phase", phase="identity")
        for kind in ("card-front", "card-back"):
            self.notary.does("snapshot", kind=kind)
        self.notary.does("face/without")
        for step in ("look", "talk", "cross"):
            self.notary.does(f"identity/{step}", result="confirmed")
        self.notary.does("identity/device", result="waived", reason="没有识别仪，三项已确认")
        self.notary.does("phase", phase="environment")
        self.notary.does("present", who="alone")
        self.notary.does("phase", phase="private_talk")
        for key in ("name", "place", "date", "free-will", "consent"):
            self.notary.does(f"said/{key}")
        self.notary.does("phase", phase="notice")
        return self

    def ask_all(self):
        for kind in ("notice", "liability"):
            self.notary.does(f"consent/{kind}")
            self.applicant.does(f"consent/{kind}", given="yes")
        self.notary.does("explained", own_words="说了假话要负责")
        self.notary.does("phase", phase="inquiry")
        with self.parts.db() as db:
            from notary.office import asking

            questions = asking.asked_of(db.get_one(Case, self.case_id))
        for one in questions:
            if one.kind == "yesno":
                self.notary.does("answer", question=one.key, choice="no" if "yes" in one.blocks else "yes", text="")
            else:
                self.notary.does("answer", question=one.key, text=f"样本回答：{one.short.zh}")
        self.notary.does("phase", phase="document_review")
        return self

    def show(self, kind):
        self.notary.does(f"papers/{kind}/show", page="1")
        shown = self.applicant.state()
        for number in range(1, shown["pages"] + 1):
            self.notary.does(f"papers/{kind}/show", page=str(number))
            self.applicant.does(f"papers/{shown['paper']}/{number}/seen", sha256=shown["sha256"])
        return shown

    def code(self, paper):
        self.applicant.does(f"papers/{paper}/code")
        with self.parts.db() as db:
            text = db.scalars(sa.select(Message.text).order_by(Message.at.desc())).first()
        return re.search(r"\b\d{6}\b", text)[0]

    def end(self):
        for party in self.parties:
            self.run(party.leave())
        self.loop.call_soon_threadsafe(self.loop.stop)


@pytest.fixture
def interviewing():
    """What makes an interview, for tests that bring their own pictures."""
    return Interviewing


@pytest.fixture
def interview(office, clips):
    made = Interviewing(office, clips)
    yield made
    made.end()
