"""Makes the files that the vectors start from, with keys that nobody keeps: `tools/vectors.py --new`.

Signing is random, so these are made once and checked in; everything else is derived from them, bit for bit.
"""

import dataclasses
import io
import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import other_world
import test_signing_foreign as strangers
import test_signing_longterm as longterm
import test_signing_verify as genuine
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, append_signature_field
from signing_world import EXAMPLE, Each, at, make_facts

from signing import archive, der, foreign, hanko, issued, pades, render, shape, stamp, status, throwaway
from signing.keys import NOTARY, OFFICE, STAMP, STATUS, FileSigner, certificate, name_of
from signing.responder import Responder
from signing.stamp import LocalStamper
from signing.status import LocalStatus
from signing.throwaway import URL, Throwaway, authority
from signing.token import Token
from signing.tsa import StampUnit

VALID, UNKNOWN = "valid", "unknown"
NAME, IDENT = EXAMPLE["notary"]["name"], EXAMPLE["notary"]["id"]


def later(**spans):
    return datetime.now(UTC) + timedelta(**spans)


def pem(*roots):
    return b"".join(r.public_bytes(Encoding.PEM) for r in roots)


class Careless:
    """A stamper that takes every token as it comes."""

    def __init__(self, unit):
        self.unit = unit

    def stamp(self, digest):
        _status, held = der.read(self.unit.respond(stamp.request(digest, 5)))
        return Token(held.raw, datetime.now(UTC), self.unit.signer.chain, ())


@dataclasses.dataclass(frozen=True)
class Base:
    """`trust`: name of its trust file. `now`: when it is asked about. `expect`: the verdict, decided here by hand."""

    data: bytes
    kind: str
    trust: str
    now: datetime
    expect: str


class Making:
    """`roots`: PEM by name."""

    def __init__(self):
        self.files, self.roots, self.kind, self.begun = {}, {}, "genuine", datetime.now(UTC)
        self.house = authority.__wrapped__(EXAMPLE["office"]["name"])
        self.bob = self.house.notary(NAME, IDENT)
        self.body = render.deed(make_facts())
        self.roots["office"] = pem(self.house.root)
        self.deed = self.seal()

    def seal(self, notary=None, office=None, stamper=None, words=None, body=None, house=None):
        house = house or self.house
        return pades.seal(
            body or self.body, notary or house.notary(NAME, IDENT), office or house.seal,
            stamper or house.stamper, words or house.status,
        )  # fmt: skip

    def keep(self, name, data, expect="invalid", trust="office", days=1):
        now = (self.begun + timedelta(days=days)).replace(microsecond=0)
        self.files[name] = Base(data, self.kind, trust, now, expect)

    def leaf(self, common, role, begin=None, days=730, house=None, **more):
        house = house or self.house
        key = ec.generate_private_key(ec.SECP256R1())
        name = common if not isinstance(common, str) else name_of(house.office, common)
        made = certificate(
            name, key, house.issuing, house._issuing_key, begin or datetime.now(UTC), days, role=role, url=URL, **more
        )
        house.book[made.serial_number] = None
        return FileSigner((made, house.issuing, house.root), key)


def make():
    it = Making()
    it.keep("body", it.body)
    it.keep("genuine", it.deed, VALID)
    for act in (_renewals, _attacks, _people, _authorities, _stamps, _revoked, _status, _others, _rsa):
        it.kind = act.__name__.strip("_")
        act(it)
    return it


def _renewals(it):
    out, when = it.deed, datetime.now(UTC)
    for _ in range(3):
        when += timedelta(days=360)
        out = archive.renew(out, (it.house.root,), *at(it.house, when))
    it.keep("renewed", out, VALID, days=1200)
    late = later(days=3505)
    unit = longterm._successor(it.house, late)
    stamper = LocalStamper(StampUnit(unit, lambda: late), (it.house.root,), now=lambda: late)
    it.keep(
        "renewed-too-late", archive.renew(it.deed, (it.house.root,), stamper, at(it.house, late)[1]), UNKNOWN, days=3506
    )
    soon = later(days=300)
    unit = longterm._successor(it.house, soon)
    stamper = LocalStamper(StampUnit(unit, lambda: soon), (it.house.root,), now=lambda: soon)
    rotated = archive.renew(it.deed, (it.house.root,), stamper, at(it.house, soon)[1])
    it.keep("renewed-by-another-unit", rotated, VALID, days=301)


