import copy
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from notary.demo.passkey import SoftPasskey
from notary.seal import activation as act
from notary.seal.activation import ByCode, ByPasskey
from notary.seal.cases import Approved
from notary.seal.client import SealClient
from notary.seal.journal import BadJournal, Journal
from notary.seal.process import Door, answer
from notary.seal.refusals import (
    BadRequest,
    CertificateRevoked,
    NotActivated,
    NotApproved,
    NotEnrolled,
    NotFit,
    NumberUsed,
    OtherBody,
    Refused,
    SealDown,
    StampDown,
    StatusDown,
    TooMany,
)
from notary.seal.serve import open_vault
from signing import issued, render, trustbundle
from signing import keys as signing_keys
from signing.responder import load
from signing.stamp import LocalStamper, NoStamp
from signing.status import LocalStatus, NoStatus
from signing.tsa import StampUnit
from signing.verify import Trust, examine

ROOT = Path(__file__).parents[2]
EXAMPLE = json.loads((ROOT / "signing/examples/facts.json").read_text("utf-8"))
ZONE = "Asia/Shanghai"


class Clock:
    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return datetime.now(UTC).timestamp() + self.ahead

    @property
    def day(self):
        return datetime.fromtimestamp(self(), ZoneInfo(ZONE)).date()


class Cases(dict):
    def approved(self, case_id):
        return self.get(case_id)


def body_of(number: str, day, **other) -> bytes:
    facts = copy.deepcopy(EXAMPLE) | {"number": number, "issued_on": day.isoformat()} | other
    shown = hashlib.sha256(render.instrument(facts)).hexdigest()
    facts["instrument"]["signatures"][0]["bound_to"] = shown
    return render.deed(facts)


