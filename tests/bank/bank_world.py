"""Deeds that were delivered to a bank, a bank with a key, and a seal that only attests: enough for the bank's door."""

import hashlib
import io
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from webauthn.helpers import base64url_to_bytes

for room in ("deeds", "webrtc", "journeys", "seal", "signing"):
    sys.path.insert(0, str(Path(__file__).parents[1] / room))

from signing_world import EXAMPLE, make_facts  # noqa: E402
from test_deed_numbers import a_case  # noqa: E402

from notary import ledger  # noqa: E402
from notary.app import create_app  # noqa: E402
from notary.ledger import SYSTEM  # noqa: E402
from notary.lifecycle import State  # noqa: E402
from notary.models import (  # noqa: E402
    Bank,
    Case,
    Deed,
    Delivery,
    Notice,
    NoticeKind,
    Number,
    NumberState,
    Office,
    Party,
    Person,
    Review,
    Series,
    Standing,
)
from notary.office import doors, publishing, safe  # noqa: E402
from notary.seal.client import Attestation, Public  # noqa: E402
from notary.seal.refusals import SealDown  # noqa: E402
from signing import pades, render  # noqa: E402
from signing.throwaway import authority  # noqa: E402
from tests.conftest import NOON  # noqa: E402


@cache
def genuine() -> bytes:
    """One deed, whole, as the house of the example makes it."""
    house = authority(EXAMPLE["office"]["name"])
    bob = house.notary(EXAMPLE["notary"]["name"], EXAMPLE["notary"]["id"])
    with ThreadPoolExecutor(1) as beside:  # Playwright's loop may run in this thread
        body = render.deed(make_facts())
        return beside.submit(pades.seal, body, bob, house.seal, house.stamper, house.status).result()


class Seal:
    """Attests with a key for each purpose; `down` makes it silent."""

    def __init__(self):
        self.keys = {use: Ed25519PrivateKey.generate() for use in ("webhook", "receipt", "checkpoint")}
        self.down = False

    def attest(self, purpose, payload):
        if self.down:
            raise SealDown("nobody there")
        return Attestation(self.keys[purpose].sign(payload), purpose)

    def public(self):
        if self.down:
            raise SealDown("nobody there")
        pem = authority(EXAMPLE["office"]["name"]).root.public_bytes(Encoding.PEM)
        raw = {use: key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) for use, key in self.keys.items()}
        return Public(pem, raw, True)


@dataclass
class Held:
    """A deed of the register, as a bank may hold it."""

    case_id: object
    number: str
    code: str
    sha256: str
    data: bytes