def _attacks(it):
    sealed = it.deed[: genuine.ends(it.deed)[1]]
    it.keep("stripped-stamped-again", genuine.stamped(sealed, it.house), VALID)
    for attack in genuine.ATTACKS:
        plain = attack.__name__.strip("_").replace("_", "-")
        it.keep(f"stripped-{plain}-with-the-stamp", genuine.stamped(sealed, it.house, attack))
        writer = hanko.Writer(io.BytesIO(sealed))
        attack(writer)
        before = other_world.written(writer)
        it.keep(f"stripped-{plain}-before-the-stamp", genuine.stamped(before, it.house))
    it.keep("stripped-to-the-notary", genuine.stamped(it.deed[: genuine.ends(it.deed)[0]], it.house))

    def visible(writer):
        append_signature_field(writer, SigFieldSpec(shape.STAMP_FIELD, on_page=0, box=(50, 50, 500, 700)))

    it.keep("stripped-visible-stamp", genuine.stamped(sealed, it.house, visible))
    when = later(days=300)
    for change in longterm.CHANGES:
        plain = change.__name__.strip("_").replace("_", "-")
        it.keep(f"behind-{plain}", longterm.put_behind(it.deed, it.house, when, change), days=301)
    named = longterm.put_behind(it.deed, it.house, when, lambda _: None, field="DocumentStamp3")
    it.keep("behind-another-name", named, days=301)
    once = longterm.put_behind(it.deed, it.house, when, lambda _: None)
    early = longterm.put_behind(once, it.house, later(days=200), lambda _: None, field="DocumentStamp3")
    it.keep("behind-an-earlier-stamp", early, days=301)


def _people(it):
    bob, seal = it.bob, it.house.seal
    it.keep("roles-swapped", it.seal(seal, bob))
    it.keep("notary-in-both-fields", it.seal(bob, bob))
    it.keep("office-in-both-fields", it.seal(seal, seal))
    it.keep("another-notary", it.seal(it.house.notary("样本戊", "notary-1")))
    it.keep("another-notarys-number", it.seal(it.house.notary(NAME, "notary-2")))
    it.keep("stamp-unit-as-office", it.seal(office=it.house.stamper.unit.signer))
    subject = bob.chain[0].subject
    it.keep("notary-expired-before", it.seal(it.leaf(subject, NOTARY, later(days=-800))))
    it.keep("notary-not-yet", it.seal(it.leaf(subject, NOTARY, later(days=5))))
    it.keep("office-expired-before", it.seal(office=it.leaf(seal.chain[0].subject, OFFICE, later(days=-800))))
    facts = make_facts()
    import pikepdf

    with pikepdf.open(io.BytesIO(render.deed(facts))) as pdf:
        facts["number"] = "（2026）渝示证字第99号"
        pdf.attachments["facts.json"] = pikepdf.AttachedFileSpec(pdf, json.dumps(facts).encode(), filename="facts.json")
        out = io.BytesIO()
        pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.disable)
    it.keep("pages-say-something-else", it.seal(body=out.getvalue()))


def _authorities(it):
    fake = authority.__wrapped__(it.house.office)
    # equal serial numbers as well
    with _serials(it.bob.chain[0].serial_number):
        notary = it.leaf(it.bob.chain[0].subject, NOTARY, house=fake)
    it.keep("look-alike-chain", it.seal(notary, fake.seal, words=Each(fake, it.house)))
    it.roots["stranger"] = pem(authority.__wrapped__("别的机构").root)
    fallen = authority.__wrapped__("外面的时间戳机构")
    out = it.seal(stamper=fallen.stamper, words=Each(it.house, fallen))
    it.keep("outside-stamps", out, VALID, trust="office-and-outside")
    it.roots["office-and-outside"] = pem(it.house.root, fallen.root)
    it.roots["outside-and-office"] = pem(fallen.root, it.house.root)


@contextmanager
def _serials(number):
    from cryptography import x509

    kept = x509.random_serial_number
    x509.random_serial_number = lambda: number
    yield
    x509.random_serial_number = kept


def _stamps(it):
    units = {
        "stamped-by-the-seal": it.house.seal,
        "stamped-without-purpose": it.leaf("THROW-AWAY Unit for nothing", None),
        "stamped-by-an-expired-unit": it.leaf("THROW-AWAY Old unit", STAMP, later(days=-800)),
        "stamped-by-the-status-service": it.leaf("THROW-AWAY Status unit", STATUS),
    }
    for name, signer in units.items():
        it.keep(name, it.seal(stamper=Careless(StampUnit(signer)), words=_All(it.house)))
    ahead = StampUnit(it.house.stamper.unit.signer, lambda: later(days=2))
    it.keep("stamped-in-the-future", it.seal(stamper=Careless(ahead)), days=1)
    coarse = StampUnit(it.house.stamper.unit.signer, accuracy=120)
    it.keep("stamped-by-a-coarse-clock", it.seal(stamper=Careless(coarse)))


class _All:
    """Status for whatever can be had."""

    def __init__(self, house):
        self.house = house

    def gather(self, paths):
        return self.house.status.gather([p for p in paths if status.ocsp_addresses(p[0])])


