"""`make try`: the office, a dozen cases, and two Chromium windows side by side, so that one person can play all parts."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import pyotp
from playwright.sync_api import Browser, Playwright, sync_playwright

from notary.demo import papers
from notary.demo.cast import FLAGS, Somebody, Staff, chromium
from notary.demo.dozen import Dozen
from notary.demo.passkey import SoftPasskey
from notary.demo.stage import Stage, home_for
from notary.demo.visitor import Caller, Officer
from notary.settings import CHECKOUT
from notary.up import answers

OUT = CHECKOUT / "var" / "try"
PROPS = (Path(__file__).parent / "props.js").read_text()
PHONE = "13800138000"
NARROW, WIDE, HEIGHT = 500, 1280, 900
"""Pixels of the windows: Chromium makes none narrower than 500; the desk takes what is left of the screen."""
SIGNERS = {"chenjing": "陈静", "liyuan": "李远"}
DECIDERS = ("wangshu", "zhaoheng")
LATER = ("hejie", "zhoumin")
"""Those whose one-time links stay for the person who tries."""
QUIET = 0.04
HELP = """
Commands:  open NAME   that person's window, logged in (their passkey is in it)
           code NAME   the number of the day for a login by hand (password below)
           who         everybody, with password and, where nobody has used it, the one-time link
           quit        ends it all
"""


@dataclass
class Cast:
    """Who works here: `officers` are enrolled already; `keys` are the passkeys that their windows get."""

    officers: dict[str, Officer] = field(default_factory=dict)
    keys: dict[str, SoftPasskey] = field(default_factory=dict)


def main() -> int:
    """Runs until `quit` or a signal. Exit 2 where there is no screen, or something on the port already."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        print(
            "make try opens two windows and found no screen (DISPLAY). `make up` runs the office without.",
            file=sys.stderr,
        )
        return 2
    home, port = os.environ.get("HOME_DIR"), int(os.environ.get("PORT", "8000"))
    if answers(port):
        print(
            f"Something answers on port {port} already: end it first (`make up` and `make try` take the same).",
            file=sys.stderr,
        )
        return 2
    signal.signal(signal.SIGTERM, _end)
    shutil.rmtree(OUT, ignore_errors=True)
    props = papers.make(OUT)
    with Stage(Path(home) if home else home_for("try"), port) as stage, sync_playwright() as play:
        cast = enrol(stage)
        applicant = Caller(stage.url).log_in(PHONE)
        dozen = Dozen(stage.url, OUT, cast.officers, lambda said: print(f"  {said}", flush=True))
        print("\nMaking the first cases:")
        dozen.first(applicant)
        windows = Windows(play, stage, cast, props)
        windows.applicant(applicant)
        windows.open("chenjing")
        greet(stage)
        made = threading.Thread(target=make_the_rest, args=(dozen,), daemon=True)
        made.start()
        try:
            listen(windows, stage)
        except KeyboardInterrupt:
            print()
        finally:
            windows.close()
    return 0


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def enrol(stage: Stage) -> Cast:
    """Everybody whom the cases need, through the links and codes that the first run printed."""
    cast = Cast()

    def come(login: str, link: str) -> Officer:
        cast.officers[login] = Officer(stage.url, login, secrets.token_urlsafe(9)).enrol(link)
        return cast.officers[login]

    admin = come("guanli", stage.links["guanli"])
    page = admin.form("/staff/people", {"login": "zhaoheng", "name": "赵衡", "role": "approver"}).text
    admin.form("/desk/face-assessment", papers.ASSESSMENT)
    second = page.partition('id="enrol-link">')[2].partition("<")[0].strip()
    for login in (*SIGNERS, *DECIDERS):
        person = come(login, stage.links.get(login, second))
        person.add_passkey(stage.code_for(SIGNERS[login]) if login in SIGNERS else "")
        cast.keys[login] = person.add_passkey()
    return cast


def make_the_rest(dozen: Dozen) -> None:
    try:
        dozen.rest()
        print("\nAll cases are there.", flush=True)
    except Exception as error:  # noqa: BLE001 (the windows stay usable; what is missing is said)
        print(f"\nNot every case could be made: {error}", file=sys.stderr, flush=True)


