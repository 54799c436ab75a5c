"""A deed outlives its certificates, and nothing but genuine renewals can be put behind it."""

import dataclasses
import hashlib
import io
import json
import random
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import cms as asn1_cms
from cryptography import x509
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509 import ocsp
from pyhanko.pdf_utils import generic
from signing_world import EXAMPLE, Each, at

from signing import archive, cms, der, evidence, hanko, pades, second, shape, status, token
from signing.evidence import Evidence, Revoked
from signing.keys import FileSigner
from signing.stamp import LocalStamper
from signing.throwaway import authority
from signing.tsa import StampUnit
from signing.verify import Trust, examine, verify

ROOT = Path(__file__).parents[2]
YEAR = timedelta(days=365)


def later(**spans):
    return datetime.now(UTC) + timedelta(**spans)


def word(verdict):
    return verdict.verdict, verdict.reasons[0].code if verdict.reasons else None


@pytest.fixture(scope="module")
def renewed(deed, house):
    """The deed after five yearly renewals, and the day of the last."""
    out, when = deed, datetime.now(UTC)
    for _ in range(5):
        when += timedelta(days=360)
        out = archive.renew(out, (house.root,), *at(house, when))
    return out, when


# ---- what is inside


@pytest.mark.req("H03")
def test_the_long_term_data_holds_everything_once_and_no_more(deed, house, bob):
    (kept,) = shape.read(deed).kept
    found = evidence.certificates(kept.certs)
    speaker = house.status.responder.cert
    leaves = {bob.chain[0], house.seal.chain[0], house.stamper.unit.signer.chain[0]}
    assert set(found) == leaves | {house.issuing, house.root, speaker}
    assert len(kept.certs) == 6
    assert (len(kept.ocsps), len(kept.crls)) == (3, 1)
    assert deed.count(b"%%EOF") == 5
    assert b"/VRI" not in deed


@pytest.mark.req("H03")
def test_all_status_was_given_before_the_stamp_that_covers_it(deed, house, bob, trust):
    verdict = examine(deed, trust)
    (kept,) = shape.read(deed).kept
    stamped = datetime.fromisoformat(verdict.archived_at)
    for path in (bob.chain, house.seal.chain, house.stamper.unit.signer.chain):
        for cert, issuer in ((path[0], path[1]), (path[1], path[2])):
            (said,) = evidence.words_on(cert, issuer, ((kept, stamped),))
            assert said.issued <= stamped <= said.until
    assert verdict.known_at <= verdict.archived_at


def test_signing_adds_less_than_36_kilobytes(deed, body):
    assert len(deed) - len(body) < 36_000


def test_a_container_carries_no_room_that_it_does_not_need(deed):
    found = shape.read(deed)
    for one in (found.notary, found.office, *found.stamps):
        _, first, second_, _ = one.ranges
        assert (second_ - first - 2) // 2 - len(one.der) <= 2 * hanko.SPARE


# ---- years later


@pytest.mark.req("H03")
def test_a_renewed_deed_outlives_the_certificates_of_who_signed(renewed, trust, bob):
    data, when = renewed
    assert bob.chain[0].not_valid_after_utc < when
    verdict = verify(data, trust, now=when + YEAR)
    assert word(verdict) == ("valid", None)
    assert verdict.steps[-1].detail == "agrees"
    assert data.count(b"%%EOF") == 10


def test_without_renewal_it_stays_valid_until_its_stamp_expires(deed, trust):
    assert word(examine(deed, trust, now=later(days=3000))) == ("valid", None)
    late = examine(deed, trust, now=later(days=3600))
    assert word(late) == ("unknown", "stamp.expired")
    assert late.reasons[0].etsi == "OUT_OF_BOUNDS_NO_POE"
    assert late.number == EXAMPLE["number"]


