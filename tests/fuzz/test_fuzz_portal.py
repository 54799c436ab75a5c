"""Every route of the URL map, as a stranger, an applicant, each of the staff and a bank may call it, with values that
nobody's page sends. Whatever it is, it is answered or refused in words, and never with a 500.
"""

import inspect
import io
import json
import random
import re
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from uuid import uuid4

import pytest
import sqlalchemy as sa
import walking
from cryptography.hazmat.primitives.serialization import Encoding
from fuzzing import WORDS, Target, any_value, run, spoil_json, spoil_text

from notary.app import create_app
from notary.lifecycle import State
from notary.models import (
    Bank,
    Base,
    Case,
    Deed,
    Delivery,
    Draft,
    Interview,
    Number,
    NumberState,
    Office,
    Person,
    Series,
    Slot,
    Standing,
)  # fmt: skip
from notary.office import doors, safe
from notary.portal.doors import audience_of
from notary.rules import rules
from notary.seal.client import Attestation, Public, SealClient
from signing import render
from signing.throwaway import authority
from tests.conftest import NOON
from webrtc.client import Answer, Picture

ROOT = Path(__file__).parents[2]
STAFF = ("chenjing", "zhoumin", "wangshu", "hejie", "guanli")
NAMED = re.compile(r"""(?:form|args|files|given|getlist|get)\w*[\[(]\s*["']([\w-]+)["']""")
ROOT_PEM = authority("山城示例公证处").root.public_bytes(Encoding.PEM)
ROLES = {
    "alice": "applicant", "bank": "bank", "chenjing": "notary", "zhoumin": "assistant", "wangshu": "approver",
    "hejie": "operator", "guanli": "admin",
}  # fmt: skip
SKIPPED = {"applicant.outbox"}
"""Shows every message of the trial: slower with each that was sent, and reads nothing of the request."""


def signed_example():
    facts = json.loads((ROOT / "signing" / "examples" / "facts.json").read_text())
    for one in facts["instrument"]["signatures"]:
        one["bound_to"] = "0" * 64
    return facts


class Media:
    """Media workers that are content with everything."""

    each = MappingProxyType({})

    def locked(self, *_a):
        return []

    def open_room(self, *_a, **_k):
        return {"room": "r", "resumed": False}

    def offer(self, *_a, **_k):
        return Answer("v=0", "answer", "0001-applicant", "1", "AA")

    restart = offer

    def mark(self, *_a):
        return {"at": "", "seconds": 1.0, "offsets": {}}

    def send(self, *_a):
        return 1

    def status(self, *_a):
        leg = {"connected": True, "age": 0.1, "ages": {"audio": 0.1, "video": 0.1}, "lost": {"audio": 0, "video": 0}}
        return {"legs": {"applicant": leg, "notary": leg}, "recorder": {"ok": True}, "seconds": 1.0, "gaps": []}

    def snapshot(self, *_a):
        return Picture(walking.photo(), "0" * 64, "", 1.0, "0001-applicant", 320, 240)

    def stop_recording(self, *_a):
        return {}

    def close_leg(self, *_a):
        return None

    def close_room(self, *_a):
        return {"intact": True, "complete": True, "segments": [{"leg": "applicant"}, {"leg": "notary"}], "drops": []}


class Seal(SealClient):
    """Attests; has no key for deeds, and says so as one that is down."""

    def attest(self, purpose, payload):
        return Attestation(b"\0" * 64, f"key of {purpose}")

    def public(self):
        return Public(ROOT_PEM, {"webhook": b"\0" * 32, "checkpoint": b"\0" * 32}, True)


