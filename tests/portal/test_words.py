"""Both languages are complete, no Chinese stands bare in a template, vendored files are what the lock says."""

import hashlib
import importlib.machinery
import importlib.util
import json
import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from notary import words
from notary.rules import rules

ROOT = Path(__file__).resolve().parent.parent.parent
CJK = re.compile(r"[㐀-鿿]")
PLACE = re.compile(r"%\((\w+)\)[sd]")
VOID = {
    "area",
    "base",
    "br",
    "col",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "source",
    "track",
    "wbr",
    "use",
    "path",
    "rect",
    "circle",
    "ellipse",
}


def catalogs():
    loader = importlib.machinery.SourceFileLoader("messages", str(ROOT / "tools" / "messages"))
    spec = importlib.util.spec_from_loader("messages", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    with (ROOT / "translations/en/LC_MESSAGES/messages.po").open("rb") as file:
        return module.said(), read_po(file, locale="en")


@pytest.mark.req("L10")
def test_every_text_has_an_english_one():
    said, english = catalogs()
    missing = [
        m.id for m in said
        if m.id and (m.id not in english or not english.get(m.id).string or english.get(m.id).fuzzy)
    ]  # fmt: skip

    assert not missing, "run tools/messages and translate:\n" + "\n".join(missing)


def test_a_translation_names_the_same_values():
    _, english = catalogs()

    for message in english:
        if message.id:
            assert sorted(PLACE.findall(message.id)) == sorted(PLACE.findall(message.string)), message.id


def test_every_message_id_is_chinese():
    said, _ = catalogs()
    plain = [m.id for m in said if m.id and not CJK.search(m.id)]

    assert not [text for text in plain if re.search(r"[a-z]{3}", re.sub(r"%\(\w+\)[sd]", "", text))]


class Bare(HTMLParser):
    """Chinese that stands in no element with a `lang` of its own."""

    def __init__(self):
        super().__init__()
        self.open, self.found = [], []

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        marked = "lang" in named and tag != "html"
        if not marked and not any(self.open):
            self.found += [v for v in named.values() if v and CJK.search(v)]
        if tag not in VOID:
            self.open.append(marked)

    def handle_startendtag(self, tag, attrs):
        named = dict(attrs)
        if "lang" not in named and not any(self.open):
            self.found += [v for v in named.values() if v and CJK.search(v)]

    def handle_endtag(self, tag):
        if tag not in VOID and self.open:
            self.open.pop()

    def handle_data(self, data):
        if CJK.search(data) and not any(self.open):
            self.found.append(data.strip())


SAID = re.compile(r"(?:_|gettext|ngettext)\(\s*(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')")


def bare(text):
    text = re.sub(r"\{#.*?#\}", "", text, flags=re.DOTALL)
    text = SAID.sub("_(X", text)
    inside = [part for part in re.findall(r"\{[{%].*?[%}]\}", text, flags=re.DOTALL) if CJK.search(part)]
    reader = Bare()
    reader.feed(re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL))
    return inside + reader.found


def test_no_template_holds_bare_chinese():
    for path in sorted((ROOT / "templates").rglob("*.html")):
        assert not bare(path.read_text()), path


def test_no_template_says_in_one_language_for_ever_what_jinja_can_reckon_beforehand():
    """A constant with a filter is reckoned when the template is compiled, in the language of whoever comes first."""
    folded = re.compile(r"""["'][\w-]+["'] \| (care|role|state|act|next_step|sex|event|manner)\b""")

    assert folded.search('{{ "elder" | care }}')
    for path in sorted((ROOT / "templates").rglob("*.html")):
        assert not folded.search(path.read_text()), path


def test_the_search_for_bare_chinese_finds_it():
    assert bare("<p>你好</p>")
    assert bare('<img alt="你好">')
    assert bare('{{ ui.link("/", "你好") }}')
    assert not bare('<p>{{ _("你好") }}</p><p lang="zh-CN">你好</p>{# 你好 #}')


def test_no_script_says_chinese_of_its_own():
    for path in (ROOT / "static/js").rglob("*.js"):
        code = re.sub(r"//.*|/\*.*?\*/", "", path.read_text())
        assert not CJK.search(code), path