def test_a_renewal_that_comes_too_late_is_no_proof(deed, trust, house):
    """The old unit's certificate had expired: anybody might have made that stamp by then."""
    fresh = authority.__wrapped__(house.office)
    when = later(days=3505)  # the old unit's term is over, its root's is not
    old, new = house.stamper.unit.signer.chain[0], fresh.stamper.unit.signer.chain[0]
    assert old.not_valid_after_utc < when
    young = _successor(house, when)
    stamper = LocalStamper(StampUnit(young, lambda: when), (house.root,), now=lambda: when)
    forged = archive.renew(deed, (house.root,), stamper, at(house, when)[1])
    assert new != old
    assert word(examine(forged, trust, now=when)) == ("unknown", "stamp.expired")


def _successor(house, when) -> FileSigner:
    """A stamp unit of the same authority whose certificate begins later."""
    from cryptography.hazmat.primitives.asymmetric import ec

    from signing.keys import STAMP, certificate, name_of
    from signing.throwaway import URL

    key = ec.generate_private_key(ec.SECP256R1())
    name = name_of(house.office, "THROW-AWAY second unit")
    leaf = certificate(name, key, house.issuing, house._issuing_key, when, 90, role=STAMP, url=URL)
    house.book[leaf.serial_number] = None
    return FileSigner((leaf, house.issuing, house.root), key)


def test_a_renewal_in_time_by_another_unit_carries_on(deed, trust, house):
    when = later(days=300)
    stamper = LocalStamper(StampUnit(_successor(house, when), lambda: when), (house.root,), now=lambda: when)
    out = archive.renew(deed, (house.root,), stamper, at(house, when)[1])
    assert word(verify(out, trust, now=when)) == ("valid", None)


# ---- revocation


def withdrawn(house, serial, since):
    house.book[serial] = since


@pytest.fixture
def fallen(house):
    """A notary whom nobody else uses, to be revoked by the test."""
    return authority.__wrapped__(house.office)


def test_with_a_revoked_key_no_deed_can_be_made(body, fallen):
    notary = fallen.notary(EXAMPLE["notary"]["name"], EXAMPLE["notary"]["id"])
    for cert in (notary.chain[0], fallen.seal.chain[0], fallen.stamper.unit.signer.chain[0]):
        fallen.book[cert.serial_number] = later(minutes=-1)
        with pytest.raises(Revoked):
            pades.seal(body, notary, fallen.seal, fallen.stamper, fallen.status)
        fallen.book[cert.serial_number] = None


class Blunt:
    """Takes every answer as it comes, also "revoked"."""

    def __init__(self, house):
        self.house = house

    def gather(self, paths):
        return self.news(paths).with_(
            Evidence(
                tuple(status._der(c) for p in paths for c in p), (), (self.house.status.responder.lists()["root"],)
            )
        )

    def news(self, paths):
        return self.house.status.news(paths)


@pytest.mark.req("C1")
@pytest.mark.parametrize("whose", ["notary", "office", "unit"])
def test_revoked_before_signing_is_invalid(body, fallen, whose):
    notary = fallen.notary(EXAMPLE["notary"]["name"], EXAMPLE["notary"]["id"])
    chain = {"notary": notary, "office": fallen.seal, "unit": fallen.stamper.unit.signer}[whose].chain
    fallen.book[chain[0].serial_number] = later(minutes=-1)
    forged = pades.seal(body, notary, fallen.seal, fallen.stamper, Blunt(fallen))
    verdict = examine(forged, Trust((fallen.root,), (fallen.root,)))
    assert word(verdict) == ("invalid", "trust.revoked")
    assert verdict.reasons[0].etsi == "REVOKED"


def test_revoked_later_stays_valid_also_when_the_renewal_says_so(body, fallen):
    trust = Trust((fallen.root,), (fallen.root,))
    notary = fallen.notary(EXAMPLE["notary"]["name"], EXAMPLE["notary"]["id"])
    deed = pades.seal(body, notary, fallen.seal, fallen.stamper, fallen.status)
    fallen.book[notary.chain[0].serial_number] = later(days=100)
    when = later(days=300)
    out = archive.renew(deed, (fallen.root,), *at(fallen, when))
    said = [w for k in shape.read(out).kept for w in evidence.words_on(*notary.chain[:2], ((k, when),))]
    assert [w.revoked is None for w in said] == [True, False]
    assert word(verify(out, trust, now=when)) == ("valid", None)


