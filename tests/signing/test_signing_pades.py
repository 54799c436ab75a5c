import dataclasses
import io
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pikepdf
import pytest
from cryptography.hazmat.primitives import serialization as form
from qr_reader import qr_of

from signing import appearance, lint, pades, render
from signing.body import BadBody, inside
from signing.stamp import NoStamp

HERE = Path(__file__).parent


def test_the_body_stays_the_first_bytes_of_the_deed(body, deed):
    assert deed.startswith(body)
    assert len(deed) - len(body) < 80_000


@pytest.mark.req("H03")
def test_poppler_calls_both_signatures_valid_and_trusted(deed, house, tmp_path):
    (tmp_path / "deed.pdf").write_bytes(deed)
    (tmp_path / "root.der").write_bytes(house.root.public_bytes(form.Encoding.DER))
    (tmp_path / "nss").mkdir()
    made = [sys.executable, HERE / "nss_database.py", tmp_path / "nss", tmp_path / "root.der"]
    subprocess.run(made, check=True, capture_output=True)
    said = subprocess.run(
        ["pdfsig", "-no-ocsp", "-nssdir", tmp_path / "nss", tmp_path / "deed.pdf"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    assert said.count("Signature is Valid.") == 2
    assert said.count("Certificate is Trusted.") == 2
    assert said.count("  - Total document signed") == 1


@pytest.mark.req("H05")
def test_stamp_and_seal_are_seen_and_leave_the_qr_readable(body, deed, facts):
    before, after = render.pages(body)[0], render.pages(deed)[0]
    assert qr_of(after) == facts["verify_url"]
    assert _red(after) > _red(before) + 1500  # name stamp and round seal


@pytest.mark.req("H05")
def test_every_code_reads_back_and_another_one_is_refused(facts):
    """A reader that misses one code in a hundred would leave one case in a hundred without its deed."""
    chance = random.Random(20261125)
    for _n in range(60):
        code = f"2026-{chance.randint(1, 9999)}-{''.join(chance.choices('23456789ABCDEFGHJKLMNPQRSTUVWXYZ', k=9))}"
        facts |= {"code": code, "verify_url": f"http://localhost:{chance.randint(1024, 65535)}/v/{code}"}
        body = render.deed(facts)
        within = inside(body)
        assert lint._qr(body, within) == [], code
    other = dataclasses.replace(within, facts=within.facts | {"verify_url": "https://bank.example/v/1"})
    assert lint._qr(body, other) == ["the QR code does not read back as verify_url"]


def _red(png: bytes) -> int:
    import cv2
    import numpy as np

    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).astype(int)
    return int(((picture[..., 2] > 140) & (picture[..., 1] < 100) & (picture[..., 0] < 100)).sum())


def test_widgets_are_as_pdf_a_wants_them(deed):
    with pikepdf.open(io.BytesIO(deed)) as pdf:
        widgets = [a for p in pdf.pages for a in p.get("/Annots", [])]
        assert [str(w.T) for w in widgets] == ["NotarySig", "OfficeSeal", "DocumentStamp"]
        for w in widgets[:2]:
            assert int(w.F) == 132  # print, locked
            assert w.AP.N.read_bytes().strip()
            assert str(w.TU)


def test_without_a_stamp_there_is_no_deed(body, bob, house):
    class Down:
        def stamp(self, digest):
            raise NoStamp("down")

    with pytest.raises(NoStamp):
        pades.seal(body, bob, house.seal, Down(), house.status)


@pytest.mark.parametrize("raw", [b"", b"%PDF-1.7\n", b"x" * 1000])
def test_what_is_no_body_is_not_signed(raw, bob, house):
    with pytest.raises(BadBody):
        pades.seal(raw, bob, house.seal, house.stamper, house.status)


def test_a_foreign_pdf_is_not_signed(bob, house):
    with pikepdf.new() as pdf:
        pdf.add_blank_page()
        out = io.BytesIO()
        pdf.save(out)
    with pytest.raises(BadBody, match=r"facts\.json"):
        pades.seal(out.getvalue(), bob, house.seal, house.stamper, house.status)


def test_no_signature_stalls(body, house, bob):
    """asn1crypto re-encodes itself into seconds for some chains and lengths; the repair keeps every one
    short."""
    longest = 0.0
    for _ in range(12):
        start = time.process_time()
        pades.seal(body, bob, house.seal, house.stamper, house.status)
        longest = max(longest, time.process_time() - start)
    assert longest < 2


@pytest.mark.parametrize("name", ["山城", "山城示例公证处", "一二三四五六七八九十一二三四五六七八九十", "处"])
def test_a_seal_fits_any_name(name):
    assert appearance.round_seal(name, "样例测试", 119).count(b" B Q") == len(name) + 4


# ---- lint


def test_a_sound_body_has_no_problem(body, facts):
    assert lint.lint(body, number=facts["number"], on=facts["issued_on"]) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f.update(certification=["兹证明样本甲签署了声明。"]), "H04"),
        (lambda f: f.update(certification=["样本甲经视频签署。"]), "H01"),
        (lambda f: f.update(certification=["兹证明样本甲（现年58岁）经视频签署。"]), "H07"),
        (lambda f: f["instrument"]["signatures"][0].update(strokes=[]), "has not signed"),
        (lambda f: f["instrument"]["signatures"][0].pop("bound_to"), "has not signed"),
    ],
)
@pytest.mark.req("H01", "H04", "H07")
def test_what_the_law_wants_is_missed_before_a_key_is_touched(facts, change, says):
    change(facts)
    assert any(says in p for p in lint.lint(render.deed(facts)))


def test_a_body_of_another_case_is_named(body):
    assert lint.lint(body, number="（2026）渝示证字第18号", trial=False) == [
        "number: not the one reserved for the case"
    ]
    assert lint.lint(body, on="2026-11-24", trial=False) == ["issued_on: not the date of approval"]


def test_pages_that_say_something_else_than_the_facts_are_named(body, facts):
    """A body whose attachment was exchanged: what a reader sees is no longer what a machine reads."""
    facts["certification"] = [facts["certification"][0].replace("肆拾捌", "捌拾肆")]
    with pikepdf.open(io.BytesIO(body)) as pdf:
        spec = pikepdf.AttachedFileSpec(pdf, json.dumps(facts).encode(), filename="facts.json")
        pdf.attachments["facts.json"] = spec
        out = io.BytesIO()
        pdf.save(out)
    assert any("differs from the facts" in p for p in lint.lint(out.getvalue()))


def test_active_content_is_named(body):
    with pikepdf.open(io.BytesIO(body)) as pdf:
        pdf.Root.OpenAction = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")
        out = io.BytesIO()
        pdf.save(out)
    problems = lint.lint(out.getvalue())
    assert "catalogue: /OpenAction is not allowed" in problems
