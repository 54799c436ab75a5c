import io
import json
import random
import re
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as form
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pyhanko.pdf_utils import generic
from pyhanko.sign import signers
from signing_world import EXAMPLE, Each, make_facts

from signing import archive, der, hanko, pades, render, second, shape, stamp
from signing.body import inside
from signing.throwaway import authority
from signing.token import Token
from signing.tsa import StampUnit
from signing.verdict import WORDS, from_json
from signing.verify import Trust, examine, verify

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs/formats/verdict.schema.json").read_text("utf-8"))


def ends(data: bytes) -> list[int]:
    """Where each revision ends."""
    found = shape.read(data)
    return [s.end for s in (found.notary, found.office, *found.stamps)]


def stamped(data: bytes, house, attack=None, field=shape.STAMP_FIELD) -> bytes:
    """Anybody can get genuine status answers and a genuine stamp over anything from the trusted authority."""
    writer = hanko.Writer(io.BytesIO(data))
    if attack:
        attack(writer)
    bob = house.notary(EXAMPLE["notary"]["name"], EXAMPLE["notary"]["id"])
    archive.write_dss(writer, house.status.gather([bob.chain, house.seal.chain, house.stamper.unit.signer.chain]))
    last = signers.PdfTimeStamper(hanko.Stamps(house.stamper), field_name=field)
    return last.timestamp_pdf(writer, "sha256").getvalue()


@pytest.mark.req("C1")
def test_a_genuine_deed_is_valid(deed, trust, facts):
    verdict = examine(deed, trust)
    assert verdict.verdict == "valid"
    assert verdict.exit_code == 0
    assert (verdict.number, verdict.office, verdict.test) == (facts["number"], facts["office"]["name"], True)
    assert [s.role for s in verdict.signers] == ["notary", "office"]
    assert "测试件，没有法律效力" in verdict.sentence["zh"]
    assert [s.outcome for s in verdict.steps] == ["passed"] * 9 + ["not done"] * 2
    Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(verdict.json())))
    assert from_json(json.loads(json.dumps(verdict.json()))) == verdict


def test_without_a_root_nothing_is_valid_and_a_changed_byte_is_still_invalid(deed):
    verdict = examine(deed)
    assert (verdict.verdict, verdict.exit_code, verdict.reasons[0].code) == ("unknown", 2, "trust.not-given")
    changed = bytearray(deed)
    changed[5000] ^= 1
    assert examine(bytes(changed)).verdict == "invalid"


def test_a_foreign_root_makes_it_invalid(deed):
    other = authority("别的机构").root
    verdict = examine(deed, Trust((other,), (other,)))
    assert (verdict.verdict, verdict.reasons[0].code) == ("invalid", "trust.stamp")


def test_a_stamp_root_makes_no_notary(deed, house):
    """In a trust file only the first certificate vouches for signers."""
    other = authority("别的机构").root
    pem = other.public_bytes(form.Encoding.PEM) + house.root.public_bytes(form.Encoding.PEM)
    verdict = examine(deed, Trust.from_pem(pem))
    assert (verdict.verdict, verdict.reasons[0].code) == ("invalid", "trust.foreign")


def test_a_look_alike_authority_is_foreign(trust, body, house):
    """Same names, same office, other keys: names prove nothing."""
    fake = authority.__wrapped__(house.office)
    both = Each(fake, house)
    forged = pades.seal(body, fake.notary("样本丙", "notary-1"), fake.seal, house.stamper, both)
    assert examine(forged, trust).reasons[0].code == "trust.foreign"
    assert examine(forged, Trust((fake.root,), (house.root,))).verdict == "valid"


# ---- every bit


@pytest.mark.req("C1")
def test_no_changed_bit_is_accepted(deed, trust):
    """360 flips: a third in the last stamp's container, the only bytes that no signature covers."""
    dice = random.Random(20261123)
    last = shape.read(deed).stamps[-1]
    hole = range(last.ranges[1], last.ranges[2])
    used = hole[: 2 * len(last.der) + 1]
    places = [dice.choice(used) for _ in range(120)] + [dice.choice(hole) for _ in range(20)]
    places += [dice.randrange(len(deed)) for _ in range(220)]
    accepted = []
    for place in places:
        changed = bytearray(deed)
        changed[place] ^= 1 << dice.randrange(8)
        if examine(bytes(changed), trust).verdict != "invalid":
            accepted.append(place)
    assert accepted == []