class BankWorld:
    """`head`: what the bank sends with each request. `held`: its deeds."""

    def __init__(self, parts, many=3):
        self.seal = Seal()
        self.parts = replace(parts, seal=self.seal)
        self.app = create_app(self.parts)
        self.http = self.app.test_client()
        with self.parts.db.begin() as db:
            banks = db.scalars(sa.select(Bank).order_by(Bank.created_at, Bank.name)).all()
            self.bank_id, self.other_id = banks[0].id, banks[1].id
            self.key, banks[0].api_key_hash = doors.new_bank_key(banks[0].name)
            self.other_key, banks[1].api_key_hash = doors.new_bank_key(banks[1].name)
            office = db.scalars(sa.select(Office)).one()
            self.series = Series(office_id=office.id, year=2026, letter="证", last=many)
            db.add(self.series)
            db.flush()
            self.held = [self.issue(db, n) for n in range(1, many + 1)]
            self.reserved = self.number(db, a_case(db, self.parts), many + 1, NumberState.RESERVED)
        publishing.publish(self.parts)

    @property
    def head(self):
        return {"X-API-Key": self.key}

    def number(self, db, case, n, state):
        number = Number(
            series_id=self.series.id, n=n, case_id=case.id, text=f"（2026）渝示证证字第{n}号", approved_on=NOON.date(),
            reserved_at=NOON, state=state, facts={"test": True},
        )  # fmt: skip
        db.add(number)
        db.flush()
        return number

    def issue(self, db, n):
        people = {one.login: one.id for one in db.scalars(sa.select(Person))}
        case = a_case(db, self.parts, notary_id=people["chenjing"], approved_on=NOON.date())
        db.execute(sa.update(Case).where(Case.id == case.id).values(state=State.ISSUED))
        db.add(Party(case_id=case.id, role="applicant", name="王大川", phone=f"+86138000000{n:02}"))
        number = self.number(db, case, n, NumberState.ISSUED)
        data = genuine() if n == 1 else b"%%PDF-1.7\n%% deed %d" % n
        key, sha256 = safe.keep(self.parts, case, "deeds", data)
        deed = Deed(
            case_id=case.id, number_id=number.id, number=number.text, code=f"2026-{n}-ABCDEFGH{n}", sha256=sha256,
            object_key=key, pages=1, issued_at=NOON, standing=Standing.VALID, standing_at=NOON,
        )  # fmt: skip
        to_bank = Delivery(case_id=case.id, recipient="bank", kind="bank", to="银行", bank_id=self.bank_id)
        db.add_all([deed, to_bank])
        db.flush()
        ledger.append(
            db, "case.issue", SYSTEM, NOON, case_id=case.id, office_id=case.office_id, number=number.text, sha256=sha256
        )
        ledger.append(db, "deed.issued", SYSTEM, NOON, case_id=case.id, office_id=case.office_id, sha256=sha256)
        return Held(case.id, number.text, deed.code, sha256, data)

    def stand(self, held, standing, now=NOON):
        """What a review leaves behind."""
        with self.parts.db.begin() as db:
            deed = db.scalars(sa.select(Deed).where(Deed.sha256 == held.sha256)).one()
            deed.standing, deed.standing_at, deed.why = standing, now, "样本理由"
            ledger.append(
                db, f"deed.{standing}", SYSTEM, now, case_id=deed.case_id,
                office_id=db.get_one(Case, deed.case_id).office_id, sha256=deed.sha256,
            )  # fmt: skip

    def notice(self, held, now=NOON):
        """The sealed paper of the decision to revoke."""
        with self.parts.db.begin() as db:
            deed = db.scalars(sa.select(Deed).where(Deed.sha256 == held.sha256)).one()
            people = {one.login: one.id for one in db.scalars(sa.select(Person))}
            review = Review(
                case_id=deed.case_id, opened_by=people["liyuan"], reason="样本理由", opened_at=now, outcome="revoked",
                decided_by=people["wangshu"], decision="样本理由", decided_at=now,
            )  # fmt: skip
            office_id = db.get_one(Case, deed.case_id).office_id
            series = Series(office_id=office_id, year=2026, letter="撤", last=1)
            db.add_all([review, series])
            db.flush()
            db.add(
                Notice(
                    case_id=deed.case_id,
                    review_id=review.id,
                    kind=NoticeKind.REVOCATION,
                    series_id=series.id,
                    n=1,
                    text="（2026）渝示证撤字第1号",
                    decided_on=now.date(),
                    facts={},
                    sha256=digest(b"notice"),
                    sealed_at=now,
                )
            )  # fmt: skip

    def post(self, path, head=None, **more):
        return self.http.post("/api/v1" + path, headers=self.head | (head or {}), **more)

    def get(self, path, head=None, **more):
        return self.http.get("/api/v1" + path, headers=self.head | (head or {}), **more)

    def file(self, data):
        return {"data": {"file": (io.BytesIO(data), "deed.pdf")}, "content_type": "multipart/form-data"}

    def opened(self, receipt):
        """The claims of a receipt, checked with the key that the office publishes."""
        keys = self.http.get("/.well-known/yuanzheng/keys.json").json["keys"]
        key = next(base64url_to_bytes(one["x"]) for one in keys if one["use"] == "receipt")
        head, body, signature = receipt.split(".")
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        Ed25519PublicKey.from_public_bytes(key).verify(base64url_to_bytes(signature), f"{head}.{body}".encode())
        return json.loads(base64url_to_bytes(body))


def digest(data):
    return hashlib.sha256(data).hexdigest()
