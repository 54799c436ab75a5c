"""With another office's root alone: its own layout is a remark, every rule on signatures, roles, time and coverage binds."""

import dataclasses
import io
import json
import random
import re

import pikepdf
import pytest
from jsonschema import Draft202012Validator
from other_world import POLICIES, Other, other, packed_body, plain_body, sign, signed, stamped, with_fields, written
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm
from signing_world import make_facts
from test_signing_verify import ATTACKS, ROOT

from signing import foreign, pades, pdf, render, second, shape
from signing.evidence import Evidence
from signing.keys import NOTARY, OFFICE
from signing.verdict import Refused, from_json
from signing.verify import Trust, examine, verify


@pytest.fixture(scope="module")
def who():
    return other()


@pytest.fixture(scope="module")
def theirs(who):
    """Another office's deed, whole."""
    return stamped(signed(plain_body(), who), who)


def remarks(verdict):
    return {r.code for r in verdict.remarks} - {"stamp.spelling"}  # an authority gives either spelling


def word(verdict):
    return verdict.verdict, verdict.reasons[0].code if verdict.reasons else None


@pytest.mark.req("C1")
def test_another_offices_deed_is_valid_by_its_root_alone_with_remarks(theirs, who):
    verdict = examine(theirs, who.trust)
    assert word(verdict) == ("valid", None)
    assert remarks(verdict) == {"layout.other", "layout.facts", "role.unnamed"}
    assert (verdict.office, verdict.number, verdict.test) == ("河边公证处", None, None)
    assert verdict.sentence["zh"].startswith("有效：河边公证处的文件")
    assert [s.name for s in verdict.signers] == ["李河 公证员", "河边公证处 印章"]
    plain = json.loads(json.dumps(verdict.json()))
    Draft202012Validator(json.loads((ROOT / "docs/formats/verdict.schema.json").read_text("utf-8"))).validate(plain)
    assert from_json(plain) == verdict
    assert word(verify(theirs, who.trust)) == ("valid", None)
    assert second.opinion(theirs, who.trust, shape_time(theirs, who)) == ""


def shape_time(data, who):
    from datetime import datetime

    return datetime.fromisoformat(examine(data, who.trust).archived_at)


BODIES = {
    "other version": lambda: plain_body(header=b"%PDF-1.6"),
    "PDF 2.0": lambda: plain_body(header=b"%PDF-2.0"),
    "other line ends": lambda: plain_body(eol=b"\r\n"),
    "many pages": lambda: plain_body(pages=9),
    "one page": lambda: plain_body(pages=1),
    "no title data": lambda: plain_body(info=False),
    "compressed index": packed_body,
}


def rewritten(body, **how):
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(body)) as pdf:
        pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.disable, **how)
    return out.getvalue()


@pytest.mark.parametrize("name", BODIES)
def test_how_the_body_was_written_is_free(name, who):
    verdict = examine(stamped(signed(BODIES[name](), who), who), who.trust)
    assert word(verdict) == ("valid", None)
    assert "layout.other" in remarks(verdict)


def test_our_own_body_written_anew_by_another_program_is_sealed_by_another_office(who):
    """Facts and pages of our format bind, whoever wrote the file; the certificates must be those of whom they name."""
    facts = make_facts()
    facts["office"]["name"] = who.house.office
    facts["notary"] = {"name": "李河", "id": "r-1"}
    notary = who.house.notary("李河", "r-1")
    body = rewritten(render.deed(facts), linearize=False)
    ours = Other(who.house, notary, who.house.seal)
    verdict = examine(pades.seal(body, notary, who.house.seal, who.house.stamper, who.house.status), who.trust)
    assert (word(verdict), remarks(verdict)) == (("valid", None), set())
    verdict = examine(stamped(signed(body, ours), ours), who.trust)
    assert (word(verdict), remarks(verdict)) == (("valid", None), {"layout.other"})
    assert verdict.number == facts["number"]
    assert verdict.steps[8].detail == "word by word"
    assert word(examine(stamped(signed(body, who), who), who.trust)) == ("invalid", "facts.signer")


def test_long_term_data_may_come_in_a_revision_of_its_own_or_with_the_seal(who):
    once = signed(plain_body(), who)
    assert word(examine(stamped(once, who, apart=True), who.trust)) == ("valid", None)
    body = with_fields(plain_body())
    out = sign(body, who, who.notary, field_name="NotarySig", certify=True, docmdp_permissions=MDPPerm.FILL_FORMS)
    writer = IncrementalPdfFileWriter(io.BytesIO(out))
    from signing import archive

    archive.write_dss(writer, who.house.status.gather(who.chains[:1]))
    out = sign(written(writer), who, who.office, field_name="OfficeSeal", docmdp_permissions=MDPPerm.NO_CHANGES)
    assert word(examine(stamped(out, who), who.trust)) == ("valid", None)


