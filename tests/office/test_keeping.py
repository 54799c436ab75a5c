"""Keys and their ends: what the ledger, the desk and everybody outside get to know, at fake times."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from notary.app import create_app
from notary.models import Event, Person
from notary.office import doors, keeping
from notary.seal.client import Certificate, Public, Standing
from signing import keys, places, rotation, trustbundle
from signing.evidence import Evidence
from signing.keyfile import write_whole
from signing.places import place
from signing.profile import OFFICE, STAMP
from signing.verify import Trust
from tests.conftest import NOON

USES = {"office.pem": "seal", "tsu.pem": "tsu", "ocsp.pem": "status"}


class Seal:
    """Says what a seal over this folder says; no process."""

    def __init__(self, folder, clock):
        self.folder, self.clock, self.ceremony = folder, clock, None

    def standing(self):
        found = []
        for where in places.places(self.folder):
            for path in where.held:
                use = USES.get(where.path.name, "notary")
                found.append((use, where.path.stem if use == "notary" else "", places.chain_in(path)[0]))
        issuing, root = places.chain_in(self.folder / "issuing.pem")
        found += [("issuing", "", issuing), ("root", "", root), ("trust", "", self.trust()[0])]
        lists = tuple((self.folder / f"{name}.crl").read_bytes() for name in ("root", "issuing"))
        certificates = tuple(Certificate(use, who, cert.public_bytes(Encoding.DER)) for use, who, cert in found)
        return Standing(certificates, lists, (), self.ceremony)

    def trust(self):
        return places.chain_in(self.folder / "attest" / "trust-bundle.pem")

    def public(self):
        attest = {name: key.public for name, key in keys.load_attest(self.folder, b"pw").items()}
        return Public(keys.root_pem(self.folder), attest, True)

    def trust_bundle(self, witnesses=()):
        signer, root = self.trust()
        sign = keys.load_attest(self.folder, b"pw")["trust-bundle"].sign
        known = Evidence(crls=self.standing().lists)
        return trustbundle.make(root, signer, (), known, list(witnesses), sign, self.clock())


@pytest.fixture
def office(parts, clock, tmp_path):
    """Parts with a seal over an authority of noon, and one notary."""
    folder = tmp_path / "keys"
    keys.make_authority(folder, b"pw", "山城示例公证处", now=NOON)
    with parts.db() as db:
        chen = db.scalars(sa.select(Person).where(Person.login == "chenjing")).one()
    keys.issue_notary(folder, b"pw", str(chen.id), chen.name, now=NOON + timedelta(days=40))
    return replace(parts, seal=Seal(folder, clock))


def told(office, like):
    with office.db() as db:
        return [
            (e.kind, e.payload) for e in db.scalars(sa.select(Event).where(Event.kind.like(like)).order_by(Event.seq))
        ]


def stand(office, clock):
    """(what, days) of the alarms that stand."""
    with office.db() as db:
        return sorted((one.item.use, one.days) for one in keeping.alarms(db))


def login_of(app, office, login):
    """Somebody's browser."""
    with office.db.begin() as db:
        person = db.scalars(sa.select(Person).where(Person.login == login)).one()
        token = doors.open_login(db, office.clock(), person=person)
    browser = app.test_client()
    browser.set_cookie("yz", token)
    return browser


def seen_by(office, login, path):
    return login_of(create_app(office), office, login).get(path)


@pytest.mark.req("K08", "J06")
def test_the_log_is_told_once_of_every_key_its_end_its_loss_and_the_ceremony(office, clock):
    folder = office.seal.folder
    office.seal.ceremony = "ab" * 32
    for _ in range(2):
        keeping.watch(office)
    made = told(office, "key.%")
    assert sorted(p["use"] for k, p in made if k == "key.made") == [
        "issuing", "notary", "root", "seal", "status", "trust", "tsu",
    ]  # fmt: skip
    assert ("key.ceremony", {"sha256": "ab" * 32}) in made
    old = places.chain_in(folder / "office.pem")[0]
    clock.pass_by(days=10)
    keys.revoke(
        folder, b"pw", old.serial_number, at=clock(), reason="key-compromise", lost_since=NOON + timedelta(days=8)
    )
    rotation.rotate(folder, b"pw", place(folder, OFFICE), begins=clock(), now=clock())
    rotation.retire(folder, place(folder, OFFICE), clock())
    for _ in range(2):
        keeping.watch(office)
    news = told(office, "key.%")[len(made) :]
    print_ = old.fingerprint(hashes.SHA256()).hex()
    assert sorted(k for k, _ in news) == ["key.made", "key.retired", "key.revoked"]
    revoked = dict(news)["key.revoked"]
    assert (revoked["fingerprint"], revoked["reason"]) == (print_, "keyCompromise")
    assert revoked["since"] == (NOON + timedelta(days=8)).isoformat()
    with office.db() as db:
        line = db.scalars(sa.select(Event).where(Event.kind == "key.made").order_by(Event.seq)).first()
    assert set(json.loads(bytes(line.leaf))["public"]) == {"fingerprint", "use"}  # no name, no number


