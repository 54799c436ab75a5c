"""An office with cases that went through real interviews, each party over WebRTC, and a real seal process."""

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa

for room in ("webrtc", "journeys", "seal"):
    sys.path.insert(0, str(Path(__file__).parents[1] / room))

import procrastinate  # noqa: E402
import walking  # noqa: E402
from aiortc import RTCSessionDescription  # noqa: E402
from webauthn.helpers import base64url_to_bytes  # noqa: E402
from webrtc_parties import Party, Worker, make_clip  # noqa: E402

from notary import jobs  # noqa: E402
from notary.app import create_app  # noqa: E402
from notary.database import JOBS_SCHEMA, engine_of, libpq, sessions_of  # noqa: E402
from notary.demo.passkey import SoftPasskey  # noqa: E402
from notary.lifecycle import Role  # noqa: E402
from notary.media import Workers  # noqa: E402
from notary.messenger import OutboxMessenger  # noqa: E402
from notary.models import Bank, Case, Message, Office, Person  # noqa: E402
from notary.office import asking, booking, doors, staff  # noqa: E402
from notary.parts import Parts  # noqa: E402
from notary.seal.client import SealClient  # noqa: E402
from notary.settings import Settings  # noqa: E402
from signing import keys as signing_keys  # noqa: E402
from storage.local import Store  # noqa: E402
from tests.conftest import NOON  # noqa: E402

STROKES = [[[20 + n * 9, 60 + (n % 5) * 12, n * 16] for n in range(40)]]
ABROAD = {
    "translation-language": "en",
    "translation-title": "Notarial Certificate",
    "translation-translator": "Sample Translator, Shancheng",
    "translation-text": "This is to certify that the declaration attached was signed by remote video.\n\nGiven under seal.",
}
"""A translation for use abroad, as the form of the draft sends it."""
FINDINGS = {
    "identity": "一人，身份证与本人一致", "intention": "本人陈述自愿", "document": "文书完备",
    "materials": "合同与通知都看过", "legality": "合法，没有争议",
}  # fmt: skip
ANCHOR = NOON.timestamp() - time.time()


class Anchored:
    """Runs like a clock from noon; the seal process is started with the same anchor."""

    def __init__(self):
        self.ahead = timedelta()

    def __call__(self):
        return NOON + timedelta(seconds=time.time() + ANCHOR - NOON.timestamp()) + self.ahead

    def pass_by(self, **span):
        self.ahead += timedelta(**span)


class Browser:
    """One person's cookies; forms with the token of a page, JSON with the token in its header."""

    def __init__(self, app, token=""):
        self.http, self.csrf = app.test_client(), ""
        if token:
            self.http.set_cookie("yz", token)

    def get(self, path, **more):
        reply = self.http.get(path, **more)
        if found := re.search(
            r'csrf-token" content="([^"]+)"|name="csrf_token" value="([^"]+)"|data-csrf="([^"]+)"',
            reply.text if reply.mimetype == "text/html" else "",
        ):
            self.csrf = found[1] or found[2] or found[3]
        return reply

    def token(self):
        if not self.csrf:
            self.get("/login")
        return self.csrf

    def form(self, path, **fields):
        return self.http.post(path, data={**fields, "csrf_token": self.token()})

    def json(self, path, **fields):
        head = {"Accept": "application/json", "X-CSRFToken": self.token()}
        return self.http.post(path, json=fields, headers=head)

    def does(self, path, **fields):
        reply = self.json(path, **fields)
        assert reply.status_code in (200, 204, 303), (path, reply.status_code, reply.text[:600])
        return reply