def _revoked(it):
    for whose in ("notary", "office", "unit"):
        fallen = authority.__wrapped__(it.house.office)
        notary = fallen.notary(NAME, IDENT)
        chain = {"notary": notary, "office": fallen.seal, "unit": fallen.stamper.unit.signer}[whose].chain
        fallen.book[chain[0].serial_number] = later(minutes=-1)
        it.roots[f"revoked-{whose}"] = pem(fallen.root)
        out = it.seal(notary, house=fallen, words=longterm.Blunt(fallen))
        it.keep(f"revoked-before-{whose}", out, trust=f"revoked-{whose}")
    fallen = authority.__wrapped__(it.house.office)
    notary = fallen.notary(NAME, IDENT)
    own = it.seal(notary, house=fallen)
    fallen.book[notary.chain[0].serial_number] = later(days=100)
    it.roots["revoked-later"] = pem(fallen.root)
    it.keep(
        "revoked-later", archive.renew(own, (fallen.root,), *at(fallen, later(days=300))), VALID, "revoked-later", 301
    )


def _status(it):
    house, bob = it.house, it.bob

    def with_(change):
        class Changed:
            def gather(self, paths):
                return change(house.status.gather(paths))

        return it.seal(bob, words=Changed())

    for whose, signer in (("notary", bob), ("office", house.seal), ("unit", house.stamper.unit.signer)):

        def without(kept, chain=signer.chain):
            gone = longterm.of(kept, *chain[:2])
            return dataclasses.replace(kept, ocsps=tuple(r for r in kept.ocsps if r != gone))

        it.keep(f"no-status-of-{whose}", with_(without), UNKNOWN)
    it.keep("no-list", with_(lambda kept: dataclasses.replace(kept, crls=())), UNKNOWN)
    it.keep("no-root-inside", with_(lambda kept: dataclasses.replace(kept, certs=kept.certs[:-1])), VALID)
    it.keep("no-certificates-inside", with_(lambda kept: dataclasses.replace(kept, certs=())))
    responder = house.status.responder
    other = authority.__wrapped__(house.office)
    seal = house.seal.chain
    told = {
        "stale-status": dataclasses.replace(responder, now=lambda: later(days=-2)),
        "early-status": dataclasses.replace(responder, now=lambda: later(hours=2)),
        "status-by-a-stranger": dataclasses.replace(
            responder, cert=other.status.responder.cert, _key=other.status.responder._key
        ),
        "status-by-the-seal": dataclasses.replace(responder, cert=seal[0], _key=house.seal._key),
        "status-unknown": dataclasses.replace(responder, book=dict),
    }
    for name, liar in told.items():
        raw = longterm.answer(liar, bob.chain)
        it.keep(name, with_(lambda kept, raw=raw: longterm.replaced(kept, bob.chain, raw)), UNKNOWN)
    rubbish = longterm.answer(responder, bob.chain)[:-1]
    it.keep("status-cut-off", with_(lambda kept: longterm.replaced(kept, bob.chain, rubbish)), UNKNOWN)
    lists = {
        "list-of-a-stranger": other.new_list(datetime.now(UTC)),
        "list-of-last-year": house.new_list(later(days=-400)),
    }
    for name, raw in lists.items():
        it.keep(name, with_(lambda kept, raw=raw: dataclasses.replace(kept, crls=(raw,))), UNKNOWN)