class World:
    """A seal with test keys, one notary Bob, an approver Carol, and a client that talks through the
    socket."""

    def __init__(self, folder: Path, authority: Path):
        subprocess.run(["cp", "-a", authority, folder], check=True)
        (folder / "journal" / "spool").mkdir(parents=True)
        self.folder, self.clock, self.cases, self.said = folder, Clock(), Cases(), []
        unit = StampUnit(signing_keys.load_stamp_unit(folder / "tsu", b"pw"))
        office = signing_keys.load_office(folder, b"pw")
        self.root = office.chain[-1]
        self.stamper = LocalStamper(unit, (self.root,))
        self.status = LocalStatus(load(folder / "status", folder, b"pw"))
        self.open()
        self.bob = self.enrol("notary-1", "样本丙", self.client.add_notary)

    def open(self, test_keys=True):
        self.vault = open_vault(
            self.folder,
            b"pw",
            self.cases,
            self.stamper,
            self.status,
            test_keys=test_keys,
            rp_id="localhost",
            origin="http://localhost:8000",
            console=self.said.append,
            now=self.clock,
        )
        path = self.folder / "seal.sock"
        self.door = Door(path, self.vault)
        threading.Thread(target=self.door.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.client = SealClient(path)

    def close(self):
        self.door.shutdown()
        self.door.server_close()
        self.vault.journal.close()

    def enrol(self, person, name, add):
        add(person, name)
        code = self.said[-1].rsplit(" ", 1)[1]
        passkey = SoftPasskey()
        challenge = self.client.begin_enrolment(person)
        self.client.finish_enrolment(person, passkey.register(challenge), {"code": code})
        return passkey

    def approve(self, case_id, number, **other):
        body = body_of(number, self.clock.day)
        self.cases[case_id] = replace(
            Approved(
                number=number,
                body_sha256=hashlib.sha256(body).hexdigest(),
                notary_id="notary-1",
                notary_name="样本丙",
                office_id="shancheng",
                office_name="山城示例公证处",
                approver_id="carol",
                approved_on=self.clock.day,
                zone=ZONE,
            ),
            **other,
        )
        return body

    def act(self, *case_ids):
        entries = tuple((self.cases[c].number, self.cases[c].body_sha256) for c in case_ids)
        return ByPasskey(entries, self.bob.sign(act.challenge(entries)))

    def verdict(self, deed):
        return examine(deed, Trust((self.root,), (self.root,))).verdict

    def signed(self):
        return [
            e
            for e in map(json.loads, (self.folder / "journal/seal.jsonl").read_text("utf-8").splitlines())
            if e["kind"] in ("signing", "issued")
        ]


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    where = tmp_path_factory.mktemp("authority") / "keys"
    signing_keys.make_authority(where, b"pw", "山城示例公证处")
    return where


@pytest.fixture
def world(tmp_path, authority):
    made = World(tmp_path / "keys", authority)
    yield made
    made.close()


@pytest.mark.req("H03", "G06", "F03")
def test_an_approved_and_activated_body_becomes_a_deed(world):
    body = world.approve("c1", "（2026）渝示证字第1号")
    deed = world.client.issue("c1", body, world.act("c1"))
    assert deed.startswith(body)
    assert world.verdict(deed) == "valid"
    assert [e["kind"] for e in world.signed()] == ["signing", "issued"]


def test_one_act_for_several_bodies_and_recovery_without_a_person(world):
    bodies = {c: world.approve(c, f"（2026）渝示证字第{n}号") for n, c in enumerate(("c1", "c2", "c3"), 1)}
    world.client.activate("notary-1", list(bodies), world.act(*bodies))
    deeds = {c: world.client.issue(c, b) for c, b in bodies.items()}
    assert [world.verdict(d) for d in deeds.values()] == ["valid"] * 3
    assert world.client.activated(world.cases["c1"].number, world.cases["c1"].body_sha256)
    # the process dies and comes back on the next day: the same call, the same bytes, no new act
    world.close()
    world.clock.ahead = 86_400
    world.open()
    assert {c: world.client.issue(c, b) for c, b in bodies.items()} == deeds


@pytest.mark.req("B06")
def test_seal_is_no_oracle(world):
    """A hacked portal: without an act, with a replayed one, with one over another digest, nothing is
    signed."""
    body = world.approve("c1", "（2026）渝示证字第1号")
    other = world.approve("c2", "（2026）渝示证字第2号")
    mallory = SoftPasskey()
    mallory.id = world.bob.id
    entries = act_entries = ((world.cases["c1"].number, world.cases["c1"].body_sha256),)
    unverified = ByPasskey(entries, world.bob.sign(act.challenge(entries), verified=False))
    phished = SoftPasskey(origin="http://localhost.evil.example")
    phished.key, phished.id = world.bob.key, world.bob.id
    attempts = [
        None,
        world.act("c2"),
        ByPasskey(act_entries, world.act("c2").assertion),
        ByPasskey(entries, mallory.sign(act.challenge(entries))),
        ByPasskey(entries, phished.sign(act.challenge(entries))),
        unverified,
        ByPasskey(entries, {}),
        ByCode(entries, "000000"),
    ]
    for attempt in attempts * 2:
        with pytest.raises(Refused):
            world.client.issue("c1", body, attempt)
    for _ in range(100):
        with pytest.raises(NotActivated):
            world.client.issue("c1", body)
    with pytest.raises(OtherBody):
        world.client.issue("c1", other, world.act("c1"))
    assert world.signed() == []


def test_an_act_serves_its_own_bodies_only(world):
    body = world.approve("c1", "（2026）渝示证字第1号")
    spent = world.act("c1")
    world.client.issue("c1", body, spent)
    second = world.approve("c2", "（2026）渝示证字第2号")
    with pytest.raises(NotActivated):
        world.client.issue("c2", second, spent)
    # the same number for another text, whatever the database says
    changed = body_of("（2026）渝示证字第1号", world.clock.day, code="2026-1-AAAAAAAA")
    world.cases["c1"] = replace(world.cases["c1"], body_sha256=hashlib.sha256(changed).hexdigest())
    with pytest.raises(NumberUsed):
        world.client.issue("c1", changed, world.act("c1"))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"approver_id": "notary-1"}, NotApproved),
        ({"notary_id": "notary-2"}, NotActivated),
        ({"approved_on": datetime.now(UTC).date() - timedelta(days=3)}, Refused),
        ({"number": "（2026）渝示证字第2号"}, Refused),
        ({"notary_name": "样本戊"}, NotFit),
        ({"office_name": "别的公证处"}, NotFit),
        ({"office_id": "other"}, NotFit),
    ],
)
@pytest.mark.req("G05", "G06")
def test_what_the_database_says_must_fit_the_body(world, change, kind):
    body = world.approve("c1", "（2026）渝示证字第1号")
    world.cases["c1"] = replace(world.cases["c1"], **change)
    with pytest.raises(kind):
        world.client.issue("c1", body, world.act("c1"))
    assert world.signed() == []