def greet(stage: Stage) -> None:
    print(f"""
Left: the applicant 样本甲, with a photo for a camera and a video interview that is booked; her messages are in the second tab.
Right: the notary 陈静, with a passkey in the window. Open the case of 样本甲 and choose the interview.
To file anew: {stage.url}, phone {PHONE}, papers in {OUT}.
More cases are being made and appear by themselves. One-time links that nobody has used:
""")
    for login in LATER:
        print(f"  {login:10} {stage.links[login]}")
    print(HELP, flush=True)


def listen(windows: Windows, stage: Stage) -> None:
    for line in sys.stdin:
        verb, _, name = line.strip().partition(" ")
        match verb:
            case "quit" | "exit":
                return
            case "open" if name in windows.known():
                windows.open(name)
                print(f"{name}'s window is open", flush=True)
            case "code" if name in windows.cast.officers:
                print(pyotp.TOTP(windows.cast.officers[name].secret).now(), flush=True)
            case "who":
                for login, one in windows.cast.officers.items():
                    print(f"  {login:10} {one.password}")
                for login in set(LATER) - set(windows.cast.officers):
                    print(f"  {login:10} {stage.links[login]}", flush=True)
            case _:
                print(f"Names: {', '.join(windows.known())}{HELP}", flush=True)
    while stage.runs():  # no more input, as when started without a terminal: the windows stay until a signal
        time.sleep(1)


class Windows:
    """Chromium on the screen: one for the applicant's phone, one for the desk, where each person has a window."""

    def __init__(self, play: Playwright, stage: Stage, cast: Cast, props: papers.Props) -> None:
        self.stage, self.cast, self.props = stage, cast, props
        self._phone = self._launch(play, 0, NARROW)
        screen = self._phone.new_page(no_viewport=True)
        left = max(screen.evaluate("screen.availWidth") - NARROW, 0)
        screen.context.close()
        self._desk = self._launch(play, NARROW, min(left, WIDE) or WIDE)

    @staticmethod
    def _launch(play: Playwright, left: int, width: int) -> Browser:
        flags = [one for one in FLAGS if one != "--mute-audio"]
        place = [f"--window-position={left},0", f"--window-size={width},{HEIGHT}", "--disable-features=Translate"]
        return play.chromium.launch(executable_path=chromium(), headless=False, args=[*flags, *place])

    def known(self) -> list[str]:
        return [*self.cast.officers, *(one for one in LATER if one not in self.cast.officers)]

    def applicant(self, caller: Caller) -> None:
        shape = {"no_viewport": True, "locale": "zh-CN", "timezone_id": "Asia/Shanghai"}
        someone = Somebody(self._phone, self.stage.url, shape, OUT, "applicant")
        p = self.props
        someone.camera({"face": p.applicant, "front": p.front, "back": p.back, "stranger": p.stranger}, 440, QUIET)
        names = [("face", "镜头前：本人"), ("front", "身份证正面"), ("back", "身份证背面"), ("stranger", "换一个人")]
        someone.context.add_init_script(PROPS.replace('"@NAMES@"', json.dumps(names, ensure_ascii=False)))
        someone.context.add_cookies(caller.cookies())  # type: ignore[arg-type]
        someone.go("/my")
        messages = someone.context.new_page()
        messages.goto(f"{self.stage.url}/outbox")
        someone.page.bring_to_front()

    def open(self, login: str) -> None:
        """A window for this person: logged in, a face for the camera, the passkey in an authenticator of the tab."""
        shape = {"no_viewport": True, "locale": "zh-CN", "timezone_id": "Asia/Shanghai"}
        if login not in self.cast.officers:
            self.cast.officers[login] = Officer(self.stage.url, login, secrets.token_urlsafe(9)).enrol(
                self.stage.links[login]
            )
        officer = self.cast.officers[login]
        person = Staff(self._desk, self.stage.url, shape, OUT, login)
        person.camera({"face": self.props.notary}, 660, QUIET)
        person.authenticator(self.cast.keys.get(login))
        person.password, person.secret = officer.password, officer.secret
        person.context.add_cookies(officer.cookies())  # type: ignore[arg-type]
        person.go("/staff/")
        if "/login" in person.page.url:  # shut since: fifteen quiet minutes, or a log-out
            person.log_in(login)
        person.page.bring_to_front()

    def close(self) -> None:
        for browser in (self._phone, self._desk):
            browser.close()