class World:
    """`home` is readable to others, since seal drops its privilege."""

    def __init__(self, postgres, database, home):
        self.postgres, self.database, self.home = postgres, database, home
        self.settings = Settings(
            home=home, database_url=postgres.url(database=database), secret_key="s" * 40, storage_key=b"\x07" * 32,
            base_url="http://localhost",
        )  # fmt: skip
        self.clock = Anchored()
        engine = engine_of(self.settings.database_url)
        self.parts = Parts(
            settings=self.settings, engine=engine, db=sessions_of(engine), messenger=OutboxMessenger(),
            store=Store(self.settings.under("store")),
            media=Workers([home / "media.sock"], sessions_of(engine), self.clock, timeout=15),
            seal=SealClient(home / "seal" / "seal.sock"), clock=self.clock,
        )  # fmt: skip
        self.seal_process = None

    def start(self):
        self.app = create_app(self.parts)
        with self.parts.db.begin() as db:
            self.people = {one.login: one for one in db.scalars(sa.select(Person))}
        return self

    def browser(self, login):
        with self.parts.db.begin() as db:
            token = doors.open_login(db, self.clock(), person=self.people[login])
        return Browser(self.app, token)

    def applicant(self, phone=walking.ALICE):
        with self.parts.db.begin() as db:
            token = doors.open_login(db, self.clock(), applicant=doors.applicant_of(db, phone, self.clock()))
        return Browser(self.app, token)

    def stranger(self):
        return Browser(self.app)

    # the seal

    def start_seal(self, authority):
        folder = self.home / "seal"
        folder.mkdir()
        folder.chmod(0o755)
        shutil.copytree(authority, folder / "keys")
        self.said = (folder / "said").open("w+")
        self.seal_process = subprocess.Popen(
            [
                sys.executable, str(Path(__file__).parent / "run_seal.py"), str(folder / "keys"), str(folder / "seal.sock"),
                self.settings.database_url, str(ANCHOR + self.clock.ahead.total_seconds()),
            ],
            stderr=self.said,
        )  # fmt: skip
        end = time.monotonic() + 60
        while True:
            with suppress(Exception):
                self.parts.seal.public()
                break
            assert time.monotonic() < end, (folder / "said").read_text()
            assert self.seal_process.poll() is None, (folder / "said").read_text()
            time.sleep(0.1)
        self.passkeys = {}
        for login in ("chenjing", "liyuan"):
            person = self.people[login]
            self.parts.seal.add_notary(str(person.id), person.name)

    def code_of(self, login):
        """The code that seal printed for this notary."""
        name = self.people[login].name
        text = (self.home / "seal" / "said").read_text()
        return re.findall(rf"enrolment code of {name} for the first passkey: (\S+)", text)[-1]

    def enrol_passkey(self, login, code=None):
        """Through the passkeys page's own routes, for portal and seal alike."""
        browser, key = self.browser(login), SoftPasskey(origin="http://localhost")
        browser.get("/staff/passkeys")
        options = browser.does("/staff/passkeys/options").get_json(force=True)
        made = key.register(base64url_to_bytes(options["challenge"]))
        reply = browser.json("/staff/passkeys", credential=made, code=code or "")
        assert reply.status_code == 200, reply.text
        self.passkeys[login] = key
        return key

    def touch(self, browser, key, options, send, **fields):
        """What passkey.js does: options, the authenticator, the answer."""
        told = browser.json(options, **fields)
        if told.status_code != 200:
            return told
        assertion = key.sign(base64url_to_bytes(told.get_json(force=True)["challenge"]))
        return browser.json(send, assertion=assertion, **fields)

    # the acts of a deed, through pages

    def draft_and_propose(self, case_id, text=None, login="chenjing"):
        bob = self.browser(login)
        page = bob.get(f"/desk/cases/{case_id}/draft").text
        words = re.search(r'id="draft-template">([^<]+)<', page)[1]
        reply = bob.form(f"/desk/cases/{case_id}/draft", text=text or words, **FINDINGS)
        assert reply.status_code == 303, reply.text[-3000:]
        reply = bob.form(f"/desk/cases/{case_id}/propose")
        assert reply.status_code == 303, reply.text

    def approve(self, case_id, login="wangshu"):
        carol = self.browser(login)
        carol.get(f"/desk/cases/{case_id}/approval")
        base = f"/desk/cases/{case_id}/approval"
        return self.touch(carol, self.passkeys[login], f"{base}/options", base, seen="yes")

    def decide(self, case_id, login="zhaozheng", **said):
        """An approver's word on a review, with the own passkey."""
        return self._decide(f"/desk/cases/{case_id}/review", login, said)

    def end(self, case_id, login="wangshu", **said):
        """An approver's word on a proposal to refuse or end."""
        return self._decide(f"/desk/cases/{case_id}/ending", login, said)

    def _decide(self, page, login, said):
        carol = self.browser(login)
        carol.get(page)
        return self.touch(carol, self.passkeys[login], f"{page}/decision/options", f"{page}/decision", **said)

    def seal(self, *case_ids, login="chenjing"):
        bob = self.browser(login)
        bob.get("/desk/seal")
        cases = [str(one) for one in case_ids]
        return self.touch(bob, self.passkeys[login], "/desk/seal/options", "/desk/seal", cases=cases)

    def work(self):
        """Lets a worker do every job that is due; in a thread of its own, since Playwright's loop may run in this one."""
        with ThreadPoolExecutor(1) as beside:
            beside.submit(self._work).result()

    def _work(self):
        jobs.load()
        jobs.use(self.parts)
        connector = procrastinate.PsycopgConnector(
            conninfo=libpq(self.settings.database_url),
            kwargs={"options": f"-c search_path=public,{JOBS_SCHEMA} -c timezone=UTC"},
        )
        with jobs.queue.replace_connector(connector) as queue:
            queue.run_worker(wait=False, install_signal_handlers=False, listen_notify=False, delete_jobs="never")

    def issue(self, case_id):
        self.draft_and_propose(case_id)
        assert self.approve(case_id).status_code == 200
        self.work()
        reply = self.seal(case_id)
        assert reply.status_code == 200, reply.text
        self.work()
        assert self.case(case_id).state == "issued", self.failures()

    def failures(self):
        """What the queue holds that is not done."""
        with self.parts.db() as db:
            rows = db.execute(
                sa.text("SELECT task_name, status, attempts FROM procrastinate_jobs WHERE status <> 'succeeded'")
            )
            return [tuple(row) for row in rows]

    def case(self, case_id):
        with self.parts.db() as db:
            return db.get_one(Case, case_id)

    def bank(self, name="江岸村镇银行"):
        """A bank's row of the case and a fresh key for it."""
        with self.parts.db.begin() as db:
            row = db.scalars(sa.select(Bank).order_by(Bank.name)).all()
            found = next((one for one in row if one.name == name), row[0])
            key, found.api_key_hash = doors.new_bank_key(found.name)
            return found, key

    def close(self):
        if self.seal_process is not None:
            self.seal_process.terminate()
            self.seal_process.wait(20)
            self.said.close()
        self.parts.engine.dispose()

    def clone(self, name):
        """The same office and cases once more, with nothing of this one's later life."""
        self.parts.engine.dispose()
        with sa.create_engine(self.postgres.url(), isolation_level="AUTOCOMMIT").connect() as db:
            db.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {self.database}"))
        home = open_folder()
        for part in ("store", "recordings"):
            shutil.copytree(self.home / part, home / part)
        twin = World(self.postgres, name, home).start()
        twin.case_ids, twin.clock.ahead = self.case_ids, self.clock.ahead
        return twin


