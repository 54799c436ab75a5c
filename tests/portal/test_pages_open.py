"""The pages before login: what they say, in both languages, and that a preference sends nobody elsewhere."""

import gzip
import re
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from notary.app import create_app
from notary.models import Ticket
from notary.rules import rules

PAGES = (
    "/", "/matters/guarantor-consent", "/matters/power-of-attorney", "/matters/declaration", "/guide",
    "/guide?what=extension", "/guide?what=will", "/guide?what=declare&where=mainland&self=yes", "/check", "/call",
    "/visit", "/privacy", "/accessibility", "/fees", "/complaints", "/preferences",
)  # fmt: skip


@pytest.fixture
def visitor(parts):
    return create_app(parts).test_client()


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("lang", "tag"), [("zh", "zh-CN"), ("en", "en")])
def test_every_page_opens_in_both_languages_before_login(visitor, page, lang, tag):
    reply = visitor.get(page, headers={"Accept-Language": lang})

    assert reply.status_code == 200
    assert f'lang="{tag}"' in reply.text[:200]
    assert reply.text.count("<h1") == 1
    assert "<style" not in reply.text
    assert " style=" not in reply.text
    assert "onclick" not in reply.text


@pytest.mark.req("A01", "A14")
def test_a_matter_page_says_everything_before_login(visitor):
    text = visitor.get("/matters/guarantor-consent").text
    matter = rules().matter("guarantor-consent")

    assert "200 元" in text
    assert matter.clock.text.zh in text
    for part in (*matter.conditions, *(s.title for s in matter.steps), *(m.where for m in matter.materials)):
        assert part.zh in text


@pytest.mark.req("A04")
@pytest.mark.parametrize("key", ["will", "../rules", "adoption", "common"])
def test_a_matter_that_is_not_open_is_not_found_and_the_page_helps(visitor, key):
    reply = visitor.get(f"/matters/{key}")

    assert reply.status_code == 404
    assert "请打给我" in reply.text


def test_the_guide_needs_no_script_and_keeps_what_was_said(visitor):
    text = visitor.get("/guide?what=extension&lender=bank").text

    assert '<input type="hidden" name="what" value="extension">' in text
    assert "签字的人现在在哪里" in text
    assert "能在网上办，当天办好" in visitor.get("/guide?what=extension&lender=bank&where=mainland&self=yes").text


@pytest.mark.parametrize("query", ["what=hack", "what=<script>", "what=extension&lender=%01", "self=yes"])
def test_an_answer_that_nobody_offered_is_asked_again(visitor, query):
    reply = visitor.get(f"/guide?{query}")

    assert reply.status_code == 200
    assert "<script>" not in reply.text


def test_a_nul_that_nobody_types_is_refused_in_words(visitor):
    reply = visitor.get("/guide?what=extension&lender=%00")

    assert reply.status_code == 400
    assert "请打给我" in reply.text


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "/\n/evil.example",
        "javascript:alert(1)", "\\\\evil.example", "", "evil.example",
    ],
)  # fmt: skip
def test_a_preference_goes_back_to_this_origin_only(visitor, target):
    reply = visitor.get("/preferences", query_string={"lang": "en", "next": target})

    assert reply.status_code == 303
    assert reply.location == "/"


@pytest.mark.req("L10")
def test_a_switch_keeps_the_page_and_is_remembered(visitor):
    reply = visitor.get("/preferences", query_string={"lang": "en", "size": "elder", "next": "/guide?what=extension"})

    assert reply.location == "/guide?what=extension"
    after = visitor.get("/guide?what=extension", headers={"Accept-Language": "zh"}).text
    assert 'lang="en"' in after
    assert 'data-size="elder"' in after
    assert "lang=zh&amp;next=/guide?what%3Dextension" in after


def test_a_preference_that_nobody_offers_is_not_kept(visitor):
    reply = visitor.get("/preferences", query_string={"lang": "xx", "theme": '"><script>'})

    assert reply.status_code == 200
    assert "Set-Cookie" not in {k for k, v in reply.headers if v.startswith(("lang", "theme"))}


def send(visitor, path, **form):
    token = re.search(r'name="csrf_token" value="([^"]+)"', visitor.get(path).text)[1]
    return visitor.post(path, data=form | {"csrf_token": token})


@pytest.mark.req("M08")
def test_whoever_leaves_a_number_is_called_and_the_page_says_when(visitor, parts):
    reply = send(visitor, "/call", phone="13800000421", page="/check")

    assert "5 分钟内打给您" in reply.text
    with parts.db() as db:
        ticket = db.scalars(sa.select(Ticket)).one()
        assert ticket.page == "/check"
        assert ticket.due == parts.clock() + timedelta(minutes=5)


@pytest.mark.parametrize("phone", ["", "abc", "12", "<script>alert(1)</script>"])
def test_a_number_that_is_none_is_said_beside_the_field_and_nothing_is_kept(visitor, parts, phone):
    reply = send(visitor, "/call", phone=phone)

    assert reply.status_code == 422
    assert 'href="#f-phone"' in reply.text
    assert "<script>alert" not in reply.text
    with parts.db() as db:
        assert not db.scalars(sa.select(Ticket)).all()


@pytest.mark.req("G11")
def test_a_code_that_nobody_has_tells_nothing(visitor):
    reply = send(visitor, "/status", code="AAAA-BBBB-CC")

    assert reply.status_code == 404
    assert "没有这个查询码" in reply.text


def test_a_form_without_its_token_is_refused(visitor, parts):
    assert visitor.post("/call", data={"phone": "13800000421"}).status_code == 400
    with parts.db() as db:
        assert not db.scalars(sa.select(Ticket)).all()


def test_the_first_page_is_light(visitor):
    static = Path(visitor.application.static_folder)
    files = [
        static / name
        for name in (
            "vendor/govuk-frontend-6.6.0/govuk-frontend.min.css", "house.css", "seal.svg", "icons.svg", "js/page.js",
        )
    ]  # fmt: skip
    parts = [visitor.get("/").data, *(path.read_bytes() for path in files)]

    assert sum(len(gzip.compress(part)) for part in parts) <= 35 * 1024