def test_a_unit_revoked_since_is_not_renewed_by_itself(deed, fallen, body):
    notary = fallen.notary(EXAMPLE["notary"]["name"], EXAMPLE["notary"]["id"])
    own = pades.seal(body, notary, fallen.seal, fallen.stamper, fallen.status)
    fallen.book[fallen.stamper.unit.signer.chain[0].serial_number] = later(days=1)
    with pytest.raises(Revoked):
        archive.renew(own, (fallen.root,), *at(fallen, later(days=300)))


# ---- status that proves nothing


def with_evidence(body, house, bob, change):
    """A deed whose long-term data went through `change` before it was stamped."""

    class Changed:
        def gather(self, paths):
            return change(house.status.gather(paths))

    return pades.seal(body, bob, house.seal, house.stamper, Changed())


def of(kept, cert, issuer):
    """The OCSP answer about one certificate."""
    return next(r for r in kept.ocsps if _about(r, cert, issuer))


def _about(raw, cert, issuer):
    try:
        evidence.read_ocsp(raw, cert, issuer)
    except evidence.BadEvidence:
        return False
    return True


@pytest.mark.parametrize("whose", ["notary", "office", "unit", "issuing"])
def test_missing_status_is_cannot_tell(body, house, bob, trust, whose):
    if whose == "issuing":
        change = lambda kept: dataclasses.replace(kept, crls=())  # noqa: E731
    else:
        chain = {"notary": bob, "office": house.seal, "unit": house.stamper.unit.signer}[whose].chain

        def change(kept):
            gone = of(kept, *chain[:2])
            return dataclasses.replace(kept, ocsps=tuple(r for r in kept.ocsps if r != gone))

    verdict = examine(with_evidence(body, house, bob, change), trust)
    assert word(verdict) == ("unknown", "status.missing")
    assert verdict.reasons[0].etsi == "TRY_LATER"


def replaced(kept, chain, raw):
    old = of(kept, *chain[:2])
    return dataclasses.replace(kept, ocsps=tuple(raw if r == old else r for r in kept.ocsps))


def answer(responder, chain):
    return responder.respond(status.request(chain[0], chain[1], b"n" * 16))


@pytest.mark.req("C1")
def test_status_that_is_stale_early_foreign_or_of_another_is_no_status(body, house, bob, trust):
    responder = house.status.responder
    other = authority.__wrapped__(house.office).status.responder
    seal = house.seal.chain
    told = {
        "stale": dataclasses.replace(responder, now=lambda: later(days=-2)),
        "made after the stamp": dataclasses.replace(responder, now=lambda: later(hours=2)),
        "signed by another authority's responder": dataclasses.replace(responder, cert=other.cert, _key=other._key),
        "signed by one who may not": dataclasses.replace(responder, cert=seal[0], _key=house.seal._key),
        "not known there": dataclasses.replace(responder, book=dict),
    }
    for name, liar in told.items():
        raw = answer(liar, bob.chain)
        forged = with_evidence(body, house, bob, lambda kept, raw=raw: replaced(kept, bob.chain, raw))
        assert word(examine(forged, trust)) == ("unknown", "status.missing"), name
    genuine = answer(responder, bob.chain)
    value = ocsp.load_der_ocsp_response(genuine).signature
    broken = genuine.replace(value, value[:-1] + bytes((value[-1] ^ 1,)))
    for raw in (answer(responder, seal), broken, b"", b"rubbish", genuine[:-1]):
        forged = with_evidence(body, house, bob, lambda kept, raw=raw: replaced(kept, bob.chain, raw))
        assert word(examine(forged, trust)) == ("unknown", "status.missing")


