import hashlib
import io
import json
import re
import subprocess
import sys
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pikepdf
import pytest
from qr_reader import qr_of

from signing import render, wording
from signing.facts import BadFacts, canonical

TEMPLATES = Path(__file__).parents[2] / "templates"


def words(text: str) -> str:
    return re.sub(r"\s+", "", text)


class Text(HTMLParser):
    def __init__(self):
        super().__init__()
        self.words = ""

    def handle_data(self, data):
        self.words += data


def test_equal_facts_give_equal_bytes(facts):
    assert render.deed(facts) == render.deed(json.loads(json.dumps(facts)))


@pytest.mark.req("H01")
def test_pdf_and_html_twin_say_the_same(facts):
    facts["translation"] = {
        "language": "en",
        "title": "Notarial deed",
        "translator": "Sample E",
        "paragraphs": ["This is to certify that Sample A signed by remote video."],
    }
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    html = Text()
    html.feed(env.get_template("deed/twin.html").render(sheet=wording.deed(facts)))
    pdf = words("".join(render.page_texts(render.deed(facts))))
    foot = words(facts["number"] + " · " + wording.FOOT_MARK)
    pdf = re.sub(re.escape(foot) + r"第\d+页共\d+页", "", pdf).replace(words(wording.MARK), "")
    twin = words(html.words).replace(words(wording.MARK), "", 1).replace(words(wording.FOOT_MARK), "")
    assert pdf == twin


@pytest.mark.req("H14")
def test_the_test_mark_is_on_every_page_in_the_foot_and_in_the_metadata(facts):
    pdf = render.deed(facts)
    for text in render.page_texts(pdf):
        assert wording.MARK in text
        assert "no legal force" in text
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        assert "no legal force" in str(opened.docinfo["/Title"])
        assert "no legal force" in str(opened.open_metadata()["dc:title"])
    facts["test"] = False
    assert not any("TEST" in t for t in render.page_texts(render.deed(facts)))


def test_the_body_is_tagged_archive_pdf_with_its_facts_inside(facts):
    with pikepdf.open(io.BytesIO(render.deed(facts))) as pdf:
        meta = pdf.open_metadata()
        assert (meta["pdfaid:part"], meta["pdfaid:conformance"], meta["pdfuaid:part"]) == ("3", "A", "1")
        assert "/StructTreeRoot" in pdf.Root
        assert pdf.Root.OutputIntents
        assert pdf.attachments["facts.json"].get_file().read_bytes() == canonical(facts)
        assert {str(f.F) for f in pdf.Root.AF} == {"facts.json", "layout.json"}
        assert pdf.docinfo["/CreationDate"] == "D:20261123000000Z"
        fonts = [o for o in pdf.objects if isinstance(o, pikepdf.Dictionary) and o.get("/Type") == "/FontDescriptor"]
        assert fonts
        assert all("/FontFile3" in f or "/FontFile2" in f for f in fonts)


@pytest.mark.req("H05")
def test_the_qr_code_on_the_page_decodes(facts):
    assert qr_of(render.pages(render.deed(facts))[0]) == facts["verify_url"]


@pytest.mark.req("F01")
def test_the_shown_instrument_does_not_depend_on_number_or_strokes(facts):
    shown = render.instrument(facts)
    facts["number"] = "（2026）渝示证字第18号"
    facts["instrument"]["signatures"][0]["strokes"] = []
    assert render.instrument(facts) == shown
    assert hashlib.sha256(shown).hexdigest() == facts["instrument"]["signatures"][0]["bound_to"]
    facts["instrument"]["paragraphs"][0] += "。"
    assert render.instrument(facts) != shown


def test_a_character_without_a_glyph_is_named(facts):
    assert render.missing_glyphs("王𠮷𱁬甲") == ["𠮷", "𱁬"]
    facts["parties"][0]["name"] = facts["instrument"]["signatures"][0]["party"] = "样本𠮷"
    with pytest.raises(BadFacts, match=r"no glyph for 𠮷 \(U\+20BB7\)"):
        render.deed(facts)


def test_words_cannot_become_markup(facts):
    nasty = '#image("/etc/passwd") $x$ *b* _i_ \\ <l> @r [c] {d} "e" // f'
    facts["instrument"]["paragraphs"] = [nasty]
    assert words(nasty) in words("".join(render.page_texts(render.deed(facts))))


def test_many_parties_run_over_pages_and_the_areas_follow(facts):
    facts["parties"] += [facts["parties"][1] | {"name": f"样本{c}"} for c in "丁戊己庚辛壬癸子丑寅卯辰"]
    pdf = render.deed(facts)
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        layout = json.loads(opened.attachments["layout.json"].get_file().read_bytes())
    assert {a["page"] for a in layout.values()} == {layout["qr"]["page"]} != {1}
    assert qr_of(render.pages(pdf)[layout["qr"]["page"] - 1]) == facts["verify_url"]


@pytest.mark.req("E01", "E02", "E03", "E04", "E05")
def test_minutes_say_who_where_when_and_what_with_media_time(minutes_data):
    text = words("".join(render.page_texts(render.minutes(minutes_data))))
    for said in [
        "询问笔录",
        "样本甲",
        "示例省样例市渡口路00号",
        "远程视频",
        "录像0:01:35.2",
        "网络中断",
        "经更正并确认",
        "北京时间",
    ]:
        assert said in text


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (date(2026, 11, 24), "二〇二六年十一月二十四日"),
        (date(1968, 4, 10), "一九六八年四月十日"),
        (date(2000, 12, 31), "二〇〇〇年十二月三十一日"),
        (date(2020, 1, 20), "二〇二〇年一月二十日"),
    ],
)
def test_dates_in_chinese(day, said):
    assert wording.chinese_date(day) == said


def test_bytes_that_are_no_pdf_have_no_pages():
    with pytest.raises(ValueError, match="not a PDF"):
        render.pages(b"%PDF-1.7 nothing")


READERS = """
import sys, threading
from signing import render

pdf = sys.stdin.buffer.read()
ends = []

def read(what):
    for _ in range(100):
        what(pdf)
    ends.append(1)

whats = [lambda pdf: render.pages(pdf, dpi=40), render.page_texts] * 2
threads = [threading.Thread(target=read, args=[what]) for what in whats]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
sys.exit(0 if len(ends) == len(whats) else 1)
"""


def test_threads_of_one_server_read_pages_side_by_side(facts):
    """In a child, because a PDFium that two threads enter takes its whole process with it."""
    child = subprocess.run(
        [sys.executable, "-c", READERS], check=False, input=render.deed(facts), capture_output=True, timeout=120
    )
    assert child.returncode == 0, child.stderr.decode()[-2000:]