def test_an_unknown_case_a_foreign_pdf_and_an_unmarked_body(world):
    with pytest.raises(NotApproved):
        world.client.issue("none", b"x")
    for raw in (b"%PDF-1.7 rubbish", body_of("（2026）渝示证字第1号", world.clock.day, test=False)):
        world.approve("c1", "（2026）渝示证字第1号", body_sha256=hashlib.sha256(raw).hexdigest())
        with pytest.raises(NotFit):
            world.client.issue("c1", raw, world.act("c1"))


def test_an_act_falls_on_the_day_of_approval(world):
    body = world.approve("c1", "（2026）渝示证字第1号")
    given = world.act("c1")
    world.clock.ahead = 86_400
    with pytest.raises(NotActivated, match="another day"):
        world.client.issue("c1", body, given)


def test_three_acts_a_minute(world):
    for n in range(3):
        world.approve(f"c{n}", f"（2026）渝示证字第{n}号")
        world.client.activate("notary-1", [f"c{n}"], world.act(f"c{n}"))
    world.approve("c9", "（2026）渝示证字第9号")
    with pytest.raises(TooMany):
        world.client.activate("notary-1", ["c9"], world.act("c9"))
    world.close()
    world.open()  # a restart does not forget
    with pytest.raises(TooMany):
        world.client.activate("notary-1", ["c9"], world.act("c9"))
    world.clock.ahead = 61
    world.client.activate("notary-1", ["c9"], world.act("c9"))


def test_without_a_stamp_the_act_stays_good(world):
    body = world.approve("c1", "（2026）渝示证字第1号")

    class Down:
        def stamp(self, digest):
            raise NoStamp("down")

    world.vault.stamper = Down()
    with pytest.raises(StampDown):
        world.client.issue("c1", body, world.act("c1"))
    world.vault.stamper = world.stamper
    assert world.verdict(world.client.issue("c1", body)) == "valid"


def test_without_status_or_with_a_revoked_certificate_the_act_stays_good_and_nothing_is_signed(world):
    body = world.approve("c1", "（2026）渝示证字第1号")

    class Down:
        def gather(self, paths):
            raise NoStatus("down")

    world.vault.status = Down()
    with pytest.raises(StatusDown):
        world.client.issue("c1", body, world.act("c1"))
    world.vault.status = world.status
    serial = world.vault.keys.notaries["notary-1"].chain[0].serial_number
    signing_keys.revoke(world.folder, b"pw", serial)
    with pytest.raises(CertificateRevoked):
        world.client.issue("c1", body)
    book = issued.book_of(world.folder)
    book.write_text(json.dumps({f"{s:x}": None for s in issued.read(world.folder)}))
    assert world.verdict(world.client.issue("c1", body)) == "valid"


def test_a_deed_is_renewed_without_any_act_and_nothing_else_is(world):
    body = world.approve("c1", "（2026）渝示证字第1号")
    deed = world.client.issue("c1", body, world.act("c1"))
    lines = len((world.folder / "journal" / "seal.jsonl").read_bytes().splitlines())
    renewed = world.client.renew(deed)
    assert renewed.startswith(deed)
    assert len(renewed) > len(deed)
    assert world.verdict(renewed) == "valid"
    assert world.verdict(world.client.renew(renewed)) == "valid"
    assert len((world.folder / "journal" / "seal.jsonl").read_bytes().splitlines()) == lines
    for other in (body, deed[:-1], deed + b" ", b"", deed.replace(b"NotarySig", b"NotarySix")):
        with pytest.raises(NotFit):
            world.client.renew(other)


def test_a_console_code_stands_in_with_test_keys(world):
    body = world.approve("c1", "（2026）渝示证字第1号")
    entries = ((world.cases["c1"].number, world.cases["c1"].body_sha256),)
    world.client.send_code("notary-1", entries)
    code = re.search(r": (\d{6}) ", world.said[-1])[1]
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    with pytest.raises(NotActivated):
        world.client.issue("c1", body, ByCode(entries, wrong))
    assert world.verdict(world.client.issue("c1", body, ByCode(entries, code))) == "valid"


