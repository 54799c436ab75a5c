"""Two real Chromium pages with the shipped module, through a real worker."""

import itertools
import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest
from webrtc_parties import LEGS

from webrtc.__main__ import export
from webrtc.errors import MediaError, NoSuchRoom, Unreachable

pytestmark = pytest.mark.browser
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
<video id=local></video><video id=remote></video><script type=module src=/page.js></script>"""
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

    def __init__(self, worker, key, room):
        office = self
        self.reopened = 0
        self.relays = []  # what a page is told of them

        class Desk(BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.split("?")[0]
                script = re.fullmatch(r"/js/([a-z-]+\.js)", path)
                body, kind = (PAGE, "text/html") if path == "/" else (GLUE, "text/javascript")
                if script:
                    body, kind = (SCRIPTS / script[1]).read_bytes(), "text/javascript"
                elif path == "/relay":
                    body, kind = json.dumps(office.relays).encode(), "application/json"
                self.reply(200, body, kind)

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.headers["X-CSRFToken"] != "token":
                    return self.reply(403, b"{}")
                leg = self.path.rsplit("/", 1)[1]
                try:
                    answer = office.offer(worker.client, room, key, leg, body)
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

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def offer(self, client, room, key, leg, body):
        try:
            return client.offer(room, leg, body["sdp"], body["type"])
        except NoSuchRoom:
            client.open_room(room, key, LEGS)
            self.reopened += 1
            return client.offer(room, leg, body["sdp"], body["type"])


@pytest.fixture
def office(worker, key) -> Iterator[Office]:
    desk = Office(worker, key, "room")
    yield desk
    desk.server.shutdown()


@pytest.fixture
def pages(office) -> Iterator[dict]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", headless=True, args=FLAGS)
        opened = {}
        for leg, colour in COLOURS.items():
            page = browser.new_context().new_page()
            page.add_init_script(path=HERE / "camera.js")
            page.on("console", lambda m, leg=leg: print(leg, m.text))
            page.on("pageerror", lambda e, leg=leg: print(leg, "error", e))
            page.goto(f"{office.url}/?leg={leg}&colour={colour}")
            opened[leg] = page
        yield opened
        browser.close()


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


def counters_and_flashes(path: Path):
    """([(seconds, counter)], flash onsets, beep onsets, mean colour) of a recorded segment."""
    counters, light, colour = [], [], []
    samples, first = [], None
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            grey = frame.to_ndarray(format="gray").astype(int)
            height, width = grey.shape
            bits = [grey[height // 16, int((b + 0.5) * width / 16)] > 128 for b in range(16)]
            counters.append((frame.time, sum(1 << b for b in range(16) if bits[b])))
            light.append((frame.time, grey[int(height * 0.875)].mean() > 128))
            if len(colour) < 5:
                colour.append(frame.to_ndarray(format="rgb24")[height // 2, width // 2])
    with av.open(str(path)) as file:
        for frame in file.decode(audio=0):
            first = frame.time if first is None else first
            samples.append((frame.time, np.abs(frame.to_ndarray().astype(float)).reshape(-1, 2).max(1)))
    flashes = [t for (_, a), (t, b) in itertools.pairwise(light) if b and not a]
    beeps, quiet = [], 0
    loud = max(s.max() for _, s in samples) * 0.3
    for start, chunk in samples:
        for i in range(0, len(chunk), 48):
            if chunk[i : i + 48].max() > loud:
                if quiet > 300:
                    beeps.append(start + i / 48000)
                quiet = 0
            else:
                quiet += 1
    return counters, flashes, beeps, np.mean(colour, axis=0)


@pytest.mark.req("D03", "D04", "C07")
def test_two_browsers_meet_one_reloads_and_all_of_it_is_recorded(worker, office, pages, key, tmp_path):
    for page in pages.values():
        sees_the_other(page)
    red, _, blue = far_colour(pages["notary"])
    assert red > 150 > 80 > blue
    red, _, blue = far_colour(pages["applicant"])
    assert blue > 150 > 80 > red
    time.sleep(5)
    picture = worker.client.snapshot("room", "applicant")
    assert picture.jpeg.startswith(b"\xff\xd8")
    told = pages["applicant"].evaluate("told")
    assert [t["state"] for t in told if t["name"] == "state"] == ["asking", "connecting", "live"]
    assert any(t["name"] == "health" and t.get("rtt") is not None for t in told)

    before = pages["notary"].evaluate("call.state + told.filter(t => t.state === 'interrupted').length")
    pages["applicant"].reload()
    sees_the_other(pages["applicant"])
    time.sleep(2)
    assert (
        before == "live0" == pages["notary"].evaluate("call.state + told.filter(t => t.state === 'interrupted').length")
    )
    assert far_colour(pages["notary"])[0] > 150
    status = worker.client.status("room")
    assert status["legs"]["notary"]["health"].get("frames", 0) > 0

    again = pages["applicant"].context.new_page()
    again.add_init_script(path=HERE / "camera.js")
    again.goto(f"{office.url}/?leg=applicant&colour=red")
    sees_the_other(again)
    pages["applicant"].wait_for_function("() => call.state === 'replaced'")
    time.sleep(1.5)
    assert pages["applicant"].evaluate("call.state") == "replaced"
    assert again.evaluate("call.state") == pages["notary"].evaluate("call.state") == "live"

    manifest = worker.client.close_room("room")
    assert manifest["intact"], manifest["problems"]
    assert [s["end"] for s in manifest["segments"] if s["leg"] == "applicant"][1:] == ["replaced", "closed"]
    assert manifest["gaps"] == []
    pages["notary"].wait_for_function("() => call.state === 'ended'")

    export(worker.rec / "room", tmp_path / "out", key)
    for segment in manifest["segments"]:
        path = tmp_path / "out" / f"{segment['segment']}.webm"
        probe = subprocess.run(
            ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert probe.stdout.split() == ["vp8", "opus"]
        assert probe.stderr == ""
        counters, flashes, beeps, colour = counters_and_flashes(path)
        wanted = 0 if segment["leg"] == "applicant" else 2
        assert colour[wanted] > 150 > 80 > colour[2 - wanted]
        steps = [b - a for (_, a), (_, b) in itertools.pairwise(counters)]
        assert set(steps) <= {0, 1}, "the counter has a hole"
        if segment["seconds"] > 4:
            apart = [min((abs(f - b) for b in beeps), default=9) for f in flashes if f > 1.5]
            print(segment["segment"], "sound to picture", [round(1000 * a) for a in apart], "ms")
            assert len(apart) >= 2
            assert sorted(apart)[len(apart) // 2] < 0.08
            assert max(apart) < 0.12


@pytest.mark.req("D02", "C07")
def test_a_killed_worker_comes_back_and_both_pages_rejoin(worker, office, pages, key):
    for page in pages.values():
        sees_the_other(page)
    time.sleep(1)
    worker.kill()
    killed = time.monotonic()
    for page in pages.values():
        page.wait_for_function("() => call.state === 'interrupted'", timeout=8000)
    print(f"both pages noticed after {time.monotonic() - killed:.1f} s")
    worker.start()
    started = time.monotonic()
    for page in pages.values():
        page.wait_for_function("() => call.state === 'live'", timeout=20000)
    print(f"both pages back {time.monotonic() - started:.1f} s after the worker")
    for page in pages.values():
        sees_the_other(page)
    manifest = worker.client.close_room("room")
    assert manifest["intact"], manifest["problems"]
    assert {s["end"] for s in manifest["segments"][:2]} == {"worker"}
    assert {(g["leg"], g["cause"]) for g in manifest["gaps"]} == {
        ("applicant", "worker"),
        ("notary", "worker"),
    }


RESTART = """async (leg) => {
    const pc = window.connections.at(-1);
    const before = pc.localDescription.sdp.match(/a=ice-ufrag:(\\S+)/)[1];
    await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }));
    await new Promise((done) => { const wait = () => pc.iceGatheringState === "complete" ? done() : setTimeout(wait, 20); wait(); });
    const reply = await fetch("/offer/" + leg, { method: "POST", headers: { "X-CSRFToken": "token" },
        body: JSON.stringify({ sdp: pc.localDescription.sdp, type: pc.localDescription.type }) });
    await pc.setRemoteDescription(await reply.json());
    return before !== pc.localDescription.sdp.match(/a=ice-ufrag:(\\S+)/)[1];
}"""


@pytest.mark.req("C07", "D03")
def test_a_browser_that_restarts_ice_freezes_nobody_and_keeps_its_segment(worker, office, pages, key, engine):
    if engine != "port":
        pytest.skip("aiortc restarts no ICE")
    for leg, page in pages.items():
        page.add_init_script(
            "window.connections = []; const Real = RTCPeerConnection;"
            "window.RTCPeerConnection = function (...a) { const pc = new Real(...a); connections.push(pc); return pc; }"
        )
        page.goto(f"{office.url}/?leg={leg}&colour={COLOURS[leg]}")
    for page in pages.values():
        sees_the_other(page)
    before = len(worker.client.status("room")["legs"])
    segments = {leg: worker.client.status("room")["legs"][leg]["segment"] for leg in pages}
    frozen = "document.querySelector('#remote').getVideoPlaybackQuality().totalVideoFrames"
    worst, seen, last = 0.0, pages["notary"].evaluate(frozen), time.monotonic()
    assert pages["applicant"].evaluate(RESTART, "applicant")
    end = time.monotonic() + 4
    while time.monotonic() < end:
        now = pages["notary"].evaluate(frozen)
        if now != seen:
            worst, seen, last = max(worst, time.monotonic() - last), now, time.monotonic()
        time.sleep(0.02)
    print(f"longest time without a new picture at the other side {worst:.2f} s")
    assert worst < 1.0
    assert before == 2
    assert segments == {leg: worker.client.status("room")["legs"][leg]["segment"] for leg in pages}
    assert all(page.evaluate("call.state") == "live" for page in pages.values())
    manifest = worker.client.close_room("room")
    assert manifest["gaps"] == []