def test_a_list_of_another_issuer_or_of_last_year_is_no_status(body, house, bob, trust):
    other = authority.__wrapped__(house.office)
    for raw in (other.new_list(datetime.now(UTC)), house.new_list(later(days=-400)), house.new_list(later(days=2))):
        forged = with_evidence(body, house, bob, lambda kept, raw=raw: dataclasses.replace(kept, crls=(raw,)))
        assert word(examine(forged, trust)) == ("unknown", "status.missing")


def test_the_second_opinion_sees_missing_status_too(body, house, bob, trust):
    forged = with_evidence(body, house, bob, lambda kept: dataclasses.replace(kept, ocsps=()))
    assert second.opinion(forged, trust, datetime.now(UTC)) != ""


# ---- who takes over


def test_a_stamp_by_a_unit_that_takes_over_is_covered_as_well(body, house, bob, trust):
    """The first authority fails between the signatures and the last stamp."""
    other = StampUnit(_successor(house, datetime.now(UTC)))

    class Failing:
        calls = 0

        def stamp(self, digest):
            self.calls += 1
            unit = house.stamper.unit if self.calls <= self.good else other
            return LocalStamper(unit, (house.root,)).stamp(digest)

    for good in range(6):
        stamper = Failing()
        stamper.good = good
        out = pades.seal(body, bob, house.seal, stamper, house.status)
        assert word(examine(out, trust)) == ("valid", None), good


def test_a_stamp_of_an_outside_authority_counts_with_its_root_alone(body, house, bob, trust):
    other = authority("外面的时间戳机构")
    out = pades.seal(body, bob, house.seal, other.stamper, Each(house, other))
    assert word(examine(out, trust)) == ("invalid", "trust.stamp")
    assert word(verify(out, Trust((house.root,), (house.root, other.root)))) == ("valid", None)


# ---- nothing but renewals behind a deed


def put_behind(data, house, when, change, field="DocumentStamp2"):
    """A genuine stamp over one more revision, in which somebody changed something."""
    stamper, words = at(house, when)
    writer = hanko.Writer(io.BytesIO(data))
    archive.write_dss(writer, words.gather([house.stamper.unit.signer.chain]))
    change(writer)
    from pyhanko.sign import signers

    return signers.PdfTimeStamper(hanko.Stamps(stamper), field_name=field).timestamp_pdf(writer, "sha256").getvalue()


def _name(text):
    return generic.pdf_name(text)


def _vri(writer):
    writer.root["/DSS"][_name("/VRI")] = generic.DictionaryObject()


def _shorter(writer):
    writer.root["/DSS"]["/OCSPs"].pop(0)


def _other_order(writer):
    certs = writer.root["/DSS"]["/Certs"]
    certs[0], certs[1] = certs.raw_get(1), certs.raw_get(0)


def _another_object(writer):
    writer.add_object(generic.StreamObject(stream_data=b"hidden"))


def _fat_stream(writer):
    thing = generic.StreamObject({_name("/Note"): generic.pdf_string("x")}, stream_data=b"0")
    writer.root["/DSS"]["/Certs"].append(writer.add_object(thing))


def _page(writer):
    page = writer.root["/Pages"]["/Kids"][0]
    page[_name("/Rotate")] = generic.NumberObject(180)
    writer.update_container(page)


def _catalogue(writer):
    writer.root[_name("/Lang")] = generic.pdf_string("en")
    writer.update_root()


CHANGES = [_vri, _shorter, _other_order, _another_object, _fat_stream, _page, _catalogue]


@pytest.mark.req("C1")
@pytest.mark.parametrize("change", CHANGES)
def test_behind_a_deed_nothing_but_a_renewal_is_accepted(deed, house, trust, change):
    when = later(days=300)
    assert word(examine(put_behind(deed, house, when, lambda _: None), trust, now=when)) == ("valid", None)
    forged = put_behind(deed, house, when, change)
    assert examine(forged, trust, now=when).verdict == "invalid"