def test_a_console_code_is_bound_dies_and_counts_tries(world):
    world.approve("c1", "（2026）渝示证字第1号")
    second = world.approve("c2", "（2026）渝示证字第2号")
    entries = [((world.cases[c].number, world.cases[c].body_sha256),) for c in ("c1", "c2")]
    world.client.send_code("notary-1", entries[0])
    code = re.search(r": (\d{6}) ", world.said[-1])[1]
    for _ in range(5):  # the right code for other bodies is a wrong code
        with pytest.raises(NotActivated):
            world.client.issue("c2", second, ByCode(entries[1], code))
    with pytest.raises(NotActivated):  # five tries are over
        world.client.activate("notary-1", ["c1"], ByCode(entries[0], code))
    world.client.send_code("notary-1", entries[0])
    code = re.search(r": (\d{6}) ", world.said[-1])[1]
    world.clock.ahead = 601
    with pytest.raises(NotActivated):
        world.client.activate("notary-1", ["c1"], ByCode(entries[0], code))


def test_an_offices_own_keys_know_no_console_code(world):
    world.close()
    world.open(test_keys=False)
    with pytest.raises(NotActivated, match="only a passkey"):
        world.client.send_code("notary-1", (("n", "0" * 64),))
    with pytest.raises(NotActivated, match="passphrase"):
        world.client.add_notary("notary-2", "样本丁")
    with pytest.raises(Refused):
        world.client.add_notary("notary-2", "样本丁", "wrong")
    world.client.add_notary("notary-2", "样本丁", "pw")


# ---- enrolment


def test_the_first_passkey_needs_the_code_the_second_needs_the_first(world):
    second = SoftPasskey()
    challenge = world.client.begin_enrolment("notary-1")
    with pytest.raises(NotEnrolled):
        world.client.finish_enrolment("notary-1", second.register(challenge), {"code": "0" * 16})
    challenge = world.client.begin_enrolment("notary-1")
    proof = {"assertion": world.bob.sign(act.enrol_challenge("notary-1", challenge))}
    world.client.finish_enrolment("notary-1", second.register(challenge), proof)
    assert len(world.client.passkeys("notary-1")) == 2
    with pytest.raises(NotEnrolled):  # the same challenge serves once
        world.client.finish_enrolment("notary-1", SoftPasskey().register(challenge), proof)


def test_a_recovery_needs_two_other_persons(world):
    carol = world.enrol("carol", "样本丁", world.client.add_witness)
    dora = world.enrol("dora", "样本戊", world.client.add_witness)
    lost, fresh = world.bob, SoftPasskey()

    def witness(person, passkey, challenge):
        return {"person_id": person, "assertion": passkey.sign(act.recovery_challenge("notary-1", challenge))}

    for bad in (
        lambda c: [witness("carol", carol, c)],
        lambda c: [witness("carol", carol, c)] * 2,
        lambda c: [witness("carol", carol, c), witness("notary-1", lost, c)],
        lambda c: [witness("carol", carol, c), witness("dora", carol, c)],
    ):
        challenge = world.client.begin_enrolment("notary-1")
        with pytest.raises(NotEnrolled):
            world.client.finish_enrolment("notary-1", fresh.register(challenge), {"recovery": bad(challenge)})
    challenge = world.client.begin_enrolment("notary-1")
    both = [witness("carol", carol, challenge), witness("dora", dora, challenge)]
    world.client.finish_enrolment("notary-1", fresh.register(challenge), {"recovery": both})
    body = world.approve("c1", "（2026）渝示证字第1号")
    with pytest.raises(NotEnrolled):  # the lost one signs nothing any more
        world.client.issue("c1", body, world.act("c1"))
    world.bob = fresh
    world.client.issue("c1", body, world.act("c1"))


def test_enrolment_codes_cannot_be_guessed(world):
    world.client.add_witness("carol", "样本丁")
    code = world.said[-1].rsplit(" ", 1)[1]
    for _ in range(5):
        challenge = world.client.begin_enrolment("carol")
        with pytest.raises(NotEnrolled):
            world.client.finish_enrolment("carol", SoftPasskey().register(challenge), {"code": "guess"})
    challenge = world.client.begin_enrolment("carol")
    with pytest.raises(NotEnrolled, match="too often"):
        world.client.finish_enrolment("carol", SoftPasskey().register(challenge), {"code": code})


# ---- attest, journal, socket, privilege


def test_attest_keys_answer_for_their_purpose(world):
    said = world.client.attest("receipt", b"payload")
    public = world.client.public()
    assert signing_keys.attested(public.attest["receipt"], b"payload", said.signature)
    assert not signing_keys.attested(public.attest["manifest"], b"payload", said.signature)
    assert Trust.from_pem(public.trust_pem).signers == (world.root,)
    with pytest.raises(BadRequest):
        world.client.attest("deed", b"payload")


