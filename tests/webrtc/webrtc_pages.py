"""Real pages with the shipped module, and what the portal does for them; the browsers are the tests'."""

import dataclasses
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from webrtc_parties import LEGS
from webrtc_path import Way

from webrtc.errors import MediaError, NoSuchRoom, NothingToRestart, SeatTaken, Unreachable

HERE = Path(__file__).parent
SCRIPTS = HERE.parents[1] / "static" / "js"
FLAGS = [
    "--no-sandbox",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-gpu",
    "--mute-audio",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
]
COLOURS = {"applicant": "red", "notary": "blue"}
PAGE = b"""<!doctype html><meta charset=utf-8><title>call</title>
<video id=local></video><video id=remote></video><script src=/camera.js></script><script type=module src=/page.js></script>"""
GLUE = b"""
import { Call } from "/js/call.js";
const q = new URLSearchParams(location.search);
const call = new Call({ url: "/offer/" + q.get("leg"), csrf: "token", relay: q.get("relay"), local: document.querySelector("#local"),
  remote: document.querySelector("#remote") });
window.call = call;
window.told = [];
for (const name of ["state", "event", "health"])
  call.addEventListener(name, (e) => window.told.push({ name, at: Date.now(), ...e.detail }));
call.start();
"""


class Office:
    """What the portal does for a page: hands out the module and passes the offer on."""

    def __init__(self, worker, key, room, host="127.0.0.1"):
        office = self
        self.reopened = 0
        self.relays = []  # what a page is told of them
        self.lead = lambda leg, answer: answer

        class Desk(BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.split("?")[0]
                script = re.fullmatch(r"/js/([a-z-]+\.js)", path)
                if script:
                    return self.reply(200, (SCRIPTS / script[1]).read_bytes(), "text/javascript")
                if path == "/relay":
                    return self.reply(200, json.dumps(office.relays).encode())
                if path == "/camera.js":
                    drawn = "colour=" in self.headers.get("Referer", "")
                    body = (HERE / "camera.js").read_bytes() if drawn else b""
                    return self.reply(200, body, "text/javascript")
                return self.reply(200, *((PAGE, "text/html") if path == "/" else (GLUE, "text/javascript")))

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.headers["X-CSRFToken"] != "token":
                    return self.reply(403, b"{}")
                leg = self.path.rsplit("/", 1)[1]
                try:
                    answer = office.lead(leg, office.offer(worker.client, room, key, leg, body))
                except (NothingToRestart, NoSuchRoom, SeatTaken) as error:
                    gone = "replaced" if isinstance(error, SeatTaken) else "over"
                    return self.reply(200, json.dumps({"gone": gone}).encode())
                except Unreachable:
                    return self.reply(503, b"{}")
                except MediaError as error:
                    return self.reply(409, json.dumps({"code": error.code}).encode())
                return self.reply(200, json.dumps({"sdp": answer.sdp, "type": answer.type}).encode())

            def reply(self, status, body, kind="application/json"):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Security-Policy", "default-src 'self'; script-src 'self'; object-src 'none'")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer((host, 0), Desk)
        self.url = f"http://{host}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def offer(self, client, room, key, leg, body):
        if body["restart"]:
            return client.restart(room, leg, body["sdp"])
        try:
            return client.offer(room, leg, body["sdp"], body["type"])
        except NoSuchRoom:
            client.open_room(room, key, LEGS)
            self.reopened += 1
            return client.offer(room, leg, body["sdp"], body["type"])


class Ways:
    """The newest way of each leg; every answer leads over one of its own, as if the page had changed its network.

    `lines`: what the ways of a leg are like.
    """

    def __init__(self, office, lines=None):
        self._lines = lines or {}
        self._newest: dict[str, Way] = {}
        self._made: list[Way] = []
        office.lead = self._lead

    def __getitem__(self, leg) -> Way:
        return self._newest[leg]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for way in self._made:
            way.close()

    def _lead(self, leg, answer):
        way, sdp = Way.before(answer.sdp, self._lines.get(leg))
        self._newest[leg] = way
        self._made.append(way)
        return dataclasses.replace(answer, sdp=sdp)


def chromium(play, path="/usr/bin/chromium", secure=""):
    """A headless Chromium that calls on the loopback; `secure`: an origin that may use the camera though it is http."""
    flags = [*FLAGS, f"--unsafely-treat-insecure-origin-as-secure={secure}"] if secure else FLAGS
    return play.chromium.launch(executable_path=path, headless=True, args=flags)


def sees_the_other(page, timeout=20000):
    page.wait_for_function(
        "() => call.state === 'live' && document.querySelector('#remote').currentTime > 0.5", timeout=timeout
    )


def far_colour(page) -> tuple[int, int, int]:
    return tuple(
        page.evaluate(
            """() => { const c = document.createElement('canvas'); c.width = 64; c.height = 48;
            const p = c.getContext('2d'); p.drawImage(document.querySelector('#remote'), 0, 0, 64, 48);
            return [...p.getImageData(32, 20, 1, 1).data].slice(0, 3); }"""
        )
    )


def segments(worker) -> dict:
    return {leg: said["segment"] for leg, said in worker.client.status("room")["legs"].items()}


def longest_freeze(page, seconds) -> float:
    """Longest time without a new picture at `page`, in seconds."""
    shown = "document.querySelector('#remote').getVideoPlaybackQuality().totalVideoFrames"
    worst, seen, last = 0.0, page.evaluate(shown), time.monotonic()
    end = last + seconds
    while time.monotonic() < end:
        now = page.evaluate(shown)
        if now != seen:
            worst, seen, last = max(worst, time.monotonic() - last), now, time.monotonic()
        time.sleep(0.02)
    return max(worst, time.monotonic() - last)