def test_vendored_files_are_what_the_lock_says():
    vendor = ROOT / "static/vendor"
    locked = {}
    for package in json.loads((vendor / "vendor.lock.json").read_text()):
        assert package["licence"] in {"MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "0BSD", "ISC"}
        locked |= package["files"]
    there = {
        str(p.relative_to(vendor)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in vendor.rglob("*")
        if p.is_file() and p.name != "vendor.lock.json"
    }

    assert locked == there


def test_the_style_sheet_has_no_font_crown_or_far_address():
    css = (ROOT / "static/vendor/govuk-frontend-6.6.0/govuk-frontend.min.css").read_text()

    assert not re.search(r"@font-face|GDS Transport|crown|crest|url\(|@import", css)
    assert "url(" not in (ROOT / "static/house.css").read_text()


def test_translations_are_compiled_once_and_again_after_a_change(tmp_path):
    folder = tmp_path / "en/LC_MESSAGES"
    folder.mkdir(parents=True)
    source, target = folder / "messages.po", folder / "messages.mo"
    source.write_text(
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "好"\nmsgstr "good"\n'
    )

    words.compiled(tmp_path)
    first = target.read_bytes()
    source.write_text(source.read_text().replace("good", "fine"))
    import os

    os.utime(source, (target.stat().st_mtime + 5,) * 2)
    words.compiled(tmp_path)

    assert b"good" in first
    assert b"fine" in target.read_bytes()
    assert {"messages.po", "messages.mo"} == {p.name for p in folder.iterdir()}


@pytest.mark.parametrize(
    ("fen", "said"),
    [
        (48000000, "肆拾捌万元整"), (0, "零元整"), (1, "壹分"), (10, "壹角整"), (105, "壹元零伍分"), (20000, "贰佰元整"),
        (1000100, "壹万零壹元整"), (10050000, "壹拾万零伍佰元整"), (100000000, "壹佰万元整"), (123456789, "壹佰贰拾叁万肆仟伍佰陆拾柒元捌角玖分"),
        (10000000100, "壹亿零壹元整"), (10000100000000, "壹仟亿零壹佰万元整"),
    ],
)  # fmt: skip
def test_sums_are_written_in_capitals(fen, said):
    assert said == words.capitals(fen)


def value_of(text):
    """Reads capitals back, by another road."""
    units = {"拾": 10, "佰": 100, "仟": 1000}
    total = section = digit = fen = 0
    for c in text.removesuffix("整"):
        if c in words.CAPITALS:
            digit = words.CAPITALS.index(c)
        elif c in units:
            section, digit = section + digit * units[c], 0
        elif c in "万亿":
            total = (total + section + digit) * 1 if c == "万" else total + section + digit
            total, section, digit = total * (10**4 if c == "万" else 10**8), 0, 0
            fen += total
            total = 0
        elif c == "元":
            fen, section, digit = (fen + section + digit) * 100, 0, 0
        else:
            fen, digit = fen + digit * (10 if c == "角" else 1), 0
    return fen


@given(st.integers(0, 10**14 - 1))
def test_capitals_read_back_as_the_same_sum(fen):
    text = words.capitals(fen)

    assert fen == value_of(text)
    assert "零零" not in text
    assert text.endswith(("整", "分"))


@pytest.mark.parametrize("fen", [-1, 10**14])
def test_a_sum_beyond_words_is_refused(fen):
    with pytest.raises(ValueError, match="no words"):
        words.capitals(fen)


def test_days_and_moments_are_never_bare():
    noon = datetime(2026, 11, 24, 4, tzinfo=UTC)

    assert words.moment(noon, "zh") == "2026 年 11 月 24 日周二 12:00（北京时间）"
    assert words.moment(noon, "en") == "Tue 24 November 2026, 12:00 Beijing time"
    assert words.deed_day(date(2026, 11, 24), "zh") == "二〇二六年十一月二十四日"
    assert words.deed_day(date(2027, 5, 20), "en") == "20 May 2027"
    assert words.deed_day(date(2030, 10, 30), "zh") == "二〇三〇年十月三十日"


def test_a_filed_value_stands_in_the_deed_in_words():
    t4 = rules().matter("guarantor-consent")

    assert words.stored(t4.field("principal"), "48000000", "zh") == "人民币480,000.00元（肆拾捌万元整）"
    assert words.stored(t4.field("principal"), "48000000", "en") == "CNY 480,000.00"
    assert words.stored(t4.field("new_due"), "2027-05-20", "zh") == "二〇二七年五月二十日"
    assert words.stored(t4.field("capacity"), "guarantor", "zh") == "连带责任保证人"
    assert words.stored(t4.field("borrower"), "王大川", "en") == "王大川"
    assert words.stored(t4.field("borrower_phone"), "", "zh") == ""


@pytest.mark.parametrize(
    ("cookie", "query", "accept", "chosen"),
    [
        ("en", "zh", "zh", "en"), ("", "en", "zh", "en"), ("", "", "en-GB,en;q=0.9", "en"), ("", "", "zh-TW,zh;q=0.9", "zh"),
        ("xx", "yy", "fr", "zh"), ("", "", "", "zh"),
    ],
)  # fmt: skip
def test_the_language_is_the_cookie_then_the_address_then_the_browser(cookie, query, accept, chosen):
    from flask import Flask

    app = Flask(__name__)
    headers = {"Accept-Language": accept} | ({"Cookie": f"lang={cookie}"} if cookie else {})
    with app.test_request_context(f"/?lang={query}", headers=headers):
        assert words.chosen_locale() == chosen
    assert words.chosen_locale() == "zh"