def test_a_second_stamp_renews_it(theirs, who):
    assert word(examine(stamped(theirs, who), who.trust)) == ("valid", None)


# ---- what binds all the same


@pytest.mark.req("C1")
def test_no_changed_bit_of_another_offices_deed_is_accepted(theirs, who):
    dice = random.Random(20261127)
    found = foreign.read(theirs, "")
    first, second_ = found.stamps[-1].ranges[1:3]
    unsigned = [at for at in range(first, second_) if at < first + 2 * len(found.stamps[-1].der)]
    places = [dice.randrange(len(theirs)) for _ in range(250)] + [dice.choice(unsigned) for _ in range(150)]
    accepted = []
    for place in places:
        changed = bytearray(theirs)
        changed[place] ^= 1 << dice.randrange(8)
        if examine(bytes(changed), who.trust).verdict != "invalid":
            accepted.append(place)
    assert accepted == []


@pytest.mark.req("C1")
@pytest.mark.parametrize("tail", [b"\n", b"\0", b"%%EOF\n", b"x" * 5000])
def test_appended_bytes_are_refused(theirs, who, tail):
    assert examine(theirs + tail, who.trust).verdict == "invalid"


def _other_metadata(writer):
    root = writer.root
    root[generic.pdf_name("/Metadata")] = writer.add_object(generic.StreamObject(stream_data=b"<x/>"))
    writer.update_root()


def _free_text(writer):
    """Over a page without annotations of its own."""
    page = writer.root["/Pages"]["/Kids"][0]
    rect = generic.ArrayObject(map(generic.NumberObject, (50, 50, 400, 400)))
    note = {"/Type": generic.pdf_name("/Annot"), "/Subtype": generic.pdf_name("/FreeText"), "/Rect": rect}
    held = generic.DictionaryObject({generic.pdf_name(k): v for k, v in note.items()})
    page[generic.pdf_name("/Annots")] = generic.ArrayObject([writer.add_object(held)])
    writer.update_container(page)


def _date_with_words(writer):
    info = writer._info.get_object()
    info[generic.pdf_name("/ModDate")] = generic.pdf_string("D:20260101000000Z and more")
    writer.mark_update(writer._info)
    writer._update_meta = lambda: None


def _font(writer):
    font = writer.root["/Pages"]["/Kids"][0]["/Resources"]["/Font"]["/F1"]
    font[generic.pdf_name("/BaseFont")] = generic.pdf_name("/Courier")
    writer.update_container(font)


def _empty_dss(writer):
    for name in ("/Certs", "/OCSPs", "/CRLs"):
        writer.root["/DSS"][generic.pdf_name(name)] = generic.ArrayObject()
    writer.update_container(writer.root["/DSS"])


def _drawing_in_the_dss(writer):
    form = {generic.pdf_name("/Subtype"): generic.pdf_name("/Form")}
    writer.root["/DSS"]["/Certs"].append(writer.add_object(generic.StreamObject(form, stream_data=b"0")))
    writer.update_container(writer.root["/DSS"])


def _hidden(writer):
    writer.add_object(generic.StreamObject(stream_data=b"hidden"))


def _layers(writer):
    writer.root[generic.pdf_name("/OCProperties")] = generic.DictionaryObject()
    writer.update_root()


def _subfilter(writer):
    value = writer.root["/AcroForm"]["/Fields"][1]["/V"]
    value[generic.pdf_name("/SubFilter")] = generic.pdf_name("/adbe.pkcs7.detached")
    writer.update_container(value)


OWN = [
    _other_metadata,
    _free_text,
    _date_with_words,
    _font,
    _empty_dss,
    _drawing_in_the_dss,
    _hidden,
    _layers,
    _subfilter,
]


@pytest.mark.req("C1")
@pytest.mark.parametrize(
    "attack", [*OWN, *(a for a in ATTACKS if a.__name__ in ("_other_title", "_other_content", "_open_action"))]
)
@pytest.mark.parametrize("where", ["stripped", "stripped, apart", "behind", "behind, apart", "last"])
def test_what_comes_after_the_notarys_signature_shows_nothing_new(theirs, who, attack, where):
    found = foreign.read(theirs, "")
    base = theirs if where.startswith(("behind", "last")) else theirs[: found.office.end]
    if where == "last":
        writer = IncrementalPdfFileWriter(io.BytesIO(base))
        attack(writer)
        forged = written(writer)
        assert len(forged) > len(base)
    else:
        forged = stamped(base, who, attack=attack, apart=where.endswith("apart"))
    assert examine(forged, who.trust).verdict == "invalid"


