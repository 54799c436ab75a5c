"""What a person may hand in, and what becomes of the rest: a clear word, nothing kept, nothing broken."""

import hashlib
import io
import os
import subprocess
import time
import zlib
from dataclasses import replace
from html import unescape

import pikepdf
import pytest
import sqlalchemy as sa
from PIL import Image
from walking import ALICE, Visitor, new_case, photo, upload

from notary.app import create_app
from notary.models import Case, Exhibit
from notary.office import safe
from notary.redraw import LARGEST
from storage.local import Store


def pdf(pages=1, stream=b"0 0 m 100 100 l S", declared=None):
    """A small PDF by hand; each page draws `stream` (deflated)."""
    packed = zlib.compress(stream, 9)
    kids = " ".join(f"{3 + n} 0 R" for n in range(pages))
    parts = [b"<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Count {pages}/Kids[{kids}]>>".encode()]
    parts += [f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents {3 + pages} 0 R>>".encode()] * pages
    parts.append(b"<</Length %d/Filter/FlateDecode>>stream\n" % len(packed) + packed + b"\nendstream")
    out, offsets = b"%PDF-1.7\n", []
    for number, part in enumerate(parts, 1):
        offsets.append(len(out))
        out += b"%d 0 obj" % number + part + b"endobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1) + b"".join(
        b"%010d 00000 n \n" % at for at in offsets
    )
    return out + b"trailer<</Size %d/Root 1 0 R>>startxref\n%d\n%%%%EOF" % (len(parts) + 1, start)


def kept(parts):
    with parts.db() as db:
        return db.scalar(sa.select(sa.func.count()).select_from(Exhibit)), len(list(parts.store.list()))


