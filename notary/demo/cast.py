"""The people of the demo and their browsers. They see pages and printed output, and nothing else."""

from __future__ import annotations

import base64
import json
import re
import secrets
import shutil
import time
from pathlib import Path
from typing import Any

import pyotp
from playwright.sync_api import Browser, BrowserContext, Page, Playwright
from playwright.sync_api import Error as PlaywrightError

from notary.demo.passkey import SoftPasskey

CAMERA = (Path(__file__).parent / "camera.js").read_text()
FLAGS = [
    "--no-sandbox",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-gpu",
    "--mute-audio",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PHONE = {"viewport": {"width": 390, "height": 844}, "locale": "zh-CN", "timezone_id": "Asia/Shanghai"}
DESK = {"viewport": {"width": 1280, "height": 800}, "locale": "zh-CN", "timezone_id": "Asia/Shanghai"}


def chromium() -> str:
    """The browser that Debian's package installs. Raises RuntimeError with what to do."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        raise RuntimeError("Chromium is missing: run `make tools`")
    return found


def launch(play: Playwright) -> Browser:
    return play.chromium.launch(executable_path=chromium(), headless=True, args=FLAGS)


class Somebody:
    """One person with a browser context of the own; `page` is the tab in front of them."""

    def __init__(self, browser: Browser, url: str, shape: dict[str, Any], screens: Path, name: str) -> None:
        self.context: BrowserContext = browser.new_context(**shape)
        self.context.set_default_timeout(30_000)
        self.page: Page = self.context.new_page()
        self.url, self.screens, self.name = url, screens, name
        self.trouble: list[str] = []
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("console", lambda line: self._heard(line.type, line.text, line.location.get("url", "")))

    def _heard(self, kind: str, text: str, where: str) -> None:
        if kind == "error":
            self.trouble.append(f"{text} {where.removeprefix(self.url)}")

    def go(self, path: str) -> None:
        try:
            self.page.goto(path if path.startswith("http") else self.url + path)
        except PlaywrightError as cut:
            # on a slow machine the page was still on its own way to the same address
            if "interrupted by another navigation" not in str(cut):
                raise
            self.page.wait_for_load_state()

    def screen(self, title: str) -> None:
        """Keeps what stands on the screen."""
        self.page.screenshot(path=str(self.screens / f"{title}.png"), full_page=True)

    def press(self, words: str) -> None:
        """Presses the button or link with these words."""
        self.page.get_by_role("button", name=words, exact=False).or_(
            self.page.get_by_role("link", name=words, exact=False)
        ).first.click()

    def wait_for(self, selector: str, seconds: float = 30) -> None:
        self.page.wait_for_selector(selector, timeout=seconds * 1000)

    def camera(self, pictures: dict[str, Path], pitch: int, loud: float = 1.0) -> None:
        """Puts the acting camera in for this person's; the first picture is shown at the start."""
        data = {
            name: f"data:image/{'png' if path.suffix == '.png' else 'jpeg'};base64,"
            + base64.b64encode(path.read_bytes()).decode()
            for name, path in pictures.items()
        }
        script = CAMERA.replace('"@PICTURES@"', json.dumps(data)).replace("@PITCH@", str(pitch))
        script = script.replace("@LOUD@", str(loud))
        self.context.add_init_script(script)

    def show(self, picture: str) -> None:
        self.page.evaluate("name => window.actingCamera.show(name)", picture)


class Staff(Somebody):
    """A member of the staff: sets a password and TOTP by the printed link, a passkey by a virtual authenticator."""

    secret = ""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.password = secrets.token_urlsafe(15)

    def authenticator(self, passkey: SoftPasskey | None = None) -> None:
        """A passkey device in this tab; `passkey`: a credential that it holds already."""
        wire = self.context.new_cdp_session(self.page)
        wire.send("WebAuthn.enable")
        made = wire.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
                    "isUserVerified": True, "automaticPresenceSimulation": True,
                }
            },
        )  # fmt: skip
        if passkey:
            wire.send(
                "WebAuthn.addCredential",
                {"authenticatorId": made["authenticatorId"], "credential": passkey.exported()},
            )

    def enrol(self, link: str) -> None:
        self.go(link)
        self.secret = self.page.inner_text("#totp-secret").strip()
        self.page.fill("#f-password", self.password)
        self.page.fill("#f-again", self.password)
        self.page.fill("#f-code", pyotp.TOTP(self.secret).now())
        self.press("设好了")
        self.page.wait_for_url(re.compile("/staff/(passkeys|$)"))

    def add_passkey(self, code: str = "") -> None:
        self.go("/staff/passkeys")
        if code:
            self.page.fill("#f-code", code)
        self.page.click("#passkey-add")
        self.page.wait_for_url(re.compile("/staff/$"))

    def log_in(self, login: str) -> None:
        """Comes in again by password and the next TOTP code (one code serves once)."""
        self.go("/staff/login")
        self.page.fill("#f-login", login)
        self.page.fill("#f-password", self.password)
        self.press("下一步")
        self.page.fill("#f-code", fresh_code(self.secret))
        self.press("登录")


def fresh_code(secret: str) -> str:
    """A TOTP code of a step that cannot have been used just now."""
    totp = pyotp.TOTP(secret)
    before = totp.now()
    while totp.now() == before:
        time.sleep(0.5)
    return totp.now()


def newest_message(reader: Page, url: str, to: str, containing: str) -> str:
    """The newest text message to a number, as the outbox page shows it. Raises LookupError."""
    for _try in range(40):
        reader.goto(url + "/outbox")
        for one in reader.query_selector_all(f'#outbox li[data-to="{to}"]'):
            text = one.inner_text()
            if containing in text:
                return text
        time.sleep(0.25)
    raise LookupError(f"no message to {to} with {containing!r}")