def open_folder():
    folder = Path(tempfile.mkdtemp(prefix="yz-deeds-"))
    folder.chmod(0o755)
    return folder


class Interviewing:
    """One case from filing to the sealed recording, everything over HTTP and WebRTC."""

    def __init__(self, world, clips):
        self.world, self.clips, self.parties = world, clips, []
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        alice = walking.Visitor(world.app, world.parts).log_in_by_phone(walking.ALICE)
        case = walking.fill(alice, walking.new_case(alice))
        assert alice.post(f"{case}/submit").status_code == 303
        self.case_id = UUID(case.rsplit("/", 1)[-1])
        self.applicant, self.notary = world.applicant(), world.browser("chenjing")
        assert self.notary.form(f"/desk/cases/{self.case_id}/accept").status_code == 303
        with world.parts.db.begin() as db:
            found = db.get_one(Case, self.case_id)
            booking.join_queue(db, found, doors.actor_of(world.people["hejie"]), world.clock())
            booking.claim(db, found, doors.actor_of(world.people["chenjing"]), world.clock())

    def run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def my(self, path, **fields):
        return self.applicant.does(f"/my/{self.case_id}/interview/{path}", **fields)

    def desk(self, path, **fields):
        return self.notary.does(f"/desk/cases/{self.case_id}/interview/{path}", **fields)

    def join(self, leg, post):
        async def come():
            party = Party(self.clips[leg])
            answer = await asyncio.to_thread(post, "offer", sdp=await party.offer(), type="offer")
            await party.pc.setRemoteDescription(RTCSessionDescription(answer.json["sdp"], answer.json["type"]))
            await asyncio.wait_for(party.connected.wait(), 15)
            return party

        self.parties.append(self.run(come()))

    def recorded(self):
        with self.world.parts.db() as db:
            from notary.models import Interview

            room = str(db.scalars(sa.select(Interview.id).where(Interview.case_id == self.case_id)).one())
        legs = self.world.parts.media.status(room)["legs"]
        return all((leg := legs.get(name, {})).get("connected") and None not in leg["ages"].values() for name in ("applicant", "notary"))  # fmt: skip

    def show(self, kind):
        self.desk(f"papers/{kind}/show", page="1")
        shown = self.applicant.http.get(f"/my/{self.case_id}/interview/state").json
        for number in range(1, shown["pages"] + 1):
            self.desk(f"papers/{kind}/show", page=str(number))
            self.my(f"papers/{shown['paper']}/{number}/seen", sha256=shown["sha256"])
        return shown

    def sign(self, kind, shown):
        self.desk(f"papers/{kind}/ask-signature")
        self.my(f"papers/{shown['paper']}/code")
        with self.world.parts.db() as db:
            text = db.scalars(sa.select(Message.text).order_by(Message.at.desc())).first()
        code = re.search(r"\b\d{6}\b", text)[0]
        self.my(f"papers/{shown['paper']}/sign", sha256=shown["sha256"], strokes=STROKES, code=code)

    def whole(self):
        self.notary.get(f"/desk/cases/{self.case_id}/interview")
        self.desk("open", waive_device="样本：设备已在现场试过")
        self.join("applicant", self.my)
        self.join("notary", self.desk)
        end = time.monotonic() + 15
        while not self.recorded():
            assert time.monotonic() < end
            time.sleep(0.05)
        self.desk("consent/recording")
        self.my("consent/recording", given="yes")
        self.desk("phase", phase="identity")
        for kind in ("card-front", "card-back"):
            self.desk("snapshot", kind=kind)
        self.desk("face/without")
        self.desk("challenge/waive", reason="对方眼疾，看不清屏幕上的提示")
        for step in ("look", "talk", "cross"):
            self.desk(f"identity/{step}", result="confirmed")
        self.desk("identity/device", result="waived", reason="没有识别仪，三项已确认")
        self.desk("phase", phase="environment")
        self.desk("present", who="alone")
        self.desk("phase", phase="private_talk")
        for key in ("name", "place", "date", "free-will", "consent"):
            self.desk(f"said/{key}")
        self.desk("phase", phase="notice")
        for kind in ("notice", "liability"):
            self.desk(f"consent/{kind}")
            self.my(f"consent/{kind}", given="yes")
        self.desk("explained", own_words="还不上银行可以找我要")
        self.desk("phase", phase="inquiry")
        with self.world.parts.db() as db:
            questions = asking.asked_of(db.get_one(Case, self.case_id))
        for one in questions:
            if one.kind == "yesno":
                self.desk("answer", question=one.key, choice="no" if "yes" in one.blocks else "yes", text="")
            else:
                self.desk("answer", question=one.key, text=f"样本回答：{one.short.zh}")
        self.desk("phase", phase="document_review")
        shown = self.show("instrument")
        self.desk("phase", phase="signing")
        self.sign("instrument", shown)
        self.desk("phase", phase="closing")
        self.sign("minutes", self.show("minutes"))
        self.desk("finish")
        for party in self.parties:
            self.run(party.leave())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.world.clock.pass_by(minutes=41)  # the notary's next half hour
        return self.case_id


