"""In a real Chromium: no accessibility fault, no sideways scroll, targets that a finger finds, nothing without script."""

import pytest

from notary.app import create_app
from tests.looking import FAKE_DEVICES, SEEN, browse, faults_of, running_chromium, served

PAGES = (
    "/", "/matters/guarantor-consent", "/guide",
    "/guide?what=will", "/check", "/call", "/visit", "/status", "/privacy", "/accessibility", "/fees", "/complaints",
    "/preferences", "/nothing-here", "/login", "/staff/login",
)  # fmt: skip
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


@pytest.fixture
def with_camera(chromium):
    """Another whose camera and microphone are its own test pattern and beep."""
    with running_chromium(*FAKE_DEVICES, beside=chromium) as browser:
        yield browser


@pytest.fixture
def origin(parts):
    with served(create_app(parts)) as address:
        yield address


@pytest.mark.req("L01")
@pytest.mark.parametrize(("lang", "look"), SEEN)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(chromium, origin, lang, look):
    faults = []
    page = browse(chromium, origin, lang=lang, look=look)
    for path in PAGES:
        page.goto(origin + path)
        faults += faults_of(page, "public" + path.replace("/", "-").partition("?")[0], lang, look)
    page.context.close()

    assert not faults, "\n".join(faults)


@pytest.mark.req("L02")
@pytest.mark.parametrize(("look", "target", "letters"), [("light", 44, 14), ("elder", 60, 24)])
def test_targets_and_letters_are_large_enough(chromium, origin, look, target, letters):
    page = browse(chromium, origin, lang="zh", look=look)
    faults = []
    for path in PAGES:
        page.goto(origin + path)
        faults += [f"{path}: {one}" for one in page.evaluate(SMALL % target)]
        faults += [f"{path}: {one}" for one in page.evaluate(TINY % letters)]
    page.context.close()

    assert not faults, "\n".join(faults)


def test_the_pages_work_with_script_switched_off(chromium, origin):
    page = browse(chromium, origin, lang="zh", look="light", java_script_enabled=False)
    page.goto(origin + "/guide")
    for label in ("请别人替我办事", "没有关系", "在国内", "能，自己办"):
        page.get_by_label(label).check(force=True)
        page.get_by_role("button", name="下一步").click()
    assert page.locator("h1").inner_text() == "能在网上办"
    page.get_by_role("link", name="看看要准备什么").click()
    assert page.locator("h1").inner_text() == "委托书"
    page.get_by_role("link", name="English").click()
    assert page.locator("h1").inner_text() == "Power of attorney"
    page.context.close()


def test_the_console_stays_quiet_and_nothing_comes_from_elsewhere(chromium, origin):
    page = browse(chromium, origin, lang="en", look="light")
    said, asked = [], []
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("request", lambda r: asked.append(r.url))
    for path in ("/", "/matters/declaration", "/guide"):
        page.goto(origin + path)
    page.context.close()

    assert not said
    assert all(url.startswith(origin) for url in asked)


def test_all_of_it_can_be_reached_with_the_keyboard(chromium, origin):
    page = browse(chromium, origin, lang="zh", look="light", width=1280)
    page.goto(origin + "/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "yz-skip"
    page.keyboard.press("Enter")
    wanted = page.locator("main a, main button, main input:not([type=hidden])").count()
    reached = set()
    for _ in range(wanted + 20):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.closest('main') ? document.activeElement.outerHTML : ''"))
    page.context.close()

    assert len(reached - {""}) == wanted


@pytest.mark.req("C01")
def test_the_device_check_says_what_holds_for_a_camera_that_works_and_one_that_is_refused(with_camera, origin):
    page = browse(with_camera, origin)
    page.goto(origin + "/check")
    camera = page.locator("[data-check=camera]")
    camera.get_by_role("button").click()
    camera.get_by_text("好", exact=True).wait_for()
    assert page.evaluate("document.querySelector('video').videoWidth") > 0
    page.locator("[data-check=microphone]").get_by_role("button").click()
    page.locator("[data-check=microphone]").get_by_text("好", exact=True).wait_for()
    page.context.close()


def test_a_refused_camera_gets_words_and_a_way_on(chromium, origin):
    page = browse(chromium, origin, permissions=[])
    page.goto(origin + "/check")
    page.locator("[data-check=camera]").get_by_role("button").click()
    page.locator("[data-check=camera]").get_by_text("没试成", exact=True).wait_for()
    assert page.get_by_role("link", name="请打给我").first.is_visible()
    page.context.close()
