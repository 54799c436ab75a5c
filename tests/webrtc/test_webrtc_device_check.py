"""The device check in a real browser: every outcome can be told apart, and each check has a way out."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
SCRIPT = Path(__file__).parents[2] / "static" / "js" / "device-check.js"
FLAGS = ["--no-sandbox", "--disable-gpu", "--mute-audio", "--autoplay-policy=no-user-gesture-required"]
SECTION = """<section data-check="{0}"><p data-when="passed">passed</p><p data-when="failed">failed</p>
<p data-when="failed:denied failed:silent">why</p><button data-start>start</button>
<button data-skip>skip</button>{1}</section>"""
PAGE = "<!doctype html><meta charset=utf-8><title>check</title>" + "".join(
    SECTION.format(name, inside)
    for name, inside in (
        ("camera", "<video data-preview></video>"),
        ("microphone", "<meter data-level min=0 max=1></meter>"),
        ("speaker", "".join(f"<button data-number={n}>{n}</button>" for n in range(1, 5))),
        ("network", ""),
    )
)
GLUE = """
import { DeviceCheck } from "/device-check.js";
window.told = [];
const limits = { camera: 4000, microphone: 6000, speaker: 1500, network: 1000 };
const network = () => new Promise((done) => { window.network = done; });
window.check = new DeviceCheck({ root: document, network, limits });
for (const name of ["result", "done"]) check.addEventListener(name, (e) => told.push({ name, ...e.detail }));
"""


class Desk(BaseHTTPRequestHandler):
    def do_GET(self):
        body, kind = {
            "/": (PAGE + "<script type=module src=/glue.js></script>", "text/html"),
            "/glue.js": (GLUE, "text/javascript"),
            "/device-check.js": (SCRIPT.read_text(), "text/javascript"),
        }.get(self.path, ("", "text/plain"))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", "default-src 'self'; script-src 'self'")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        flags = [*FLAGS, "--use-fake-device-for-media-stream"]
        opened = play.chromium.launch(executable_path="/usr/bin/chromium", headless=True, args=flags)
        yield opened
        opened.close()


def page_of(browser, site, allowed=("camera", "microphone"), script=""):
    context = browser.new_context(permissions=list(allowed))
    page = context.new_page()
    page.add_init_script(script or "0")
    page.goto(site)
    page.wait_for_function("() => window.check")
    return page


def outcome(page, name, timeout=12000):
    page.wait_for_function(
        "(n) => !['waiting', 'running'].includes(document.querySelector(`[data-check=${n}]`).dataset.state)",
        arg=name,
        timeout=timeout,
    )
    section = page.locator(f"[data-check={name}]")
    return section.get_attribute("data-state"), section.get_attribute("data-code")


def start(page, name):
    page.locator(f"[data-check={name}] [data-start]").click()


@pytest.mark.req("C01")
def test_working_devices_pass_and_the_answer_to_the_tones_is_checked(browser, site):
    page = page_of(
        browser,
        site,
        script="window.tones = 0; const start = OscillatorNode.prototype.start;"
        "OscillatorNode.prototype.start = function (...a) { tones += 1; return start.apply(this, a); };",
    )
    start(page, "camera")
    assert outcome(page, "camera") == ("passed", "")
    start(page, "microphone")
    assert outcome(page, "microphone") == ("passed", "")
    start(page, "speaker")
    page.wait_for_function("() => window.tones > 0")
    page.locator(f"[data-number='{page.evaluate('tones')}']").click()
    assert outcome(page, "speaker") == ("passed", "")
    start(page, "network")
    page.wait_for_function("() => window.network")
    page.evaluate("network({ passed: false, code: 'slow', measured: { kbps: 80 } })")
    assert outcome(page, "network") == ("failed", "slow")
    told = page.evaluate("told")
    assert [t["name"] for t in told] == ["result"] * 4 + ["done"]
    assert told[0]["measured"]["width"] == 640
    assert page.locator("[data-check=camera] [data-when=passed]").is_visible()
    assert not page.locator("[data-check=camera] [data-when=failed]").is_visible()
    assert not page.locator("[data-check=network] [data-when^='failed:denied']").is_visible()
    page.context.close()


@pytest.mark.req("C01")
def test_denied_silent_missing_and_unanswered_are_told_apart_and_can_be_skipped(browser, site):
    denied = page_of(browser, site, allowed=())
    start(denied, "camera")
    assert outcome(denied, "camera") == ("failed", "denied")
    assert denied.locator("[data-check=camera] [data-when^='failed:denied']").is_visible()
    start(denied, "speaker")
    assert outcome(denied, "speaker") == ("failed", "timeout")
    start(denied, "network")
    assert outcome(denied, "network") == ("failed", "timeout")
    denied.locator("[data-check=microphone] [data-skip]").click()
    assert outcome(denied, "microphone") == ("skipped", "")
    assert denied.evaluate("told.at(-1).name") == "done"
    denied.context.close()

    silent = page_of(
        browser,
        site,
        script="const silence = async () => new AudioContext().createMediaStreamDestination().stream;"
        "navigator.mediaDevices.getUserMedia = silence;",
    )
    start(silent, "microphone")
    assert outcome(silent, "microphone") == ("failed", "silent")
    assert silent.evaluate("check.results.microphone.measured.zero") is True
    silent.context.close()

    missing = page_of(
        browser,
        site,
        script="const none = async () => { throw new DOMException('', 'NotFoundError'); };"
        "navigator.mediaDevices.getUserMedia = none;",
    )
    start(missing, "camera")
    assert outcome(missing, "camera") == ("failed", "missing")
    missing.context.close()


def test_the_modules_hold_no_word_and_no_markup():
    for name in ("call.js", "device-check.js"):
        code = re.sub(r"/\*.*?\*/|//.*", "", (SCRIPT.parent / name).read_text(), flags=re.DOTALL)
        for trace in ("innerHTML", "eval(", "textContent", ".style", "document.write"):
            assert trace not in code
        assert re.findall(r"[一-鿿]", code) == []
