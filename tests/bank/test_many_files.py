"""Fifty files onto one page: one verdict in words each, one table; by script and without, with one bad file among them."""

import csv
import io
import json

import pytest
import sqlalchemy as sa

from notary.models import Failure, Standing, Verification
from notary.office import limits
from tests.looking import Looking, browse, served

EVIL = '=HYPERLINK("http://evil.example","x").pdf'
DROP = """([names, contents]) => {
  const carried = new DataTransfer();
  names.forEach((name, at) => carried.items.add(new File([new Uint8Array(contents[at])], name, {type: "application/pdf"})));
  const form = document.getElementById("many-form");
  for (const kind of ["dragenter", "dragover", "drop"]) {
    form.dispatchEvent(new DragEvent(kind, {dataTransfer: carried, bubbles: true, cancelable: true}));
  }
}"""


def hashes(world, given):
    head = {"Accept": "application/json"}
    return world.http.post("/verify/files/", json={"sha256": given}, headers=head)


@pytest.mark.req("I02", "I07")
def test_fingerprints_are_answered_in_their_order_and_each_finding_is_kept(world):
    one, two, three = world.held
    world.stand(two, Standing.REVOKED)
    world.stand(three, Standing.UNDER_REVIEW)
    reply = hashes(world, [two.sha256, "0" * 64, one.sha256, three.sha256])
    rows = reply.json["rows"]
    assert [row["verdict"] for row in rows] == ["revoked", "none", "valid", "under_review"]
    assert [row["number"] for row in rows] == [two.number, "", one.number, three.number]
    assert "王" not in reply.text.encode().decode("unicode_escape")
    assert one.code not in reply.text
    assert reply.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in reply.headers
    with world.parts.db() as db:
        assert db.scalar(sa.select(sa.func.count()).select_from(Verification)) == 3
        assert db.scalars(sa.select(Failure.door)).all() == ["many"]


@pytest.mark.req("K06")
def test_what_is_no_list_of_fingerprints_is_refused_and_many_lists_run_out(world, monkeypatch):
    bad = (None, [], {}, "0" * 64, ["0" * 64] * 51, ["0" * 63], ["G" * 64], [1], [None], ["0" * 63 + "\0"])
    assert {hashes(world, one).status_code for one in bad} == {422}
    assert world.http.post("/verify/files/", data=b"[", content_type="application/json").status_code == 422
    assert hashes(world, ["0" * 64] * 50).status_code == 200
    monkeypatch.setitem(limits.ALLOWED, "many", 1)
    assert hashes(world, ["0" * 64]).status_code == 429
    assert (
        world.http.post("/verify", data={"sha256": world.held[0].sha256}).status_code == 200
    )  # the other page is open


@pytest.mark.req("I02")
def test_without_script_the_files_are_hashed_here_and_told_on_the_page(world):
    files = [(io.BytesIO(world.held[0].data), "a.pdf"), (io.BytesIO(b""), EVIL), (io.BytesIO(b"x"), "<b>.pdf")]
    reply = world.http.post("/verify/files/", data={"files": files}, content_type="multipart/form-data")
    assert (reply.status_code, reply.text.count("data-verdict=")) == (200, 3)
    assert reply.text.index('data-verdict="valid"') < reply.text.index('data-verdict="none"')
    assert "&lt;b&gt;.pdf" in reply.text
    none = world.http.post("/verify/files/", data={}, content_type="multipart/form-data")
    assert (none.status_code, "govuk-error-summary" in none.text) == (422, True)


@pytest.fixture
def origin(world):
    with served(world.app) as address:
        yield address


def finished(page):
    page.locator("#many-said[data-outcome]").wait_for()
    return page.locator("#many-said").inner_text()


def saved(page):
    """The table as a spreadsheet reads it."""
    with page.expect_download() as coming:
        page.locator("#many-csv").click()
    raw = open(coming.value.path(), "rb").read()  # noqa: PTH123, SIM115 (Playwright gives a path of its own)
    assert coming.value.suggested_filename.endswith(".csv")
    assert raw.startswith(b"\xef\xbb\xbf")
    assert b"\r\n" in raw
    return list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))