@pytest.mark.req("C1")
def test_no_bit_of_a_containers_outer_frame_is_accepted(deed, trust):
    """An outer length that takes in padding zeros was once read as the same container."""
    first = shape.read(deed).stamps[-1].ranges[1]
    accepted = []
    for place in range(first, first + 30):
        for bit in range(8):
            changed = bytearray(deed)
            changed[place] ^= 1 << bit
            if examine(bytes(changed), trust).verdict != "invalid":
                accepted.append((place - first, bit))
    assert accepted == []


def test_hex_digits_in_small_letters_are_another_file(deed, trust):
    first, second = shape.read(deed).stamps[-1].ranges[1:3]
    changed = deed[:first] + deed[first:second].lower() + deed[second:]
    assert examine(changed, trust).reasons[0].code == "shape.container"


# ---- files with more or less in them


@pytest.mark.parametrize("tail", [b"\n", b"\0", b"%%EOF\n", b"% note\n%%EOF\n", b"x" * 5000])
def test_appended_bytes_are_refused(deed, trust, tail):
    assert examine(deed + tail, trust).verdict == "invalid"


def test_a_deed_cut_back_to_an_earlier_signature_is_refused(deed, trust, house):
    for end in [*ends(deed)[:2], len(deed) - 1, len(deed) // 2]:
        assert examine(deed[:end], trust).verdict == "invalid"
    # and stamped again, as who strips a stamp would do
    assert examine(stamped(deed[: ends(deed)[0]], house), trust).verdict == "invalid"


def test_a_stripped_and_renewed_stamp_alone_changes_nothing(deed, trust, house):
    """The same deed with a later genuine stamp is the same deed."""
    assert examine(stamped(deed[: ends(deed)[1]], house), trust).verdict == "valid"


def _note_over_the_page(writer):
    page = writer.root["/Pages"]["/Kids"][0]
    note = generic.DictionaryObject(
        {
            generic.pdf_name("/Type"): generic.pdf_name("/Annot"),
            generic.pdf_name("/Subtype"): generic.pdf_name("/FreeText"),
            generic.pdf_name("/Rect"): generic.ArrayObject(map(generic.NumberObject, (50, 50, 400, 400))),
            generic.pdf_name("/Contents"): generic.pdf_string("本金人民币肆佰捌拾万元"),
        }
    )
    page["/Annots"].append(writer.add_object(note))
    writer.update_container(page["/Annots"])


def _other_title(writer):
    info = writer._info.get_object()
    info["/Title"] = generic.pdf_string("另一份")
    writer.mark_update(writer._info)


def _other_content(writer):
    page = writer.root["/Pages"]["/Kids"][0]
    stream = generic.StreamObject(stream_data=b"0 0 600 800 re f")
    page["/Contents"] = writer.add_object(stream)
    writer.update_container(page)


def _open_action(writer):
    writer.root["/OpenAction"] = generic.DictionaryObject(
        {
            generic.pdf_name("/S"): generic.pdf_name("/JavaScript"),
            generic.pdf_name("/JS"): generic.pdf_string("x"),
        }
    )
    writer.update_root()


def _other_attachment(writer):
    names = writer.root["/Names"]["/EmbeddedFiles"]["/Names"]
    spec = names[1]
    spec["/Desc"] = generic.pdf_string("other")
    writer.update_container(spec)


ATTACKS = [_note_over_the_page, _other_title, _other_content, _open_action, _other_attachment]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("where", ["with the stamp", "before the stamp", "behind the stamp"])
@pytest.mark.req("C1")
def test_changes_under_a_genuine_new_stamp_are_refused(deed, trust, house, attack, where):
    """Whoever strips the outer stamp may append what he likes and buy a new stamp from the trusted
    authority."""
    base = deed if where == "behind the stamp" else deed[: ends(deed)[1]]
    writer = hanko.Writer(io.BytesIO(base))
    attack(writer)
    if where == "with the stamp":
        forged = stamped(base, house, attack)
    else:
        out = io.BytesIO()
        writer.write(out)
        forged = stamped(out.getvalue(), house) if where == "before the stamp" else out.getvalue()
    verdict = examine(forged, trust)
    assert verdict.verdict == "invalid"
    assert verdict.reasons[0].code in (
        "changes.after-seal",
        "shape.other",
        "shape.appended",
        "file.unreadable",
    )


def test_a_visible_stamp_field_is_refused(deed, trust, house):
    from pyhanko.sign.fields import SigFieldSpec, append_signature_field

    def visible(writer):
        append_signature_field(writer, SigFieldSpec(shape.STAMP_FIELD, on_page=0, box=(50, 50, 500, 700)))

    verdict = examine(stamped(deed[: ends(deed)[1]], house, visible), trust)
    assert (verdict.verdict, verdict.reasons[0].code) == ("invalid", "changes.after-seal")


# ---- who signed


def test_roles_cannot_be_exchanged(body, trust, house, bob):
    for notary, office in ((house.seal, bob), (bob, bob), (house.seal, house.seal)):
        forged = pades.seal(body, notary, office, house.stamper, house.status)
        assert examine(forged, trust).verdict == "invalid"


def test_a_notary_whom_the_deed_does_not_name_is_refused(body, trust, house):
    for name, ident in (("样本戊", "notary-1"), ("样本丙", "notary-2")):
        forged = pades.seal(body, house.notary(name, ident), house.seal, house.stamper, house.status)
        assert examine(forged, trust).reasons[0].code == "facts.signer"


def test_a_stamp_by_the_seals_key_or_from_the_future_is_refused(body, trust, house, bob):
    class Careless:
        """Takes every token as it comes."""

        def __init__(self, unit):
            self.unit = unit

        def stamp(self, digest):
            answer = self.unit.respond(stamp.request(digest, 5))
            _status, held = der.read(answer)
            return Token(held.raw, datetime.now(UTC), self.unit.signer.chain, ())

    ahead = StampUnit(house.stamper.unit.signer, lambda: datetime.now(UTC) + timedelta(days=2))
    for unit in (StampUnit(house.seal), ahead):
        forged = pades.seal(body, bob, house.seal, Careless(unit), house.status)
        assert examine(forged, trust).verdict == "invalid"


def test_an_expired_certificate_of_a_signer_stays_valid_by_its_stamp(deed, trust):
    assert examine(deed, trust, now=datetime.now(UTC) + timedelta(days=365 * 4)).verdict == "valid"


def test_a_clock_before_the_stamp_is_refused(deed, trust):
    assert examine(deed, trust, now=datetime.now(UTC) - timedelta(days=1)).verdict == "invalid"


def test_pages_and_facts_must_agree_even_if_signed(house, bob, trust):
    import pikepdf

    facts = make_facts()
    with pikepdf.open(io.BytesIO(render.deed(facts))) as pdf:
        facts["number"] = "（2026）渝示证字第99号"
        pdf.attachments["facts.json"] = pikepdf.AttachedFileSpec(pdf, json.dumps(facts).encode(), filename="facts.json")
        out = io.BytesIO()
        pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.disable)
    forged = pades.seal(out.getvalue(), bob, house.seal, house.stamper, house.status)
    assert examine(forged, trust).verdict == "invalid"