def test_a_deed_cut_back_to_an_earlier_signature_is_refused(theirs, who):
    found = foreign.read(theirs, "")
    for end in (found.notary.end, found.office.end):
        assert examine(theirs[:end], who.trust).verdict == "invalid"
    assert examine(stamped(theirs[: found.notary.end], who), who.trust).verdict == "invalid"


def test_roles_bind_where_the_certificates_name_them(who):
    for policies in ((OFFICE, NOTARY), (NOTARY, NOTARY), (OFFICE, POLICIES[1]), (POLICIES[0], NOTARY)):
        mixed = other(policies)
        assert word(examine(stamped(signed(plain_body(), mixed), mixed), mixed.trust)) == ("invalid", "role.other")
    named = other((NOTARY, OFFICE))
    verdict = examine(stamped(signed(plain_body(), named), named), named.trust)
    assert (word(verdict), remarks(verdict)) == (("valid", None), {"layout.other", "layout.facts"})


def test_one_and_the_same_cannot_sign_and_seal(who):
    same = Other(who.house, who.notary, who.notary)
    assert word(examine(stamped(signed(plain_body(), same), same), who.trust)) == ("invalid", "role.same")


def test_keys_for_other_uses_sign_no_deed(who):
    for signer in (who.house.stamper.unit.signer,):
        wrong = Other(who.house, who.notary, signer)
        assert word(examine(stamped(signed(plain_body(), wrong), wrong), who.trust)) == ("invalid", "role.other")


def test_another_root_or_none(theirs, who, house):
    assert word(examine(theirs, Trust((house.root,), (house.root,)))) == ("invalid", "trust.stamp")
    assert word(examine(theirs)) == ("unknown", "trust.not-given")


def test_missing_status_is_cannot_tell(who):
    kept = who.house.status.gather(who.chains)
    out = stamped(signed(plain_body(), who), who, kept=dataclasses.replace(kept, ocsps=()))
    assert word(examine(out, who.trust)) == ("unknown", "status.missing")
    assert (
        word(examine(stamped(signed(plain_body(), who), who, kept=Evidence(certs=kept.certs)), who.trust))[0]
        == "unknown"
    )


def test_fields_of_other_names_are_no_deed(who):
    names = ("NotarySig", "OfficeSeal2")
    body = with_fields(plain_body(), names)
    out = sign(body, who, who.notary, field_name="NotarySig", certify=True, docmdp_permissions=MDPPerm.FILL_FORMS)
    out = sign(out, who, who.office, field_name="OfficeSeal2", docmdp_permissions=MDPPerm.NO_CHANGES)
    assert word(examine(stamped(out, who), who.trust)) == ("invalid", "shape.other")


@pytest.mark.parametrize(
    "key", [b"/AA<<>>", b"/OCProperties<<>>", b"/Names<</JavaScript<<>>>>", b"/OpenAction<</S/JavaScript/JS(x)>>"]
)
def test_a_body_that_may_look_differently_on_another_day_is_refused(who, key):
    body = plain_body()
    active = body.replace(b"/PageMode/UseNone", key)
    shift = len(active) - len(body)
    at = body.index(b"1 0 obj\n<</Type/Catalog")
    # the catalogue stands last but for nothing: everything behind it moves
    active = re.sub(
        rb"(\d{10}) 00000 n", lambda m: b"%010d 00000 n" % (int(m[1]) + (shift if int(m[1]) > at else 0)), active
    )
    active = re.sub(rb"startxref\n(\d+)", lambda m: b"startxref\n%d" % (int(m[1]) + shift), active)
    assert word(examine(stamped(signed(active, who), who), who.trust)) == ("invalid", "shape.other")


# ---- a compressed index


@pytest.fixture(scope="module")
def packed(who):
    return stamped(signed(packed_body(), who), who)


def index_stream(data, whole, objects, own, *, inside=(), lines=()):
    """An unsigned revision with a compressed index of the number `own`, whose trailer names what the ones before it name.

    `inside`: objects that it says lie in streams.
    """
    trailer = whole.file.revisions[-1].trailer
    out, rows, spans = b"", [(0, 0, 65535)], [(0, 1)]
    for number, thing in objects.items():
        spans.append((number, 1))
        rows.append((1, len(data) + len(out), 0))
        out += b"%d 0 obj\n" % number + thing + b"\nendobj\n"
    spans += [(number, 1) for number, _, _ in inside]
    rows += [(2, home, place) for _, home, place in inside]
    index = len(data) + len(out)
    spans, rows = [*spans, (own, 1)], [*rows, (1, index, 0), *lines]
    raw = b"".join(bytes((kind,)) + at.to_bytes(4, "big") + rest.to_bytes(2, "big") for kind, at, rest in rows)
    head = b"<</Type/XRef/W[1 4 2]/Index[%s]/Size 900/Root %d 0 R/Info %d 0 R/ID[<%s><00>]/Prev %s/Length %d>>" % (
        b" ".join(b"%d %d" % span for span in spans), whole.file.root.number, trailer["Info"].number,
        trailer["ID"][0].hex().encode(), re.findall(rb"startxref\n(\d+)", data)[-1], len(raw),
    )  # fmt: skip
    return (
        out
        + b"%d 0 obj\n" % own
        + head
        + b"\nstream\n"
        + raw
        + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % index
    )