@pytest.mark.browser
@pytest.mark.req("I02")
def test_fifty_files_are_dropped_and_one_table_comes_out(chromium, world, origin):
    _whole, two, one = world.held  # the short ones: fifty times the whole one is a minute of copying
    world.stand(two, Standing.REVOKED)
    names = [f"deed-{n:02}.pdf" for n in range(46)] + ["revoked.pdf", "changed.pdf", "empty.pdf", EVIL]
    contents = [one.data] * 46 + [two.data, one.data[:-1] + b"\0", b"", b"no deed"]
    page, sent = browse(chromium, origin, accept_downloads=True), []
    page.on("request", lambda r: sent.append(r) if r.method == "POST" else None)
    page.goto(origin + "/verify")
    page.locator("#verify-many").click()
    page.wait_for_load_state()  # the page's script listens by then; before it, a drop is nobody's
    page.evaluate(DROP, [names, [list(data) for data in contents]])
    assert finished(page) == "查完了：50 份，有效 46 份，其他 4 份。"
    assert page.evaluate("document.activeElement.id") == "many-results"
    told = page.locator("#many-list > li").evaluate_all(
        "all => all.map(e => [e.querySelector('[data-name]').textContent, e.dataset.verdict, e.querySelector('.yz-st').textContent.trim()])"
    )
    assert [one[0] for one in told] == names
    assert [tuple(one[1:]) for one in told[45:]] == [
        ("valid", "有效"), ("revoked", "已撤销"), ("none", "登记里没有"), ("unread", "读不了"), ("none", "登记里没有"),
    ]  # fmt: skip
    (only,) = sent
    assert set(json.loads(only.post_data)) == {"sha256"}  # no name and no file left the computer
    head, *rows = saved(page)
    page.context.close()
    assert head[:5] == ["文件 File", "结论 Verdict", "说明 Meaning", "编号 Number", "事项 Matter"]
    assert [row[0] for row in rows] == [*names[:49], "'" + EVIL]
    assert {len(row) for row in rows} == {len(head)}
    assert not [cell for row in rows for cell in row if cell[:1] in set("=+-@\t\r")]
    codes = [row[head.index("代码 Code")] for row in rows]
    assert codes == ["valid"] * 46 + ["revoked", "none", "unread", "none"]
    assert rows[0][head.index("编号 Number")] == one.number
    assert rows[48][head.index("SHA-256")] == ""


@pytest.mark.browser
def test_it_goes_by_keyboard_says_what_failed_and_asks_again_without_reading_again(chromium, world, origin):
    page = browse(chromium, origin, lang="en", accept_downloads=True)
    page.goto(origin + "/verify/files/")
    page.locator("#f-files").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "many-ask"
    assert page.locator("#many-said").get_attribute("role") == "status"
    page.route("**/verify/files/", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    one = {"name": "a.pdf", "mimeType": "application/pdf", "buffer": world.held[0].data}
    page.locator("#f-files").set_input_files([one])
    assert finished(page) == "No connection now; the register was not asked."
    assert saved(page)[1][1] == "Not asked"
    page.unroute("**/verify/files/")
    page.locator("#many-again").focus()
    page.keyboard.press("Enter")
    page.locator("#many-said[data-outcome=done]").wait_for()
    assert saved(page)[1][1:4] == ["Valid", "Unchanged, and in force now.", world.held[0].number]
    assert page.locator("#many-again").is_hidden()
    page.evaluate(DROP, [["x.pdf"] * 51, [[1]] * 51])
    page.locator("#many-said[data-outcome=failed]").wait_for()
    assert page.locator("#many-said").inner_text() == "At most 50 at a time: please split them."
    page.context.close()


@pytest.mark.browser
def test_a_cell_is_never_a_formula(chromium, origin):
    page = browse(chromium, origin)
    page.goto(origin + "/verify/files/")
    texts = [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        " =1",
        "＝1",
        "|calc",
        "%0",
        'a"b',
        "a,b",
        "a\nb",
        "公证书",
        "",
    ]
    made = page.evaluate(
        "async (texts) => { const {cell} = await import('/static/js/verify-many.js'); return texts.map(cell); }", texts
    )
    page.context.close()
    read = [next(csv.reader(io.StringIO(one, newline="")), [""])[0] for one in made]
    assert read[:10] == ["'" + one for one in texts[:10]]
    assert read[10:] == texts[10:]


@pytest.mark.browser
@pytest.mark.req("L01")
def test_the_page_can_be_used_by_everybody(chromium, world, origin):
    world.stand(world.held[1], Standing.REVOKED)
    world.stand(world.held[2], Standing.UNDER_REVIEW)
    long = "一份文件名特别特别长的公证书" * 4 + "-very-long-name-without-a-break" * 3 + ".pdf"

    def drop(page):
        contents = [list(one.data) for one in world.held] + [[1], []]
        page.evaluate(DROP, [["a.pdf", "b.pdf", "c.pdf", long, "e.pdf"], contents])
        finished(page)
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")

    looking = Looking(chromium, origin)
    looking.at("verify-many", "/verify/files/")
    looking.at("verify-many-done", "/verify/files/", then=drop)
    looking.found_nothing()