@pytest.mark.req("K08")
def test_an_end_is_told_at_sixty_thirty_and_seven_days_once_each_and_goes_with_the_rotation(office, clock):
    folder = office.seal.folder
    for days, now_stand in {
        600: [], 669: [], 671: [("seal", 60)], 680: [("seal", 60)], 701: [("seal", 30)],
        711: [("notary", 60), ("seal", 30)], 724: [("notary", 60), ("seal", 7)], 731: [("notary", 60), ("seal", 0)],
    }.items():  # fmt: skip
        clock.at = NOON + timedelta(days=days)
        keys.complete_status(folder, b"pw", now=clock())
        for _ in range(2):
            keeping.watch(office)
        assert stand(office, clock) == now_stand, days
    raised = [p["days"] for k, p in told(office, "alarm.raised") if p["use"] == "seal"]
    assert raised == [60, 30, 7, 0]

    queue, home = seen_by(office, "hejie", "/desk/").text, seen_by(office, "guanli", "/staff/").text
    for page in (queue, home):
        assert page.count("data-alarm") == 2
        assert "公证处印章的证书已经到期" in page
    assert "公证员陈静的签名证书还有" in queue
    clock.at = NOON + timedelta(days=725)
    rotation.rotate(folder, b"pw", place(folder, OFFICE), begins=NOON + timedelta(days=728), now=clock())
    keeping.watch(office)
    assert stand(office, clock) == [("notary", 60)]
    assert (
        told(office, "alarm.resolved")[0][1]["about"]
        == places.chain_in(folder / "office.pem")[0].fingerprint(hashes.SHA256()).hex()
    )


@pytest.mark.req("K08")
def test_lists_authorities_units_and_responder_are_watched_too(office, clock):
    folder = office.seal.folder
    clock.at = NOON + timedelta(days=350)
    keeping.watch(office)
    assert stand(office, clock) == [("list", 30), ("list", 30)]
    keys.complete_status(folder, b"pw", now=clock())
    keeping.watch(office)
    assert stand(office, clock) == []
    clock.at = NOON + timedelta(days=3600)
    keys.complete_status(folder, b"pw", now=clock())
    with office.db.begin() as db:
        keeping.tell(db, office.seal.standing(), clock())
    assert {use for use, _ in stand(office, clock)} == {"issuing", "notary", "seal", "status", "trust", "tsu"}
    root = next(x509.load_der_x509_certificate(c.der) for c in office.seal.standing().certificates if c.use == "root")
    assert keeping.passed(root.not_valid_after_utc, root.not_valid_after_utc - timedelta(days=59)) == 60
    assert keeping.passed(root.not_valid_after_utc, clock()) is None


@pytest.mark.req("K08", "I01")
def test_bundle_and_lists_are_published_daily_and_after_a_change_and_logged_before(office, clock):
    folder, where = office.seal.folder, keeping.folder(office)
    trust = Trust.from_pem(keys.root_pem(folder))
    keeping.watch(office)
    clock.pass_by(hours=1)
    keeping.watch(office)
    assert len(told(office, "trust.published")) == 1
    clock.pass_by(hours=20)
    keeping.watch(office)
    keys.revoke(folder, b"pw", places.chain_in(place(folder, STAMP).path)[0].serial_number, at=clock())
    keeping.watch(office)
    published = told(office, "trust.published")
    assert len(published) == 3
    raw = (where / "trust.bundle").read_bytes()
    assert published[-1][1] == {"sha256": hashlib.sha256(raw).hexdigest()}
    assert trustbundle.read(raw, trust, clock()).made_at == clock()

    (where / "trust.bundle").write_bytes(raw[:-9])
    assert keeping.known(office, trust) is None
    (where / "trust.bundle").write_bytes(raw)

    anybody = create_app(office).test_client()
    assert anybody.get("/pki/trust.bundle").data == raw
    for name, kind in (("root.crl", "application/pkix-crl"), ("issuing.crl", "application/pkix-crl")):
        reply = anybody.get(f"/pki/{name}")
        assert (reply.data, reply.content_type) == ((folder / name).read_bytes(), kind)
    assert x509.load_pem_x509_certificate(anybody.get("/pki/root.pem").data) == trust.signers[0]
    for name in ("office.pem", "..%2fkeys%2foffice.pem", "root.pem.next", ".trust.bundle.part"):
        assert anybody.get(f"/pki/{name}").status_code == 404
    page = anybody.get("/pki/", headers={"Accept-Language": "en"}).text
    print_ = trust.signers[0].fingerprint(hashes.SHA256()).hex().upper()
    assert " ".join(print_[at : at + 4] for at in range(0, 64, 4)) in page
    assert "test root" in page


@pytest.mark.req("K08")
@pytest.mark.parametrize("dies_at", ["bundle", "after the log", "lists"])
def test_a_worker_that_dies_while_it_publishes_leaves_it_to_the_next_hour(office, clock, monkeypatch, dies_at):
    """Otherwise a lost key would be missing from the bundle for a day."""
    folder, where = office.seal.folder, keeping.folder(office)
    keeping.watch(office)
    keys.revoke(folder, b"pw", places.chain_in(place(folder, OFFICE).path)[0].serial_number, at=clock())
    clock.pass_by(hours=1)

    def dies(path, *rest):
        if dies_at != "lists" or path.name.endswith(".crl"):
            raise KeyboardInterrupt
        write_whole(path, *rest)

    if dies_at == "bundle":
        monkeypatch.setattr(office.seal, "trust_bundle", dies)
    else:
        monkeypatch.setattr(keeping, "write_whole", dies)
    with pytest.raises(KeyboardInterrupt):
        keeping.watch(office)
    monkeypatch.undo()
    clock.pass_by(hours=1)
    keeping.watch(office)
    raw = (where / "trust.bundle").read_bytes()
    assert told(office, "trust.published")[-1][1] == {"sha256": hashlib.sha256(raw).hexdigest()}
    assert (where / "issuing.crl").read_bytes() == (folder / "issuing.crl").read_bytes()
    assert trustbundle.read(raw, Trust.from_pem(keys.root_pem(folder)), clock()).made_at == clock()
    logged = len(told(office, "trust.published"))
    clock.pass_by(hours=1)
    keeping.watch(office)
    assert len(told(office, "trust.published")) == logged  # and then there is nothing left to do