@pytest.mark.req("C1")
@pytest.mark.parametrize("attack", OWN)
@pytest.mark.parametrize("where", ["stripped", "behind", "last"])
def test_a_compressed_index_hides_nothing(packed, who, attack, where):
    base = packed[: foreign.read(packed, "").office.end] if where == "stripped" else packed
    if where == "last":
        writer = IncrementalPdfFileWriter(io.BytesIO(base))
        attack(writer)
        forged = written(writer)
    else:
        forged = stamped(base, who, attack=attack)
    assert examine(forged, who.trust).verdict == "invalid"


@pytest.mark.req("C1")
def test_an_index_is_no_object_that_stood_there_and_puts_none_into_streams(packed):
    """As if a trusted stamp covered them: only what the revisions change is asked."""
    whole = foreign.read(packed, "")
    page = whole.file.get(whole.file.get(whole.file.catalogue()["Pages"])["Kids"][0])
    content = page["Contents"].number
    packs = next(iter(whole.file.revisions[0].inside.values()))[0]
    forged = {
        "another object's number": index_stream(packed, whole, {}, content),
        "an object in a stream": index_stream(packed, whole, {}, 800, inside=[(content, packs, 0)]),
        "another content": index_stream(packed, whole, {content: b"<</Length 1>>\nstream\n0\nendstream"}, 800),
        "one more": index_stream(packed, whole, {801: b"1"}, 800),
    }

    def check(tail):
        foreign.check_changes(dataclasses.replace(whole, file=pdf.read(packed + tail, compressed=True)))

    check(index_stream(packed, whole, {}, 800))
    for name, tail in forged.items():
        with pytest.raises(Refused) as refused:
            check(tail)
        assert refused.value.reason.code == "changes.after-seal", name


@pytest.mark.parametrize(
    "lines", [[(1, 5, 0)], [(3, 5, 0)], [(0, 0, 0)]], ids=["one line too many", "another kind", "a freed object"]
)
def test_an_index_of_another_form_is_refused(packed, who, lines):
    tail = index_stream(packed, foreign.read(packed, ""), {}, 800, lines=lines)
    assert word(examine(packed + tail, who.trust)) == ("invalid", "shape.other")


def test_one_index_compressed_and_another_not_is_refused(packed, theirs, who):
    before = re.findall(rb"startxref\n(\d+)", packed)[-1]
    classic = b"xref\n0 1\n0000000000 65535 f \ntrailer\n<</Size 99/Root 2 0 R/Prev %s>>\n" % before
    classic += b"startxref\n%d\n%%%%EOF\n" % len(packed)
    assert word(examine(packed + classic, who.trust)) == ("invalid", "shape.other")
    tail = index_stream(theirs, foreign.read(theirs, ""), {}, 800)
    assert word(examine(theirs + tail, who.trust)) == ("invalid", "shape.other")


def test_our_own_body_packed_by_another_program_is_a_remark(who):
    facts = make_facts()
    facts["office"]["name"] = who.house.office
    facts["notary"] = {"name": "李河", "id": "r-1"}
    notary = who.house.notary("李河", "r-1")
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(render.deed(facts))) as opened:
        opened.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    deed = pades.seal(out.getvalue(), notary, who.house.seal, who.house.stamper, who.house.status)
    verdict = examine(deed, who.trust)
    assert (word(verdict), remarks(verdict)) == (("valid", None), {"layout.other"})
    assert verdict.steps[8].detail == "word by word"


# ---- our own layout binds our own deeds


@pytest.mark.req("C1")
def test_what_our_own_program_began_it_must_have_finished(deed, trust, house, bob):
    """Stock pyHanko after our notary's signature: the rules for others would let the dates pass."""
    found = shape.read(deed)
    own = Other(house, bob, house.seal)
    verdict = examine(stamped(deed[: found.office.end], own), trust)
    assert word(verdict) == ("invalid", "shape.other")
    verdict = examine(stamped(deed[: found.office.end], own, field=shape.STAMP_FIELD), trust)
    assert word(verdict) == ("invalid", "changes.after-seal")
    assert shape.written_here(found.file)
    assert foreign.read(deed, "").remark.code == "layout.other"