# ---- hostile bytes, limits, command line


@given(st.binary(max_size=3000))
@settings(max_examples=150, deadline=None)
def test_random_bytes_are_invalid_never_an_exception(raw):
    assert examine(raw).verdict == "invalid"
    assert examine(b"%PDF-1.7\n" + raw).verdict == "invalid"


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_cut_and_joined_deeds_are_invalid(deed, trust, data):
    a, b = sorted((data.draw(st.integers(0, len(deed))), data.draw(st.integers(0, len(deed)))))
    middle = data.draw(st.binary(max_size=40))
    changed = deed[:a] + middle + deed[b:]
    if changed != deed:
        assert examine(changed, trust).verdict == "invalid"


def test_the_second_opinion_agrees_with_a_genuine_deed(deed, trust):
    here, there = examine(deed, trust), verify(deed, trust)
    assert (there.verdict, there.steps[:-1]) == ("valid", here.steps[:-1])
    assert (there.steps[-1].outcome, there.steps[-1].detail) == ("passed", "agrees")


def test_the_second_opinion_is_not_asked_about_what_is_not_valid(deed, trust, monkeypatch):
    monkeypatch.setattr(second, "ask", lambda *_: pytest.fail("asked"))
    assert verify(b"%PDF-1.7 rubbish", trust).verdict == "invalid"
    assert verify(b"%PDF-1.7" + b"0" * 31_000_000).reasons[0].code == "file.size"
    assert verify(deed).verdict == "unknown"