def walked(postgres, many):
    """A world with `many` cases in drafting."""
    home = open_folder()
    with sa.create_engine(postgres.url(), isolation_level="AUTOCOMMIT").connect() as db:
        db.execute(sa.text("CREATE DATABASE walked TEMPLATE blank"))
    world = World(postgres, "walked", home)
    with world.parts.db.begin() as db:
        staff.first_run(db, world.clock())
    world.start()
    authority = home / "authority"
    signing_keys.make_authority(authority, b"pw", "山城示例公证处")
    world.start_seal(authority)
    media = Worker(home / "media.sock", home / "recordings")
    clips = {"applicant": make_clip(1, 2), "notary": make_clip(2, 2)}
    try:
        world.case_ids = [Interviewing(world, clips).whole() for _n in range(many)]
    finally:
        media.stop()
        world.close()
    world.authority = authority
    return world


def register_all(world):
    """Passkeys for both notaries, at portal and seal, and for two approvers, at the portal."""
    for login in ("chenjing", "liyuan"):
        world.enrol_passkey(login, world.code_of(login))
    world.enrol_passkey("wangshu")


def office(template, name):
    """A copy of the template with a life of its own: cases in drafting, a seal process, two notaries, two approvers."""
    made = template.clone(name)
    with made.parts.db.begin() as db:
        second = staff.Newcomer(Role.APPROVER, "zhaozheng", "赵正", "Zhao Zheng")
        staff.add_person(db, db.scalars(sa.select(Office)).one(), second, staff.SYSTEM, made.clock())
    made.start()
    made.start_seal(template.authority)
    register_all(made)
    made.enrol_passkey("zhaozheng")
    return made


def close(made):
    made.close()
    shutil.rmtree(made.home, ignore_errors=True)