BAD = {
    "a script with a picture's name": (b"#!/bin/sh\nrm -rf /\n" * 50, "不是照片也不是 PDF"),
    "a page with a picture's name": (b"<html><script>alert(1)</script></html>" * 20, "不是照片也不是 PDF"),
    "an upload cut in the middle": (photo(size=(1400, 900))[: len(photo(size=(1400, 900))) // 3], "没传完或者坏了"),
    "nothing": (b"", "文件是空的"),
    "too small to read": (photo(size=(120, 80)), "太小"),
    "too many pages": (pdf(pages=41), "41 页"),
    "a PDF without a page": (b"%PDF-1.7\n" + b"x" * 3000, "没传完或者坏了"),
}


@pytest.mark.req("K06")
@pytest.mark.parametrize("name", list(BAD))
def test_a_bad_upload_is_refused_in_words_and_leaves_nothing(alice_applies, parts, name):
    data, words = BAD[name]
    case = new_case(alice_applies)
    reply = upload(alice_applies, case, "loan-contract", data, "photo.jpg")

    assert 422 == reply.status_code
    page = unescape(reply.text)
    assert words in page
    assert 'id="f-m-loan-contract-error"' in page
    assert (0, 0) == kept(parts)


@pytest.mark.req("K06")
def test_a_pdf_that_inflates_to_400_mb_is_stopped(alice_applies, parts):
    line = b"q 0 0 1 rg 0 0 300 300 re f Q\n"
    bomb = pdf(stream=line * (400 * 1024 * 1024 // len(line)))
    assert len(bomb) < 2 * 1024 * 1024
    case = new_case(alice_applies)
    began = time.monotonic()
    reply = upload(alice_applies, case, "loan-contract", bomb, "contract.pdf")

    assert 422 == reply.status_code
    assert time.monotonic() - began < 60
    assert (0, 0) == kept(parts)


def test_a_good_pdf_is_drawn_anew_and_handed_out_to_save(alice_applies, parts):
    case = new_case(alice_applies)
    reply = upload(alice_applies, case, "loan-contract", pdf(pages=3), "../../合同.pdf")
    assert 303 == reply.status_code
    with parts.db() as db:
        exhibit = db.scalars(sa.select(Exhibit)).one()
    assert 3 == exhibit.pages
    shown = alice_applies.get(f"{case}/papers/{exhibit.id}")
    assert shown.headers["Content-Disposition"].startswith("attachment")
    assert shown.data.startswith(b"%PDF")
    assert b"FlateDecode" not in shown.data.split(b"/Subtype /Image")[0]
    box = parts.store.get(exhibit.object_key)
    assert b"PDF" not in box[:200]


def trap(with_):
    """A PDF by pikepdf with one thing inside that may show or do something else than its page."""
    with pikepdf.open(io.BytesIO(pdf())) as made:
        with_(made, pikepdf.Dictionary, pikepdf.Name)
        out = io.BytesIO()
        made.save(out)
    return out.getvalue()


def opens_with_a_script(made, new, name):
    made.Root.OpenAction = new(S=name.JavaScript, JS=pikepdf.String("app.alert(1)"))


def has_a_hidden_layer(made, new, name):
    layer = made.make_indirect(new(Type=name.OCG, Name=pikepdf.String("other text")))
    made.Root.OCProperties = new(OCGs=[layer], D=new(OFF=[layer], Order=[layer]))


def carries_a_file(made, new, name):
    made.attachments["other.pdf"] = b"%PDF-1.7 other"


def launches(made, new, name):
    action = new(S=name.Launch, F=pikepdf.String("calc.exe"))
    made.pages[0].Annots = [
        made.make_indirect(new(Type=name.Annot, Subtype=name.Link, Rect=[0, 0, 300, 300], A=action))
    ]


def form(value, **more):
    def with_(made, new, name):
        look = made.make_stream(b"0 0 0 rg 0 0 200 100 re f")
        look.update(new(Type=name.XObject, Subtype=name.Form, BBox=[0, 0, 200, 100]))
        field = made.make_indirect(
            new(Type=name.Annot, Subtype=name.Widget, FT=name.Tx, T=pikepdf.String("amount"), V=pikepdf.String(value),
                Rect=[50, 50, 250, 150], F=4, AP=new(N=look), P=made.pages[0].obj)
        )  # fmt: skip
        made.pages[0].Annots = [field]
        made.Root.AcroForm = new(Fields=[field], **more)

    return with_


@pytest.mark.req("K06")
@pytest.mark.parametrize("with_", [opens_with_a_script, has_a_hidden_layer, carries_a_file, launches, form("480000")])
def test_nothing_of_a_pdf_survives_but_its_pages_as_they_are_seen_and_the_hash_of_what_came(
    alice_applies, parts, with_
):
    came, case = trap(with_), new_case(alice_applies)
    assert 303 == upload(alice_applies, case, "loan-contract", came, "contract.pdf").status_code
    with parts.db() as db:
        exhibit = db.scalars(sa.select(Exhibit)).one()
    assert hashlib.sha256(came).hexdigest() == exhibit.original_sha256 != exhibit.sha256
    with pikepdf.open(io.BytesIO(alice_applies.get(f"{case}/papers/{exhibit.id}").data)) as drawn:
        assert {"/Type", "/Pages"} == set(drawn.Root.keys()) - {"/Metadata"}
        assert not drawn.attachments
        assert 1 == len(drawn.pages)
        assert {"/XObject"} == set(drawn.pages[0].Resources.keys()) - {"/ProcSet"}
        assert "/Annots" not in drawn.pages[0]
        picture = pikepdf.PdfImage(next(iter(drawn.pages[0].images.values()))).as_pil_image().convert("L")
    assert (picture.histogram()[0] > 1000) == (with_.__name__ == "with_")  # what was filled in is on the page


def test_a_form_that_only_one_program_can_show_is_refused_in_words(alice_applies, parts):
    came = trap(form("", XFA=pikepdf.String("<xdp/>")))
    reply = upload(alice_applies, new_case(alice_applies), "loan-contract", came, "contract.pdf")
    assert 422 == reply.status_code
    assert "动态表单" in unescape(reply.text)
    assert (0, 0) == kept(parts)


def test_a_pdf_where_a_photo_is_wanted_and_a_paper_nobody_asked_for(alice_applies):
    case = new_case(alice_applies)
    assert "要照片，不要 PDF" in unescape(upload(alice_applies, case, "id-front", pdf()).text)
    assert 404 == upload(alice_applies, case, "passport").status_code
    assert 422 == alice_applies.post(f"{case}/papers/id-front", {}).status_code


@pytest.mark.req("B04")
@pytest.mark.parametrize(("software", "kept"), [("Adobe Photoshop 25.0", "Adobe Photoshop 25.0"), ("HDR+ 1.0.3", None)])
def test_a_card_keeps_the_name_of_the_program_that_changed_its_picture_and_its_own_size(
    alice_applies, parts, software, kept
):
    case, out = new_case(alice_applies), io.BytesIO()
    exif = Image.Exif()
    exif[0x0131] = software
    Image.new("RGB", (4032, 3024), "#e8efe9").save(out, "JPEG", exif=exif)
    for material in ("id-front", "loan-contract"):
        assert 303 == upload(alice_applies, case, material, out.getvalue()).status_code
    with parts.db() as db:
        front, paper = db.scalars(sa.select(Exhibit).order_by(Exhibit.added_at)).all()
        assert kept == front.read.get("editor")
        assert {} == paper.read  # only a card is looked at
        sizes = [
            Image.open(io.BytesIO(safe.fetch(parts, db.get_one(Case, one.case_id), one.object_key, one.sha256))).size
            for one in (front, paper)
        ]
    assert [(4032, 3024), (3000, 2250)] == sizes  # scaling would wipe out the signs of a change


def test_too_big_is_said_in_megabytes(alice_applies):
    case = new_case(alice_applies)
    assert 422 == upload(alice_applies, case, "id-front", b"\xff\xd8\xff" + b"\0" * LARGEST).status_code
    reply = upload(alice_applies, case, "id-front", b"\0" * (LARGEST + 2 * 1024 * 1024))
    assert 413 == reply.status_code
    assert "25 MB" in reply.text


def test_a_script_that_uploads_hears_the_same_words(alice_applies):
    case = new_case(alice_applies)
    headers = {"X-Requested-With": "upload"}
    assert "不是照片" in upload(alice_applies, case, "id-front", b"#!/bin/sh\n" * 90, headers=headers).json["title"]
    assert f"{case}/card#m-id-front" == upload(alice_applies, case, "id-front", headers=headers).json["next"]


def test_after_handing_in_nothing_is_added_or_taken(filed, alice_applies):
    assert 409 == upload(alice_applies, filed, "id-front").status_code
    assert 409 == alice_applies.post(f"{filed}/form/loan", {"principal": "1"}).status_code
    assert 409 == alice_applies.post(f"{filed}/recipients/bank", {"given": "no"}).status_code


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB, as only root can mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", place], check=False).returncode
    ):
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_said_and_nothing_half_written_stays(small_disk, parts):
    full = replace(parts, store=Store(small_disk))
    alice = Visitor(create_app(full), full).log_in_by_phone(ALICE)
    case = new_case(alice)
    alice.post(f"{case}/who", {"name": "王大川"})

    reply = upload(alice, case, "id-front", noise())
    assert 503 == reply.status_code
    assert "磁盘满了" in reply.text
    assert (0, 0) == kept(full)
    assert [] == list((small_disk / ".staging").iterdir())
    assert "王大川" in alice.get(f"{case}/who").text
    assert 303 == upload(alice, case, "id-front", photo(size=(300, 220))).status_code


def noise():
    """A photograph that does not compress."""
    picture = Image.frombytes("RGB", (400, 300), os.urandom(400 * 300 * 3))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=95)
    return out.getvalue()