def test_a_torn_line_is_cut_off_and_a_changed_one_stops_the_start(world, tmp_path):
    path = world.folder / "journal/seal.jsonl"
    raw = path.read_bytes()
    (tmp_path / "torn").write_bytes(raw + b'{"kind":"activ')
    torn = Journal(tmp_path / "torn")
    assert (tmp_path / "torn").read_bytes() == raw
    assert torn.people.keys() == world.vault.journal.people.keys()
    torn.close()
    for bad in (raw.replace(b"notary-1", b"notary-2", 1), b"\n".join(raw.split(b"\n")[1:]), b"{}\n" + raw):
        (tmp_path / "bad").write_bytes(bad)
        with pytest.raises(BadJournal):
            Journal(tmp_path / "bad")


def test_a_full_disk_leaves_no_half_entry(world, monkeypatch):
    path = world.folder / "journal/seal.jsonl"
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        world.vault.journal.write("start", 1.0)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"act":"issue"}',
        b'{"act":"issue","case_id":1,"body":""}',
        b'{"act":"issue","case_id":"c","body":"***"}',
        b'{"act":"activate","notary_id":"x","case_ids":["c"],"activation":{}}',
        b'{"act":"enrol-finish","person_id":"notary-1","credential":[],"proof":[]}',
        b'{"act":"enrol-finish","person_id":"notary-1","credential":{},"proof":{"code":1}}',
        b'{"act":"__class__"}',
        b"[" * 50_000,
    ],
)
def test_every_line_has_an_answer(world, line):
    said = answer(world.vault, line)
    assert said["ok"] is False
    assert said["words"]


def test_the_socket_is_private_and_a_dead_seal_is_said(world, tmp_path):
    assert (world.folder / "seal.sock").stat().st_mode & 0o777 == 0o600
    with pytest.raises(SealDown):
        SealClient(tmp_path / "nothing").public()


