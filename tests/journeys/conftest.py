"""The cast, each at a browser of his own: HTTP only, with the tokens of the pages and codes from the outbox."""

import re
from html import unescape
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from walking import ALICE, MALLORY, Visitor, desk, fill, new_case

from notary.app import create_app
from notary.models import Case


@pytest.fixture
def app(parts):
    return create_app(parts)


@pytest.fixture
def visit(app, parts):
    def make(lang="zh"):
        return Visitor(app, parts, lang)

    return make


@pytest.fixture
def alice_applies(visit):
    return visit().log_in_by_phone(ALICE)


@pytest.fixture
def mallory(visit):
    return visit().log_in_by_phone(MALLORY)


@pytest.fixture
def bob_notarizes(visit):
    return visit().enrol("chenjing")


@pytest.fixture
def carol_approves(visit):
    return visit().enrol("wangshu")


@pytest.fixture
def zhou_assists(visit):
    return visit().enrol("zhoumin")


@pytest.fixture
def he_operates(visit):
    return visit().enrol("hejie")


@pytest.fixture
def the_admin(visit):
    return visit().enrol("guanli")


@pytest.fixture
def filed(alice_applies):
    """Alice's application, handed in."""
    case = fill(alice_applies, new_case(alice_applies))
    reply = alice_applies.post(f"{case}/submit")
    assert reply.status_code == 303, unescape(reply.text)
    return case


@pytest.fixture
def accepted(filed, bob_notarizes):
    reply = bob_notarizes.post(desk(filed) + "/accept")
    assert reply.status_code == 303, unescape(reply.text)
    return filed


@pytest.fixture
def row(parts):
    """The case behind an address, as it stands in the database now."""

    def look(case):
        with parts.db() as db:
            return db.scalar(sa.select(Case).where(Case.id == case.rsplit("/", 1)[-1]))

    return look


@pytest.fixture
def outbox(app):
    def read(phone=ALICE):
        page = app.test_client().get("/outbox").text
        return [
            SimpleNamespace(text=unescape(re.sub(r"<[^>]+>", "", text)))
            for to, text in re.findall(r'data-to="([^"]+)".*?<p class="yz-body"[^>]*>(.*?)</p>', page, re.DOTALL)
            if unescape(to) == phone
        ]

    return read
