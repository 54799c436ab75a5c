"""In a real Chromium: no accessibility fault, no sideways scroll, targets that a finger finds, nothing without script."""

import os
import shutil
import threading

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server

from notary.app import create_app

PAGES = (
    "/", "/matters/guarantor-consent", "/guide",
    "/guide?what=will", "/check", "/call", "/visit", "/status", "/privacy", "/accessibility", "/fees", "/complaints",
    "/preferences", "/nothing-here", "/login", "/staff/login",
)  # fmt: skip
EVERY = [(lang, look) for lang in ("zh", "en") for look in ("light", "dark", "elder")]
SEEN = EVERY if os.environ.get("LOOK") == "all" else [("zh", "light"), ("en", "dark"), ("zh", "elder")]
"""Every language in every look by `make look`; three of the six in every check."""
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}
SMALL = """() => [...document.querySelectorAll('a, button, input, select, textarea, summary')].filter(e => {
  const box = e.getBoundingClientRect();
  const inText = getComputedStyle(e).display === 'inline';
  return box.width && !inText && e.type !== 'radio' && e.type !== 'checkbox' && !e.classList.contains('yz-skip')
    && e.tagName !== 'SUMMARY' && box.height < %d;
}).map(e => e.outerHTML.slice(0, 90) + ' ' + e.getBoundingClientRect().height)"""
TINY = """() => [...document.querySelectorAll('body *')].filter(e => {
  const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  return own && !e.closest('svg') && e.getClientRects().length && parseFloat(getComputedStyle(e).fontSize) < %d;
}).map(e => e.textContent.trim().slice(0, 40) + ' ' + getComputedStyle(e).fontSize)"""

pytestmark = pytest.mark.browser


FAKE_DEVICES = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]


@pytest.fixture(scope="module")
def playwright():
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def chromium(playwright):
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    yield browser
    browser.close()


@pytest.fixture
def with_camera(playwright):
    """A Chromium whose camera and microphone are its own test pattern and beep."""
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", *FAKE_DEVICES])
    yield browser
    browser.close()


@pytest.fixture
def origin(parts):
    server = make_server("127.0.0.1", 0, create_app(parts), threaded=True)
    runner = threading.Thread(target=server.serve_forever, daemon=True)
    runner.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    runner.join()
    server.server_close()


def open_as(chromium, origin, lang, look, width, **options):
    context = chromium.new_context(viewport={"width": width, "height": 800}, reduced_motion="reduce", **options)
    chosen = {"lang": lang, "theme": "dark" if look == "dark" else "light", "size": look}
    context.add_cookies([{"name": k, "value": v, "url": origin} for k, v in chosen.items()])
    return context


@pytest.mark.req("L01")
@pytest.mark.parametrize(("lang", "look"), SEEN)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(chromium, origin, lang, look):
    axe, faults = Axe(), []
    context = open_as(chromium, origin, lang, look, 390)
    page = context.new_page()
    for path in PAGES:
        page.goto(origin + path)
        found = axe.run(page, options=RULES).response["violations"]
        faults += [f"{path}: {v['id']}: {v['nodes'][0]['html'][:120]}" for v in found]
        assert page.locator("h1").count() == 1, path
        assert page.title().strip(" –"), path
        assert page.get_attribute("html", "lang") == {"zh": "zh-CN", "en": "en"}[lang]
        for width in (320, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                faults.append(f"{path}: {wide} wide at {width}")
        page.set_viewport_size({"width": 390, "height": 800})
    context.close()

    assert not faults, "\n".join(faults)


@pytest.mark.req("L02")
@pytest.mark.parametrize(("look", "target", "letters"), [("light", 44, 14), ("elder", 60, 24)])
def test_targets_and_letters_are_large_enough(chromium, origin, look, target, letters):
    context = open_as(chromium, origin, "zh", look, 390)
    page = context.new_page()
    faults = []
    for path in PAGES:
        page.goto(origin + path)
        faults += [f"{path}: {one}" for one in page.evaluate(SMALL % target)]
        faults += [f"{path}: {one}" for one in page.evaluate(TINY % letters)]
    context.close()

    assert not faults, "\n".join(faults)


def test_the_pages_work_with_script_switched_off(chromium, origin):
    context = open_as(chromium, origin, "zh", "light", 390, java_script_enabled=False)
    page = context.new_page()
    page.goto(origin + "/guide")
    for label in ("请别人替我办事", "没有关系", "在国内", "能，自己办"):
        page.get_by_label(label).check(force=True)
        page.get_by_role("button", name="下一步").click()
    assert page.locator("h1").inner_text() == "能在网上办"
    page.get_by_role("link", name="看看要准备什么").click()
    assert page.locator("h1").inner_text() == "委托书"
    page.get_by_role("link", name="English").click()
    assert page.locator("h1").inner_text() == "Power of attorney"
    context.close()


def test_the_console_stays_quiet_and_nothing_comes_from_elsewhere(chromium, origin):
    context = open_as(chromium, origin, "en", "light", 390)
    page = context.new_page()
    said, asked = [], []
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("request", lambda r: asked.append(r.url))
    for path in ("/", "/matters/declaration", "/guide"):
        page.goto(origin + path)
    context.close()

    assert not said
    assert all(url.startswith(origin) for url in asked)


def test_all_of_it_can_be_reached_with_the_keyboard(chromium, origin):
    context = open_as(chromium, origin, "zh", "light", 1280)
    page = context.new_page()
    page.goto(origin + "/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "yz-skip"
    page.keyboard.press("Enter")
    wanted = page.locator("main a, main button, main input:not([type=hidden])").count()
    reached = set()
    for _ in range(wanted + 20):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.closest('main') ? document.activeElement.outerHTML : ''"))
    context.close()

    assert len(reached - {""}) == wanted


@pytest.mark.req("C01")
def test_the_device_check_says_what_holds_for_a_camera_that_works_and_one_that_is_refused(with_camera, origin):
    context = with_camera.new_context(viewport={"width": 390, "height": 800}, locale="zh-CN")
    page = context.new_page()
    page.goto(origin + "/check")
    camera = page.locator("[data-check=camera]")
    camera.get_by_role("button").click()
    camera.get_by_text("好", exact=True).wait_for()
    assert page.evaluate("document.querySelector('video').videoWidth") > 0
    page.locator("[data-check=microphone]").get_by_role("button").click()
    page.locator("[data-check=microphone]").get_by_text("好", exact=True).wait_for()
    context.close()


def test_a_refused_camera_gets_words_and_a_way_on(chromium, origin):
    context = chromium.new_context(viewport={"width": 390, "height": 800}, locale="zh-CN", permissions=[])
    page = context.new_page()
    page.goto(origin + "/check")
    page.locator("[data-check=camera]").get_by_role("button").click()
    page.locator("[data-check=camera]").get_by_text("没试成", exact=True).wait_for()
    assert page.get_by_role("link", name="请打给我").first.is_visible()
    context.close()