CHILD = """
import sys, threading, json, os
from pathlib import Path
sys.path[:0] = [{tests!r}]
from notary.seal.serve import serve
from test_seal import Cases, Approved, body_of, ZONE
from datetime import date
from signing import keys
from signing.stamp import HttpStamper
from signing.status import HttpStatus
import hashlib, webauthn
folder = Path({folder!r})
root = keys.load_office(folder, b"pw").chain[-1]
plan = json.loads({plan!r})
plan["approved_on"] = date.fromisoformat(plan["approved_on"])
cases = Cases(c1=Approved(**plan))
ready = threading.Event()
class Shut:
    def find_spec(self, name, path=None, target=None):
        print("LATE IMPORT", name, flush=True)
        return None
def watch():
    ready.wait()
    sys.meta_path.insert(0, Shut())
    try:
        open(folder / "office.pem").close()
        print("KEY READABLE", flush=True)
    except PermissionError:
        print("key shut", flush=True)
    print("uid", os.getuid(), flush=True)
threading.Thread(target=watch, daemon=True).start()
serve(folder=folder, passphrase=b"pw", socket=folder / "seal.sock", cases=cases,
      stamper=HttpStamper(({url!r},), (root,), keys.authorities(folder)), status=HttpStatus(({status!r},)),
      test_keys=False, ready=ready,
      console=lambda words: print(words, flush=True))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privilege to drop")
@pytest.mark.req("B05")
def test_a_whole_deed_is_signed_after_privilege_is_gone(authority):
    """Keys unreadable, user changed, not one module loaded late; the time stamp comes from the real TSA
    process."""
    with tempfile.TemporaryDirectory() as shared:
        Path(shared).chmod(0o755)
        folder = Path(shared) / "keys"
        subprocess.run(["cp", "-a", authority, folder], check=True)
        folder.chmod(0o711)
        signing_keys.issue_notary(folder, b"pw", "notary-1", "样本丙")
        made = World.__new__(World)
        made.folder, made.clock, made.cases = folder, Clock(), Cases()
        body = made.approve("c1", "（2026）渝示证字第1号")
        plan = json.dumps(vars(made.cases["c1"]) | {"approved_on": made.clock.day.isoformat()})
        env = os.environ | {"PYTHONPATH": str(ROOT), "TSA_PASSPHRASE": "pw", "STATUS_PASSPHRASE": "pw"}
        command = [sys.executable, "-m", "signing"]
        tsa, status = (
            subprocess.Popen([*command, *verb, "--port", "0"], stdout=subprocess.PIPE, text=True, env=env)
            for verb in (
                ["tsa", "--keys", folder / "tsu"],
                ["status", "--keys", folder / "status", "--authority", folder],
            )
        )
        script = CHILD.format(
            tests=str(Path(__file__).parent),
            folder=str(folder),
            plan=plan,
            url=tsa.stdout.readline().strip(),
            status=status.stdout.readline().strip(),
        )
        seal = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=env)
        try:
            assert seal.stdout.readline().strip() == "key shut"
            assert seal.stdout.readline().split()[1] != "0"
            client = SealClient(folder / "seal.sock")
            client_said = _enrolled_by_hand(client, seal)
            made.bob = client_said
            deed = client.issue("c1", body, made.act("c1"))
            root = signing_keys.load_office(folder, b"pw").chain[-1]
            trust = Trust((root,), (root,))
            assert examine(deed, trust).verdict == "valid"
            assert len(client.standing().lists) == 2
            now = datetime.now(UTC)
            known = trustbundle.read(client.trust_bundle(), trust, now)
            assert examine(deed, trust, known=known).sentence["en"].startswith("Valid as known on")
        finally:
            seal.terminate()
            tsa.terminate()
            status.terminate()
            rest = seal.communicate()[0]
            tsa.communicate()
            status.communicate()
        assert "LATE IMPORT" not in rest


def _enrolled_by_hand(client, seal):
    """The key was made before the start; the person is introduced with the passphrase, the code read off
    the console."""
    client.add_notary("notary-1", "样本丙", "pw")
    code = seal.stdout.readline().rsplit(" ", 1)[1].strip()
    passkey = SoftPasskey()
    challenge = client.begin_enrolment("notary-1")
    client.finish_enrolment("notary-1", passkey.register(challenge), {"code": code})
    return passkey


@pytest.mark.req("B06", "H02", "H03")
def test_a_thousand_calls_without_the_right_act_and_after_a_rollback_get_no_signature(world):
    """Whoever holds the portal and the database: he shows seal any past of the database, any body, any act that he has seen."""
    first = world.approve("c1", "（2026）渝示证字第1号")
    spent = world.act("c1")
    deed = world.client.issue("c1", first, spent)
    before = world.signed()
    bodies = {n: body_of(f"（2026）渝示证字第{n}号", world.clock.day) for n in (2, 3)}
    bodies[1] = body_of(
        "（2026）渝示证字第1号", world.clock.day, code="2026-1-AAAAAAAA"
    )  # the number, for another text
    dice, refused = random.Random(7), Counter()

    def shown(n, body):
        """The case as the database says it now; rolled back, the number of the issued deed is reserved again."""
        said = replace(
            world.cases["c1"], number=f"（2026）渝示证字第{n}号", body_sha256=hashlib.sha256(body).hexdigest(),
            approved_on=world.clock.day - timedelta(days=dice.choice((0, 0, 1))),
        )  # fmt: skip
        world.cases["now"] = said
        return ((said.number, said.body_sha256),)

    def forged(entries):
        mallory = SoftPasskey(origin=dice.choice(("http://localhost:8000", "http://localhost.evil.example")))
        mallory.id = world.bob.id
        return ByPasskey(entries, mallory.sign(act.challenge(entries)))

    ways = {
        "none": lambda entries: None,
        "replayed": lambda entries: spent,
        "replayed for these entries": lambda entries: ByPasskey(entries, spent.assertion),
        "over these and the old entries": lambda entries: ByPasskey(entries + spent.entries, spent.assertion),
        "another's passkey": forged,
        "a code": lambda entries: ByCode(entries, f"{dice.randrange(10**6):06d}"),
        "nothing in it": lambda entries: ByPasskey(entries, {}),
        "without the finger": lambda entries: ByPasskey(
            entries, world.bob.sign(act.challenge(entries), verified=False)
        ),
    }
    for call in range(1000):
        n = dice.choice(tuple(bodies))
        way = dice.choice(tuple(ways))
        entries = shown(n, bodies[n])
        sent = bodies[n] if dice.random() < 0.9 else first
        if call % 250 == 249:  # seal dies and comes back with its own memory
            world.close()
            world.open()
        with pytest.raises(Refused):
            world.client.issue("now", sent, ways[way](entries))
        refused[way] += 1
    assert sum(refused.values()) == 1000
    assert len(refused) == len(ways)
    assert world.signed() == before
    assert world.client.issue("c1", first) == deed  # what was signed once is handed out again, the very same