def _others(it):
    """Another office, another writer."""
    who = other_world.other()
    it.roots["other-office"] = pem(who.house.root)
    sealed = other_world.signed(other_world.plain_body(), who)
    theirs = other_world.stamped(sealed, who)
    keep = lambda name, data, expect="invalid", trust="other-office": it.keep(f"other-{name}", data, expect, trust)  # noqa: E731
    keep("genuine", theirs, VALID)
    keep("data-apart", other_world.stamped(sealed, who, apart=True), VALID)
    keep("renewed", other_world.stamped(theirs, who), VALID)
    for header in (b"%PDF-1.6", b"%PDF-2.0"):
        body = other_world.plain_body(header=header, pages=1, eol=b"\r\n")
        keep(header[1:].decode().lower(), other_world.stamped(other_world.signed(body, who), who), VALID)
    for attack in strangers.OWN:
        plain = attack.__name__.strip("_").replace("_", "-")
        keep(f"stripped-{plain}", other_world.stamped(sealed, who, attack=attack))
        keep(f"stripped-{plain}-apart", other_world.stamped(sealed, who, attack=attack, apart=True))
        keep(f"behind-{plain}", other_world.stamped(theirs, who, attack=attack))
        writer = IncrementalPdfFileWriter(io.BytesIO(theirs))
        attack(writer)
        keep(f"unsigned-{plain}", other_world.written(writer))
    packed_sealed = other_world.signed(other_world.packed_body(), who)
    packed = other_world.stamped(packed_sealed, who)
    keep("packed", packed, VALID)
    for attack in strangers.OWN:
        plain = attack.__name__.strip("_").replace("_", "-")
        keep(f"packed-stripped-{plain}", other_world.stamped(packed_sealed, who, attack=attack))
        keep(f"packed-behind-{plain}", other_world.stamped(packed, who, attack=attack))
    keep("stripped-to-the-notary", other_world.stamped(theirs[: foreign.read(theirs, "").notary.end], who))
    for name, policies in (("roles-swapped", (OFFICE, NOTARY)), ("half-a-role", (NOTARY, other_world.POLICIES[1]))):
        mixed = other_world.other(policies)
        it.roots[f"other-{name}"] = pem(mixed.house.root)
        out = other_world.stamped(other_world.signed(other_world.plain_body(), mixed), mixed)
        keep(name, out, VALID if name == "half-a-role" else "invalid", f"other-{name}")
    same = other_world.Other(who.house, who.notary, who.notary)
    keep("one-in-both-fields", other_world.stamped(other_world.signed(other_world.plain_body(), same), same))
    own = other_world.Other(it.house, it.bob, it.house.seal)
    it.keep("our-body-by-another-writer", other_world.stamped(other_world.signed(it.body, own), own), VALID)
    sealed = it.deed[: genuine.ends(it.deed)[1]]
    it.keep("our-writer-then-another", other_world.stamped(sealed, own, field=shape.STAMP_FIELD))


def _rsa(it):
    """Authorities and signers with RSA keys; the stamp unit and the status service have elliptic ones."""
    from asn1crypto import keys as asn1_keys
    from asn1crypto import x509 as asn1_x509
    from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat
    from pyhanko.sign import signers
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    now, office = datetime.now(UTC), it.house.office
    new = lambda size: rsa.generate_private_key(65537, size)  # noqa: E731
    root_key, issuing_key = new(3072), new(2048)
    root = certificate(name_of(office, "RSA Root"), root_key, None, root_key, now, 3650, ca=1, url=URL)
    issuing = certificate(name_of(office, "RSA Issuing"), issuing_key, root, root_key, now, 3600, ca=0, url=URL)
    above, book = (issuing, root), {}
    unit = StampUnit(throwaway._leaf(name_of(office, "RSA Unit"), STAMP, above, issuing_key, book, 3500))
    speaker_key = ec.generate_private_key(ec.SECP256R1())
    speaker = certificate(
        name_of(office, "RSA Status"), speaker_key, issuing, issuing_key, now, 3500, role=STATUS, url=URL
    )
    lists = {"root": issued.make_list(root, root_key, {}, now)}
    responder = Responder(speaker, issuing, lambda: book, lambda: lists, speaker_key)
    seal = throwaway._leaf(name_of(office, f"{office} 电子印章"), OFFICE, above, issuing_key, book)
    house = Throwaway(
        office, root, issuing, root_key, issuing_key, book, seal, LocalStamper(unit, (root,)), LocalStatus(responder)
    )
    load = lambda c: asn1_x509.Certificate.load(c.public_bytes(Encoding.DER))  # noqa: E731

    def key_of(common, role, size, ident=None):
        key = new(size)
        made = certificate(name_of(office, common, ident), key, issuing, issuing_key, now, 730, role=role, url=URL)
        book[made.serial_number] = None
        store = SimpleCertificateStore()
        store.register(load(issuing))
        raw = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return made, signers.SimpleSigner(load(made), asn1_keys.PrivateKeyInfo.load(raw), store, embed_roots=False)

    for name, size, expect in (("rsa", 3072, VALID), ("rsa-too-short", 2048, "invalid")):
        notary, with_notary = key_of(f"{NAME} 公证员", NOTARY, size, IDENT)
        made, with_office = key_of(f"{office} 印章", OFFICE, size)
        out = other_world.with_fields(it.body)
        for field, signer, more in (
            ("NotarySig", with_notary, {"certify": True, "docmdp_permissions": MDPPerm.FILL_FORMS}),
            ("OfficeSeal", with_office, {"docmdp_permissions": MDPPerm.NO_CHANGES}),
        ):
            meta = other_world.meta(field_name=field, **more)
            sealing = signers.PdfSigner(meta, signer=signer, timestamper=hanko.Stamps(house.stamper))
            out = sealing.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(out))).getvalue()
        chains = [(notary, issuing, root), (made, issuing, root), unit.signer.chain]
        who = other_world.Other(house, None, None)
        it.keep(name, other_world.stamped(out, who, kept=house.status.gather(chains)), expect, "rsa")
    it.roots["rsa"] = pem(root)