def test_the_second_opinion_turns_valid_into_unknown_and_nothing_else(deed, trust, house, monkeypatch):
    monkeypatch.setattr(second, "SECONDS", 0)  # the parent's patience; the child keeps its own
    verdict = verify(deed, trust)
    assert (verdict.verdict, verdict.reasons[0].code, verdict.steps[-1].outcome) == (
        "unknown",
        "second.failed",
        "cannot tell",
    )
    other = authority("别的机构").root
    assert "NotarySig" in second.opinion(deed, Trust((other,), (house.root,)), datetime.now(UTC))
    place = deed.index(b"/Length 13/Filter/FlateDecode") - 60  # in the middle of a description
    changed = deed[:place] + bytes((deed[place] ^ 1,)) + deed[place + 1 :]
    assert second.opinion(changed, trust, datetime.now(UTC)) == "NotarySig: HASH_FAILURE"


@pytest.mark.parametrize("size", [900_000, 200_000_000])
def test_a_bomb_in_the_facts_is_refused_and_fills_no_memory(size):
    import zlib

    from signing.pdfvalue import BadPdf, Stream

    packed = zlib.compress(b"\0" * size, 1)
    held = Stream({"Filter": "FlateDecode"}, packed)
    if size < 1_000_000:
        assert len(held.inflated()) == size
    else:
        with pytest.raises(BadPdf, match="too large"):
            held.inflated()