class Office:  # noqa: F811 (this one is the fuzzed house)
    """An office with a filed case that is put into one state after another, and somebody of every kind at a browser."""

    def __init__(self, parts):
        self.parts = replace(parts, media=Media(), seal=Seal(parts.settings.under("run", "seal.sock")))
        self.app = create_app(self.parts)
        alice = walking.Visitor(self.app, self.parts).log_in_by_phone(walking.ALICE)
        case = walking.fill(alice, walking.new_case(alice))
        assert alice.post(f"{case}/submit").status_code == 303
        self.case_id = case.rsplit("/", 1)[-1]
        self.app.testing = True  # an exception reaches us instead of becoming a page
        self.app.config["WTF_CSRF_ENABLED"] = False
        with self.parts.db.begin() as db:
            self.furnish(db)
        self.rules = [one for one in self.app.url_map.iter_rules() if one.endpoint not in SKIPPED | {"static"}]
        self.names = {one.endpoint: self.named(one.endpoint) for one in self.rules}
        self.fields = sorted(
            {f.key for matter in rules().matters.values() for f in matter.fields}
            | {"id_number", "name", "birth", "address"}
        )
        self.count, self.seen = 0, set()

    def furnish(self, db):
        """An interview, a number and a deed, so that what comes late has something to work on."""
        now = self.parts.clock()
        case = db.get_one(Case, self.case_id)
        people = {one.login: one.id for one in db.scalars(sa.select(Person))}
        self.people = people
        db.add(Interview(case_id=case.id, notary_id=people["chenjing"], opened_at=now, identity_since=now))
        series = Series(office_id=case.office_id, year=2026, letter="证", last=1)
        db.add(series)
        db.flush()
        number = Number(
            series_id=series.id, n=1, case_id=case.id, text="（2026）渝示证字第1号", approved_on=now.date(), reserved_at=now,
            state=NumberState.ISSUED,
        )  # fmt: skip
        db.add(number)
        db.flush()
        key, sha256 = safe.keep(self.parts, case, "deeds", render.deed(signed_example()))
        self.code = "2026-1-ABCDEFGHJ"
        deed = Deed(
            case_id=case.id, number_id=number.id, number=number.text, code=self.code, sha256=sha256, object_key=key, pages=1,
            issued_at=now, standing=Standing.VALID, standing_at=now,
        )  # fmt: skip
        bank = db.scalars(sa.select(Bank)).first()
        self.key, bank.api_key_hash = doors.new_bank_key(bank.name)
        draft = Draft(case_id=case.id, version=1, template="兹证明", text="兹证明", by=people["chenjing"], at=now)
        delivery = Delivery(case_id=case.id, recipient="bank", kind="bank", to=bank.name, bank_id=bank.id)
        self.slot = Slot(
            notary_id=people["chenjing"], case_id=case.id, starts_at=now + timedelta(days=1), ends_at=now + timedelta(days=1, hours=1)
        )  # fmt: skip
        db.add_all([deed, draft, delivery, self.slot])

    def named(self, endpoint):
        """Names that the route's own module reads from a request."""
        view = inspect.unwrap(self.app.view_functions[endpoint])
        module = sys.modules.get(view.__module__)
        here = NAMED.findall(inspect.getsource(view))
        return here, sorted(set(NAMED.findall(inspect.getsource(module))) if module else [])

    def tidy(self, rng):
        """Another state for the case, fresh logins, and nobody shut out by what came before."""
        state = rng.choice(list(State))
        with self.parts.db.begin() as db:
            db.execute(sa.text("DELETE FROM failures"))
            db.execute(sa.update(Person).values(disabled_at=None))
            db.execute(
                sa.update(Case)
                .where(Case.id == self.case_id)
                .values(state=state, notary_id=self.people["chenjing"], approver_id=None)
            )
            alive = state in (State.INTERVIEW, State.SUSPENDED)
            db.execute(sa.update(Interview).values(closed_at=None if alive else NOON, ended=""))
            db.execute(sa.update(Slot).values(given_up_at=NOON))
            if state == State.SCHEDULED:
                db.execute(sa.update(Slot).where(Slot.id == self.slot.id).values(given_up_at=None))
            now = self.parts.clock()
            people = {one.login: one for one in db.scalars(sa.select(Person))}
            self.tokens = {login: doors.open_login(db, now, person=people[login]) for login in STAFF}
            self.tokens["alice"] = doors.open_login(db, now, applicant=doors.applicant_of(db, walking.ALICE, now))
            self.tokens["mallory"] = doors.open_login(db, now, applicant=doors.applicant_of(db, walking.MALLORY, now))
            self.ids = [
                str(found)
                for table in Base.metadata.sorted_tables if "id" in table.c and table.name not in ("events", "failures")
                for found in db.scalars(sa.select(table.c.id).limit(3))
            ]  # fmt: skip

    # inputs

    def make(self, rng):
        rule = rng.choice(self.rules)
        method = rng.choice([m for m in rule.methods if m not in ("HEAD", "OPTIONS")] or ["GET"])
        args = {name: self.part(rng, name, kind) for name, kind in rule._converters.items()}
        own, module = self.names[rule.endpoint]
        names = [*own * 4, *module, *(self.fields if "form" in rule.rule or "who" in rule.rule else [])] or ["x"]
        fields = {rng.choice(names): self.value(rng) for _n in range(rng.randrange(1, 9))}
        query = {rng.choice(names): self.value(rng) for _n in range(rng.randrange(3))}
        kind = rng.choice(("form", "form", "form", "form", "json", "json-odd", "raw", "multipart"))
        who = rng.choice(
            ("alice", "alice", "alice", "mallory", "nobody", "bank", *STAFF, "chenjing", "chenjing", "wangshu")
        )
        return rule.endpoint, method, args, query, kind, fields, who, rng.randrange(1 << 30)

    def welcome(self, endpoint):
        """Who may call this route at all."""
        roles = {str(role) for role in audience_of(self.app, endpoint).roles}
        return [who for who, role in ROLES.items() if role in roles]

    def part(self, rng, name, converter):
        if type(converter).__name__ == "UUIDConverter":
            return self.case_id if name == "case_id" and rng.random() < 0.9 else rng.choice((*self.ids, str(uuid4())))
        if type(converter).__name__ == "IntegerConverter":
            return str(rng.choice((0, 1, 2, 2**31, 2**63, 10**20)))
        known = [
            self.code, "recording", "face", "interview", "delivery", "loan", "who", "id-front", "id-back", "loan-contract",
            "guarantor-consent", "declaration", "instrument", "minutes", "bank", "borrower", "look", "device", "free-will",
            "notice", "liability", "visit", "rebook", "1",
        ]  # fmt: skip
        word = rng.choice((*known, *known, *WORDS[1:]))
        return re.sub(r"[/?#\r\n]", "_", word) or "x"

    def value(self, rng):
        good = [
            "yes", "no", "1", "5", "on", self.case_id, self.code, "2026-11-25", "2026-11-25T06:00:00+00:00", "Asia/Shanghai",
            "123456", "+8613800138000", "13800138000", "confirmed", "waived", "consent", "identity", "closing", "same", "zh",
            "material:id-front", "guarantor-consent", "capacity", "connection", "一个够长的理由", "en", "0" * 64, "chenjing",
        ]  # fmt: skip
        roll = rng.random()
        if roll < 0.4:
            return rng.choice(good)
        if roll < 0.5:
            return rng.choice(self.ids)
        return rng.choice(WORDS) if roll < 0.8 else spoil_text(rng, rng.choice(good))

    # one request

    def take(self, given):
        endpoint, method, args, query, kind, fields, who, seed = given
        rng = random.Random(seed)
        with self.app.test_request_context():
            from flask import url_for

            path = url_for(endpoint, **args)
        client = self.app.test_client()
        if who in self.tokens:
            client.set_cookie("yz", self.tokens[who])
        head = {"Accept": rng.choice(("application/json", "text/html"))}
        if who == "bank" or rng.random() < 0.1:
            head["X-API-Key"] = self.key
        client.set_cookie("lang", rng.choice(("zh", "en", "xx")))
        reply = client.open(path, method=method, query_string=query, headers=head, **self.body(rng, kind, fields))
        self.seen.add((endpoint, method, reply.status_code // 100))
        assert reply.status_code < 500 or reply.status_code == 503, (reply.status_code, reply.text[:500])
        if reply.status_code >= 400 and method != "HEAD":
            assert len(reply.data) > 20, reply.status_code
        reply.close()

    def body(self, rng, kind, fields):
        match kind:
            case "form":
                return {
                    "data": {name: [value, value] if rng.random() < 0.1 else value for name, value in fields.items()}
                }
            case "json":
                return {"json": fields}
            case "json-odd":
                return {
                    "data": json.dumps(spoil_json(rng, {**fields, "x": any_value(rng)})),
                    "content_type": "application/json",
                }
            case "raw":
                return {
                    "data": rng.randbytes(rng.choice((0, 10, 3000))),
                    "content_type": rng.choice(
                        (
                            "application/json",
                            "application/x-www-form-urlencoded",
                            "multipart/form-data; boundary=x",
                            "text/plain",
                            "",
                        )
                    ),
                }
            case _:
                small = rng.choice((b"", b"no picture", b"%PDF-1.7\n", b"\xff\xd8\xff"))
                return {"data": {**fields, "file": (io.BytesIO(small), rng.choice(("a.jpg", "../../x", "名.pdf")))}}


@pytest.mark.req("K06")
def test_no_request_of_anybody_ends_in_a_500(parts):
    office, targets = Office(parts), SimpleNamespace(count=0)

    def make(rng):
        if targets.count % 40 == 0:
            office.tidy(rng)
            parts.clock.pass_by(seconds=30)
        targets.count += 1
        return office.make(rng)

    run(Target("portal", 5_000, make, office.take))
    reached = {endpoint for endpoint, _method, status in office.seen if status in (2, 3)}
    print(f"routes {len(office.rules)}, answered or redirected at least once {len(reached)}")
    assert len({endpoint for endpoint, *_rest in office.seen}) > 0.95 * len({one.endpoint for one in office.rules})
    assert NOON + timedelta(minutes=1) < parts.clock()
