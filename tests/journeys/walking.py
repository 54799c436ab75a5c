"""Whoever a journey needs: a browser, a photograph, and an application filled page by page."""

import io
import re
from html import unescape

import pyotp
import sqlalchemy as sa
from PIL import Image, ImageDraw

from notary.models import Person
from notary.office import staff

PASSWORD = "eine lange Passphrase 2026"
ALICE = "+8613800138000"
MALLORY = "+8613900139000"


def id_number(first17):
    """A number with its check character (GB 11643)."""
    total = sum(int(digit) * (2 ** (17 - place) % 11) for place, digit in enumerate(first17))
    return first17 + "10X98765432"[total % 11]


def photo(words="样本", size=(560, 360)):
    picture = Image.new("RGB", size, "#e8efe9")
    ImageDraw.Draw(picture).rectangle((60, 60, 500, 300), fill="#335544")
    out = io.BytesIO()
    picture.save(out, "JPEG")
    return out.getvalue()


class Visitor:
    """A browser with its cookies. `post` sends the token of the page that the form stands on."""

    def __init__(self, app, parts, lang="zh"):
        self.parts = parts
        self.client = app.test_client()
        self.client.set_cookie("lang", lang)
        self.last = None

    def get(self, url, **more):
        self.last = self.client.get(url, **more)
        return self.last

    def post(self, url, data=None, page=None, token=True, **more):
        self.parts.clock.pass_by(seconds=1)  # no two acts fall on one moment
        data = dict(data or {})
        if token:
            data["csrf_token"] = self.token(page or "/preferences")
        self.last = self.client.post(url, data=data, **more)
        return self.last

    def token(self, page="/preferences"):
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.client.get(page).text)
        if found is None:
            found = re.search(r'name="csrf_token" value="([^"]+)"', self.client.get("/login").text)
        return found.group(1)

    def code(self, phone):
        """The newest six digits for a phone, read from the outbox page."""
        page = self.client.get("/outbox").text
        return re.search(rf'data-to="{re.escape(phone)}".*?yz-body"[^>]*>[^<]*?(\d{{6}})\D', page, re.DOTALL).group(1)

    def log_in_by_phone(self, phone):
        self.post("/login", {"phone": phone})
        reply = self.post("/login/code", {"code": self.code(phone)})
        assert reply.status_code == 303, reply.text
        return self

    def enrol(self, login):
        """By the link that the first run prints, and the secret that the page shows."""
        with self.parts.db.begin() as db:
            person = db.scalar(sa.select(Person).where(Person.login == login))
            token = staff.enrolment_link(db, person, self.parts.clock())
        page = self.get(f"/staff/enrol/{token}").text
        secret = re.search(r'id="totp-secret">([A-Z2-7]+)<', page).group(1)
        code = pyotp.TOTP(secret).at(self.parts.clock())
        reply = self.post(f"/staff/enrol/{token}", {"password": PASSWORD, "again": PASSWORD, "code": code})
        assert reply.status_code == 303, reply.text
        return self


WHO = {
    "name": "王大川", "sex": "男", "birth": "1968 年 4 月 21 日", "id_number": id_number("00000019680421001"),
    "address": "示例省样例市江边区渡口路 00 号",
}  # fmt: skip
LOAN = {
    "borrower": "样本甲", "loan_number": "借字2024-0088号", "guarantee_number": "保字2024-0088号", "principal": "480,000",
    "due": "2026 年 11 月 24 日", "new_due": "2027-05-24", "period": "展期届满之日起三年",
}  # fmt: skip


def new_case(visitor, matter="guarantor-consent"):
    reply = visitor.post(f"/my/new/{matter}")
    assert reply.status_code == 303, reply.text
    return reply.location


def upload(visitor, case, material, data=None, name="photo.jpg", **more):
    data = photo() if data is None else data
    return visitor.post(
        f"{case}/papers/{material}", {"file": (io.BytesIO(data), name)}, content_type="multipart/form-data", **more
    )


def fill(visitor, case, who=None, care=()):
    """Every page of a guarantor's application, as a person goes through them."""
    bank = re.search(r'<option value="([0-9a-f-]{36})"', visitor.get(f"{case}/form/loan").text).group(1)
    for material in ("id-front", "id-back", "loan-contract", "guarantee-contract", "extension-notice"):
        reply = upload(visitor, case, material)
        assert reply.status_code == 303, unescape(reply.text)
    for page, values in (
        ("who", {**WHO, **(who or {})}), ("form/territory", {"territory": "domicile"}), ("form/who", {"capacity": "guarantor"}),
        ("form/loan", {**LOAN, "bank": bank}), ("form/copies", {"borrower_phone": ""}),
        ("declare", {"declare-interest": "yes", "declare-no-dispute": "yes", "declare-capacity": "yes",
                     "declare-licensed": "yes", "care": list(care)}),
        ("recipients/bank", {"given": "yes"}), ("recipients/borrower", {"given": "no"}),
    ):  # fmt: skip
        reply = visitor.post(f"{case}/{page}", values)
        assert reply.status_code == 303, unescape(reply.text)
    return case


def desk(case):
    return case.replace("/my/", "/desk/cases/")
