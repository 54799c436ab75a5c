"""One key takes over from another while deeds are made, and a key is lost: at fake times, with everything that an office runs."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from notary.seal.refusals import BadRequest as BadRequest_
from notary.seal.refusals import CertificateEnded, CertificateRevoked
from signing import issued, places, rotation, trustbundle
from signing import keys as signing_keys
from signing.places import place
from signing.profile import NOTARY, OFFICE, STAMP, STATUS
from signing.request import BadRequest
from signing.responder import load
from signing.stamp import LocalStamper
from signing.status import LocalStatus
from signing.tsa import StampUnit
from signing.verify import Trust, examine
from tests.seal.test_seal import World

TODAY = datetime.now(UTC)
"""The authority is made today, and its leaves end 730 days from today."""


def on(days):
    return TODAY + timedelta(days=days)


class Dated(World):
    """A seal whose time-stamp and status services live by its clock."""

    def open(self, test_keys=True):
        now = self.now
        turns = signing_keys.load_stamp_units(self.folder / "tsu", b"pw")
        unit = StampUnit(turns.signers[0], now, later=turns.signers[1:])
        self.stamper = LocalStamper(unit, (self.root,), now=now)
        self.status = LocalStatus(replace(load(self.folder / "status", self.folder, b"pw"), now=now), now=now)
        super().open(test_keys)
        self.vault.moment = now

    def now(self):
        return datetime.fromtimestamp(self.clock(), UTC)

    def go(self, days):
        """To another day; lists that are to be renewed by then are."""
        self.clock.ahead = days * 86_400.0
        signing_keys.complete_status(self.folder, b"pw", now=on(days))

    def again(self):
        self.close()
        self.open()

    def deed(self, n):
        case, number = f"c{n}", f"（2028）渝示证字第{n}号"
        body = self.approve(case, number)
        return self.client.issue(case, body, self.act(case))

    def rotate(self, role, begins, today, notary_id=None):
        where = place(self.folder, role, notary_id)
        return where, rotation.rotate(self.folder, b"pw", where, begins=on(begins), now=on(today))

    def look(self, deed):
        return examine(deed, Trust((self.root,), (self.root,)), now=self.now())


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    where = tmp_path_factory.mktemp("authority") / "keys"
    signing_keys.make_authority(where, b"pw", "山城示例公证处", now=TODAY)
    return where


@pytest.fixture
def world(tmp_path, authority):
    made = Dated(tmp_path / "keys", authority)
    made.go(600)
    yield made
    made.close()


def signers(world, deed):
    """Fingerprints of who signed: notary, office."""
    verdict = world.look(deed)
    assert verdict.verdict == "valid", verdict.reasons
    return [one.certificate_sha256 for one in verdict.signers]


@pytest.mark.req("K08")
def test_every_key_is_taken_over_from_on_its_day_and_no_deed_is_lost(world):
    """Notary, seal, stamp unit and responder rotate on one day; the old leaves end thirty days later."""
    before = world.deed(1)
    for role in (NOTARY, OFFICE, STAMP):
        world.rotate(role, begins=700, today=600, notary_id="notary-1")
    world.rotate(
        STATUS, begins=0, today=0
    )  # the library writes the real time into an answer: its speaker must have begun
    half = world.approve("c2", "（2028）渝示证字第2号")
    world.client.activate("notary-1", ["c2"], world.act("c2"))
    world.again()  # so that seal, stamp unit and responder know the new keys
    waiting = world.client.issue("c2", half)
    assert signers(world, waiting) == signers(world, before)
    world.go(699)
    last = world.deed(3)
    assert signers(world, last) == signers(world, before)
    world.go(701)  # the clock alone decides, nobody starts anything
    first = world.deed(4)
    assert not {*signers(world, first)} & {*signers(world, before)}
    for role in (NOTARY, OFFICE, STAMP, STATUS):
        where = place(world.folder, role, "notary-1")
        kept, _ = rotation.retire(world.folder, where, on(701))
        assert places.chain_in(kept)[0].public_key() != places.chain_in(where.path)[0].public_key()
        assert not where.next.exists()
    world.again()
    world.go(790)  # the old leaves are over
    after = world.deed(5)
    assert signers(world, after) == signers(world, first)
    for made in (before, waiting, last, first, after):
        renewed = world.client.renew(made)
        assert renewed.startswith(made)
        assert signers(world, renewed) == signers(world, made)
    serials = [c.serial_number for c in (places.chain_in(p)[0] for p in (world.folder / "former").iterdir())]
    book = issued.read(world.folder)
    assert all(book[serial] is None for serial in serials if serial in book)  # the status service answers for them


@pytest.mark.req("K08")
def test_a_rotation_leaves_no_gap_and_is_done_once(world):
    where, waiting = world.rotate(OFFICE, begins=700, today=600)
    assert waiting == where.next
    with pytest.raises(FileExistsError, match="waits there already"):
        world.rotate(OFFICE, begins=700, today=600)
    with pytest.raises(BadRequest, match="takes over on"):
        rotation.retire(world.folder, where, on(650))
    with pytest.raises(BadRequest, match="nobody could sign in between"):
        world.rotate(NOTARY, begins=740, today=600, notary_id="notary-1")
    with pytest.raises(BadRequest, match="no key waits"):
        rotation.retire(world.folder, place(world.folder, STAMP), on(650))


@pytest.mark.req("K08")
def test_a_rotation_that_died_anywhere_goes_on_with_the_same_key(world, monkeypatch):
    from signing import request

    where = place(world.folder, OFFICE)
    with monkeypatch.context() as dying:
        dying.setattr(request, "install", lambda *_: (_ for _ in ()).throw(OSError("power")))
        with pytest.raises(OSError, match="power"):
            rotation.rotate(world.folder, b"pw", where, begins=on(700), now=on(600))
    assert where.asked.exists()
    asked = signing_keys.read_key(where.asked, b"pw")[0].public_key()
    rotation.rotate(world.folder, b"pw", where, begins=on(700), now=on(600))
    assert places.chain_in(where.next)[0].public_key() == asked
    assert not where.asked.exists()


@pytest.mark.req("K08", "H03")
def test_seal_signs_nothing_with_a_key_whose_certificate_is_over(world):
    world.go(740)
    body = world.approve("c1", "（2028）渝示证字第1号")
    with pytest.raises(CertificateEnded) as refused:
        world.client.issue("c1", body, world.act("c1"))
    assert "is valid from" in refused.value.problems[0]
    assert world.signed() == []
    assert world.client.activated("（2028）渝示证字第1号", world.cases["c1"].body_sha256)


@pytest.mark.req("K08")
def test_the_drill_of_a_lost_key(world):
    """docs/keys.md: the office's key was another's since Monday, is taken back on Wednesday, and a new one signs at once."""
    good = world.deed(1)
    stolen = signing_keys.load_office(world.folder, b"pw")
    serial = stolen.chain[0].serial_number
    world.go(602)  # Monday is over, Tuesday: the thief has the key, and the office does not know
    bad = world.deed(2)
    assert world.look(bad).verdict == "valid"  # as everybody believes on that day
    world.go(603)
    signing_keys.revoke(
        world.folder, b"pw", serial, at=on(603), reason="key-compromise", lost_since=on(601)
    )  # fmt: skip
    body, lines = world.approve("c3", "（2028）渝示证字第3号"), len(world.signed())
    with pytest.raises(CertificateRevoked):
        world.client.issue("c3", body, world.act("c3"))
    assert len(world.signed()) == lines  # not even begun
    where = place(world.folder, OFFICE)
    rotation.rotate(world.folder, b"pw", where, begins=on(603), now=on(603))
    rotation.retire(world.folder, where, on(603))
    world.again()
    new = world.client.issue("c3", body)  # the notary's act is still good
    assert signers(world, new)[1] != signers(world, good)[1]

    # by the file alone the thief's deed still looks good; whoever knows the list knows better
    found = x509.load_der_x509_crl((world.folder / "issuing.crl").read_bytes())
    entry = found.get_revoked_certificate_by_serial_number(serial)
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason == x509.ReasonFlags.key_compromise
    lost = entry.extensions.get_extension_for_class(x509.InvalidityDate).value.invalidity_date_utc
    assert lost == on(601).replace(microsecond=0)
    assert json.loads(issued.book_of(world.folder).read_text())[f"{serial:x}"]["reason"] == "key-compromise"
    told = trustbundle.read(world.client.trust_bundle(), Trust((world.root,), (world.root,)), world.now())
    for deed, word in ((good, "valid"), (bad, "invalid"), (new, "valid")):
        by_bundle = examine(deed, Trust((world.root,), (world.root,)), now=world.now(), known=told)
        assert by_bundle.verdict == word, by_bundle.reasons
    with pytest.raises(BadRequest_):  # seal says by itself what it knows, and signs nobody else's words
        world.client.attest("trust-bundle", b"{}")
    # a renewal puts the word into the file: from then on the file itself says it
    world.go(650)
    assert world.look(world.client.renew(good)).verdict == "valid"
    from signing import archive

    told = archive.renew(bad, (world.root,), world.stamper, world.status)
    verdict = world.look(told)
    assert (verdict.verdict, verdict.reasons[0].code) == ("invalid", "trust.revoked")


def test_an_earlier_loss_counts_and_a_book_of_before_is_read(world):
    serial = signing_keys.load_office(world.folder, b"pw").chain[0].serial_number
    issued.revoke(world.folder, serial, on(610))
    assert issued.read(world.folder)[serial] == on(610)
    issued.revoke(world.folder, serial, on(620), "key-compromise", on(605))
    issued.revoke(world.folder, serial, on(630), "superseded", on(615))
    how = issued.read(world.folder)[serial]
    assert (how.at, how.reason, how.lost_since, how.since) == (on(610), "superseded", on(605), on(605))
    with pytest.raises(ValueError, match="a reason is one of"):
        issued.revoke(world.folder, serial, on(630), "boredom")
    issued.book_of(world.folder).write_text('{"ab": {"at": "never"}}')
    with pytest.raises(ValueError):
        issued.read(world.folder)


@pytest.mark.req("K08")
def test_seal_shows_every_certificate_it_lives_by_and_nothing_secret(world):
    world.rotate(OFFICE, begins=700, today=600)
    world.again()
    found = world.client.standing()
    uses = [one.use for one in found.certificates]
    assert sorted(uses) == ["issuing", "notary", "root", "seal", "seal", "status", "trust", "tsu"]
    assert [one.who for one in found.certificates if one.use == "notary"] == ["notary-1"]
    lists = [x509.load_der_x509_crl(raw) for raw in found.lists]
    assert len({one.issuer for one in lists}) == 2
    assert found.answers
    assert found.ceremony is None