def test_a_renewal_under_another_name_or_earlier_than_the_stamp_before_is_refused(deed, house, trust):
    when = later(days=300)
    forged = put_behind(deed, house, when, lambda _: None, field="DocumentStamp3")
    assert word(examine(forged, trust, now=when)) == ("invalid", "shape.other")
    once = put_behind(deed, house, when, lambda _: None)
    early = put_behind(once, house, later(days=200), lambda _: None, field="DocumentStamp3")
    assert word(examine(early, trust, now=when)) == ("invalid", "stamp.order")


@pytest.mark.req("C1")
def test_no_changed_bit_of_a_renewed_deed_is_accepted(renewed, trust):
    data, when = renewed
    dice = random.Random(20261125)
    last = shape.read(data).stamps[-1]
    places = [dice.randrange(len(data)) for _ in range(150)]
    places += [dice.randrange(last.ranges[1], last.ranges[2]) for _ in range(150)]
    accepted = []
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1 << dice.randrange(8)
        if examine(bytes(changed), trust, now=when).verdict != "invalid":
            accepted.append(place)
    assert accepted == []


def test_a_renewed_deed_cut_back_to_an_earlier_stamp_is_the_deed_of_that_day(renewed, deed, trust):
    data, when = renewed
    stamps = shape.read(data).stamps
    assert data[: stamps[0].end] == deed
    for one in stamps[:-1]:
        assert examine(data[: one.end], trust, now=when).verdict == "valid"


@pytest.mark.req("C1")
def test_the_other_spelling_of_the_last_stamps_value_is_refused(body, house, bob, trust):
    """r and n - s make the same ECDSA signature; nothing signs which of the two stands in the file."""
    deed = pades.seal(body, bob, house.seal, house.stamper, house.status)
    last = shape.read(deed).stamps[-1]
    r, s = utils.decode_dss_signature(cms.read(last.der, cms.TST_INFO).signature)
    other = utils.encode_dss_signature(r, ec.SECP256R1().group_order - s)
    held = asn1_cms.ContentInfo.load(last.der)
    held["content"]["signer_infos"][0]["signature"] = other
    raw = held.dump().hex().upper().encode()
    first, second_ = last.ranges[1:3]
    forged = deed[: first + 1] + raw.ljust(second_ - first - 2, b"0") + deed[second_ - 1 :]
    assert len(forged) == len(deed)
    digest = cms.digest_of("sha256", *last.pieces(deed))
    assert token.check(held.dump(), digest, (house.root,), datetime.now(UTC), others=(house.issuing,))
    assert word(examine(forged, trust)) == ("invalid", "stamp.wrong")


@pytest.mark.req("C1")
def test_an_algorithm_of_another_type_is_another_file(deed, trust):
    """Found beside the second edition: the two unsigned names of the digest could both become integers."""
    last = shape.read(deed).stamps[-1]
    first, second_ = last.ranges[1:3]
    sha256 = der.wrap(der.OID, der.oid("2.16.840.1.101.3.4.2.1"))
    raw = last.der.replace(sha256, der.wrap(der.INTEGER, der.oid("2.16.840.1.101.3.4.2.1")))
    inner = cms.read(last.der, cms.TST_INFO).content
    raw = raw.replace(inner.replace(sha256, der.wrap(der.INTEGER, der.oid("2.16.840.1.101.3.4.2.1"))), inner)
    forged = deed[: first + 1] + raw.hex().upper().encode().ljust(second_ - first - 2, b"0") + deed[second_ - 1 :]
    assert forged != deed
    assert word(examine(forged, trust)) == ("invalid", "stamp.wrong")