def run(*args):
    return subprocess.run(
        [sys.executable, "-m", "signing", *args], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_command_line_answers_by_exit_code(deed, house, tmp_path):
    (tmp_path / "deed.pdf").write_bytes(deed)
    (tmp_path / "bad.pdf").write_bytes(deed[:-2] + b"\n\n")
    (tmp_path / "trust.pem").write_bytes(house.root.public_bytes(form.Encoding.PEM))
    good = run("verify", tmp_path / "deed.pdf", "--trust", tmp_path / "trust.pem", "--json")
    assert (good.returncode, json.loads(good.stdout)["verdict"]) == (0, "valid")
    bad = run("verify", tmp_path / "bad.pdf", "--trust", tmp_path / "trust.pem")
    assert bad.returncode == 1
    assert bad.stdout.startswith("无效，请勿采信")
    assert run("verify", tmp_path / "deed.pdf").returncode == 2
    assert run("verify", tmp_path / "none.pdf").returncode == 64
    assert run("verify").returncode == 64
    assert run("verify", tmp_path / "deed.pdf", "--trust", tmp_path / "deed.pdf").returncode == 64


def test_verifying_needs_nothing_of_ours_but_signing(deed, house, tmp_path):
    import shutil

    shutil.copytree(ROOT / "signing", tmp_path / "signing")
    (tmp_path / "deed.pdf").write_bytes(deed)
    (tmp_path / "trust.pem").write_bytes(house.root.public_bytes(form.Encoding.PEM))
    command = [sys.executable, "-m", "signing", "verify", "deed.pdf", "--trust", "trust.pem"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env={"PATH": ""})
    assert (done.returncode, done.stdout.split("：")[0]) == (0, "有效")


def test_every_reason_is_documented():
    documented = (ROOT / "docs/formats/README.md").read_text("utf-8")
    source = "".join(p.read_text("utf-8") for p in (ROOT / "signing").glob("*.py"))
    codes = set(re.findall(r'(?:Refused|Reason)\(\s*"([a-z]+\.[a-z-]+)"', source))
    assert len(codes) > 15
    assert {c for c in codes if f"`{c}`" not in documented} == set()


def test_every_word_of_a_verdict_is_used_and_documented_and_stands_in_both_languages():
    documented = (ROOT / "docs/formats/README.md").read_text("utf-8")
    source = "".join(p.read_text("utf-8") for p in (ROOT / "signing").glob("*.py"))
    for code, told in {**WORDS["reasons"], **WORDS["remarks"]}.items():
        assert f'"{code}"' in source
        assert f"`{code}`" in documented
        assert told["zh"]
        assert told["en"]
    for code, told in WORDS["reasons"].items():
        meant = {"invalid": "invalid", "unknown": "cannot tell"}[told["verdict"]]
        assert f"| `{code}` | {meant} | `{told['etsi']}` |" in documented


def test_facts_in_deeds_out_and_none_alike(tmp_path):
    made = run("sign", ROOT / "signing/examples/facts.json", tmp_path / "o.pdf", "--count", "3")
    assert made.returncode == 0, made.stderr
    trust = Trust.from_pem((tmp_path / "o.trust.pem").read_bytes())
    deeds = [(tmp_path / f"o-{n:06d}.pdf").read_bytes() for n in (1, 2, 3)]
    verdicts = [examine(d, trust) for d in deeds]
    assert {v.verdict for v in verdicts} == {"valid"}
    assert len({v.number for v in verdicts}) == 3
    inner = [inside(d).facts for d in deeds]
    assert len({p["name"] for f in inner for p in f["parties"]}) == 6
    assert len({f["instrument"]["paragraphs"][-1] for f in inner}) == 3
    assert all(len(f["instrument"]["paragraphs"][-1]) >= 300 for f in inner)
    assert run("sign", tmp_path / "o.trust.pem", tmp_path / "x.pdf").returncode == 1
    assert not (tmp_path / "x.pdf").exists()


# ---- bundle


def bundle(files: dict[str, bytes], manifest: bytes | None = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        if manifest is not None:
            zipped.writestr("manifest.json", manifest)
        for name, data in files.items():
            zipped.writestr(name, data)
    return out.getvalue()


def test_a_bundle_fits_its_deed_or_is_named(house, bob, trust):
    import hashlib

    files = {"recording/1.webm": b"frames", "minutes.pdf": b"minutes"}
    listed = [{"name": n, "sha256": hashlib.sha256(d).hexdigest(), "size": len(d)} for n, d in files.items()]
    manifest = json.dumps({"files": listed}).encode()
    facts = make_facts()
    facts["attachments"] = {"evidence": {"sha256": hashlib.sha256(manifest).hexdigest()}}
    own = pades.seal(render.deed(facts), bob, house.seal, house.stamper, house.status)
    assert examine(own, trust, bundle=bundle(files | {"deed.pdf": own}, manifest)).verdict == "valid"
    for wrong in (
        bundle(files | {"minutes.pdf": b"minutez"}, manifest),
        bundle({"minutes.pdf": b"minutes"}, manifest),
        bundle(files, manifest + b" "),
        bundle(files | {"deed.pdf": b"another"}, manifest),
        bundle(files),
        b"no zip",
    ):
        verdict = examine(own, trust, bundle=wrong)
        assert (verdict.verdict, verdict.reasons[0].code) == ("invalid", "bundle.other")


@pytest.mark.req("I03")
def test_a_bundle_whose_packing_is_damaged_is_said_to_be_the_bundles_fault(body):
    """Found by fuzzing: a broken deflate stream was told as a damaged deed."""
    import zipfile

    from signing import bundle
    from signing.body import inside
    from signing.verdict import Refused

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("manifest.json", b"manifest" * 50)
    raw = bytearray(out.getvalue())
    raw[30 + len("manifest.json")] ^= 0xFF
    with pytest.raises(Refused) as refused:
        bundle.check(bytes(raw), body, inside(body).facts)
    assert refused.value.reason.code == "bundle.other"
