"""A look at a page in a real Chromium: axe finds nothing, nothing scrolls sideways, and SHOTS=folder keeps a picture."""

import os
import shutil
import threading
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "resultTypes": ["violations"],
}
EVERY = [(lang, look) for lang in ("zh", "en") for look in ("light", "dark", "elder")]
ASKED = os.environ.get("LOOK", "")
SEEN = {"": [("zh", "light"), ("en", "dark"), ("zh", "elder")], "all": EVERY}.get(ASKED) or [
    tuple(one.split("-")) for one in ASKED.split(",")
]
"""Every language in every look by `make look` (LOOK=all), three of the six in every check, or LOOK=en-light,zh-elder."""
SHOTS = os.environ.get("SHOTS")
WIDTHS = (1280, 320, 390)
TAGS = {"zh": "zh-CN", "en": "en"}
FAKE_DEVICES = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


@contextmanager
def running_chromium(*args, beside=None):
    """`beside`: another one that runs; Playwright itself can run but once."""
    if beside is None:
        with sync_playwright() as running, _launched(running.chromium, args) as browser:
            yield browser
    else:
        with _launched(beside.browser_type, args) as browser:
            yield browser


@contextmanager
def _launched(kind, args):
    browser = kind.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", *args])
    yield browser
    browser.close()


@contextmanager
def served(app):
    """The address at which a browser finds this application."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    runner = threading.Thread(target=server.serve_forever, daemon=True)
    runner.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    runner.join()
    server.server_close()


def browse(chromium, origin, client=None, lang="zh", look="light", width=390, **options):
    """A page of a browser that holds the cookies of `client`; `page.context.close()` ends it."""
    context = chromium.new_context(viewport={"width": width, "height": 800}, reduced_motion="reduce", **options)
    _hold(context, origin, client, lang, look)
    return context.new_page()


def _hold(context, origin, client, lang, look):
    chosen = {"lang": lang, "theme": "dark" if look == "dark" else "light", "size": look}
    for name in ("yz", "session"):
        if client and (kept := client.get_cookie(name)):
            chosen[name] = kept.value
    context.clear_cookies()
    context.add_cookies([{"name": k, "value": v, "url": origin} for k, v in chosen.items()])


def faults_of(page, name, lang, look, still=()):
    """What is wrong with the page that stands there. `still`: widths at which it must not scroll as a page."""
    said = f"{name} {lang} {look}"
    found = Axe().run(page, options=RULES).response["violations"]
    faults = [f"{said}: {v['id']}: {v['nodes'][0]['html'][:160]}" for v in found]
    if page.locator("h1").count() != 1:
        faults.append(f"{said}: {page.locator('h1').count()} h1")
    if page.get_attribute("html", "lang") != TAGS[lang] or not page.title().strip(" –"):
        faults.append(f"{said}: no language or no title")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        wide, high = page.evaluate("(e => [e.scrollWidth, e.scrollHeight])(document.documentElement)")
        if wide > width:
            faults.append(f"{said}: {wide} wide at {width}")
        if width in still and high > 800:
            faults.append(f"{said}: {high} high at {width}")
        if SHOTS and width != 320:
            page.wait_for_timeout(100)
            page.screenshot(path=f"{SHOTS}/{name}-{lang}-{look}-{width}.png", full_page=True)
    return faults


class Looking:
    """Goes from page to page, each in one of the looks in turn, and keeps what is wrong."""

    def __init__(self, chromium, origin):
        self.origin, self.faults, self.turn = origin, [], 0
        new = {"viewport": {"width": 390, "height": 800}, "reduced_motion": "reduce"}
        self.contexts = {seen: chromium.new_context(**new) for seen in SEEN}  # kept: each has its cache of style sheets

    def at(self, name, path, client=None, then=None, ready="h1", still=()):
        """`then(page)` goes on from the opened page to the one that is meant; `ready` is what says it stands."""
        looks = SEEN if ASKED else [SEEN[self.turn % len(SEEN)]]
        self.turn += 1
        for lang, look in looks:
            _hold(self.contexts[lang, look], self.origin, client, lang, look)
            page = self.contexts[lang, look].new_page()
            reply = page.goto(self.origin + path)
            page.locator(ready).first.wait_for(state="attached")
            if then:
                then(page)
            elif reply.status != 200:
                self.faults.append(f"{name}: {path} answered {reply.status}")
            self.faults += faults_of(page, name, lang, look, still)
            page.close()

    def found_nothing(self):
        faults, self.faults = self.faults, []
        assert not faults, "\n".join(faults)