@pytest.mark.req("C1")
def test_a_damaged_certificate_that_an_answer_carries_changes_nothing(body, house, bob, trust):
    """Nothing signs it: whoever strips the stamp could else make every answer worthless, or two verifiers disagree."""
    genuine = answer(house.status.responder, bob.chain)
    carried = house.status.responder.cert.public_bytes(form.Encoding.DER)
    assert carried in genuine
    for place in (0, 1, 8, 60, 300, len(carried) - 1):
        damaged = bytearray(carried)
        damaged[place] ^= 0x55
        raw = genuine.replace(carried, bytes(damaged))
        deed = with_evidence(body, house, bob, lambda kept, raw=raw: replaced(kept, bob.chain, raw))
        assert examine(deed, trust).verdict in ("valid", "unknown")
        if place > 1:  # its frame stands
            assert word(examine(deed, trust)) == ("valid", None)


# ---- hostile sizes


def _padded(deed, thing):
    """The genuine deed, and behind it a revision with one object of many bytes and everything else in place."""
    at = len(deed)
    body = b"900 0 obj\n" + thing + b"\nendobj\n"
    before = deed[: deed.rindex(b"%%EOF")].rstrip().rsplit(b"\n", 1)[1]
    index = at + len(body)
    tail = b"xref\n0 1\n0000000000 65535 f \n900 1\n%010d 00000 n \n" % at
    tail += b"trailer\n<< /Size 901 /Root 70 0 R /Prev %s >>\nstartxref\n%d\n%%%%EOF\n" % (before, index)
    return deed + body + tail


@pytest.mark.req("C1")
@pytest.mark.parametrize(
    "thing",
    [
        b"[" + b"0 " * 5_000_000 + b"]",
        b"(" + b"x" * 10_000_000 + b")",
        b"<" + b"3080" * 2_000_000 + b">",
        b"[" * 5_000_000,
        b"<<" + b"/A 1" * 2_000_000 + b">>",
        b"<< /Length 9000000 >>\nstream\n" + b"0" * 9_000_000 + b"\nendstream",
    ],
)
def test_no_file_of_any_size_keeps_the_verifier_busy(deed, trust, thing):
    hostile = _padded(deed, thing)
    begin = time.process_time()
    assert examine(hostile, trust).verdict == "invalid"
    assert time.process_time() - begin < 3


def test_an_index_of_a_million_lines_is_refused(deed, trust):
    lines = b"".join(b"%010d 00000 n \n" % n for n in range(500_000))
    at = len(deed)
    hostile = deed + b"xref\n1000 500000\n" + lines + b"trailer\n<< /Root 70 0 R /Prev 9 >>\n"
    hostile += b"startxref\n%d\n%%%%EOF\n" % at
    begin = time.process_time()
    assert word(examine(hostile, trust)) == ("invalid", "shape.other")
    assert time.process_time() - begin < 3


# ---- alone


FORBIDDEN = ["pyhanko", "pyhanko_certvalidator", "asn1crypto", "pikepdf", "pypdfium2", "jsonschema", "httpx", "typst"]


def test_the_core_needs_cryptography_and_nothing_else(deed, house, tmp_path):
    (tmp_path / "deed.pdf").write_bytes(deed)
    (tmp_path / "trust.pem").write_bytes(house.root.public_bytes(form.Encoding.PEM))
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({FORBIDDEN})); from signing.__main__ import main; "
        "sys.exit(main(['verify', sys.argv[1], '--trust', sys.argv[2], '--json']))"
    )
    command = [sys.executable, "-c", code, tmp_path / "deed.pdf", tmp_path / "trust.pem"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["verdict"] == "valid"
    assert [s["outcome"] for s in said["steps"][8:]] == ["not done"] * 3
    assert said["sha256"] == hashlib.sha256(deed).hexdigest()


def test_a_revocation_list_names_what_was_taken_back(house):
    serial = x509.random_serial_number()
    from signing import issued

    raw = issued.make_list(house.root, house._root_key, {serial: later(days=-3), 5: None}, datetime.now(UTC))
    listed = x509.load_der_x509_crl(raw)
    assert [r.serial_number for r in listed] == [serial]
