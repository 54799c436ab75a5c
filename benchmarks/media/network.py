"""
Two Chromium pages with the shipped module, the applicant's on a bad line: what each of them sees and hears of the other.

    python benchmarks/media/network.py [--seconds 30] [RATE:RTT:LOSS ...]      kbit/s, ms, share; e.g. 1000:300:0.02

The applicant lives in a network namespace whose only way out is such a line, for pages and media alike, in both directions, with a
queue of half a second; this needs root. Speech gaps are samples
that the browser had to make up, of all that it played; a freeze is the longest time between two pictures shown.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "tests" / "webrtc")]

from playwright.sync_api import sync_playwright
from webrtc_household import Household
from webrtc_pages import Office, chromium
from webrtc_parties import Worker
from webrtc_path import Line

from storage import vault

LINES = ["0:0:0", "1000:300:0.02", "500:300:0.02", "300:300:0.02", "150:100:0"]
WATCH = """() => { window.shown = []; const video = document.querySelector("#remote");
const next = (now) => { shown.push(now); video.requestVideoFrameCallback(next); }; video.requestVideoFrameCallback(next); }"""
HEARD = """async () => { const pc = window.connections.at(-1); const said = { shown: window.shown };
(await pc.getStats()).forEach((r) => {
  if (r.type === "inbound-rtp" && r.kind === "audio") Object.assign(said, { concealed: r.concealedSamples, samples: r.totalSamplesReceived });
  if (r.type === "inbound-rtp" && r.kind === "video") Object.assign(said, { width: r.frameWidth, height: r.frameHeight, bytes: r.bytesReceived });
  if (r.type === "outbound-rtp" && r.kind === "video") Object.assign(said, { target: r.targetBitrate, limited: r.qualityLimitationReason });
}); return said; }"""
KEEP = """window.connections = []; const Real = RTCPeerConnection;
window.RTCPeerConnection = function (...a) { const pc = new Real(...a); connections.push(pc); return pc; };"""


def measure(line: Line, settle: float, seconds: float) -> dict:
    """One call on `line`; figures by who looks."""
    with tempfile.TemporaryDirectory() as folder, Household(line) as home, sync_playwright() as play:
        worker = Worker(Path(folder) / "run" / "media.sock", Path(folder) / "rec", host=home.outside)
        office = Office(worker, vault.new_data_key(), "room", home.outside)
        programs = {"applicant": home.program("/usr/bin/chromium", Path(folder)), "notary": "/usr/bin/chromium"}
        try:
            pages = {}
            for leg, program in programs.items():
                page = chromium(play, program, office.url).new_page()
                page.add_init_script(KEEP)
                page.add_init_script(path=HERE / "talker.js")
                page.goto(f"{office.url}/?leg={leg}")
                pages[leg] = page
            for page in pages.values():
                page.wait_for_function(
                    "() => call.state === 'live' && document.querySelector('#remote').currentTime > 0",
                    timeout=60_000,
                )
            time.sleep(settle)
            for page in pages.values():
                page.evaluate(WATCH)
            before = {leg: page.evaluate(HEARD) for leg, page in pages.items()}
            time.sleep(seconds)
            after = {leg: page.evaluate(HEARD) for leg, page in pages.items()}
            states = {leg: page.evaluate("told.filter(t => t.name === 'state').length") for leg, page in pages.items()}
            manifest = worker.client.close_room("room")
        finally:
            office.server.shutdown()
            worker.stop()
    found = {leg: told(before[leg], after[leg], seconds) for leg in after}
    return found | {"states": states, "gaps": len(manifest["gaps"]), "intact": manifest["intact"]}


def told(before: dict, after: dict, seconds: float) -> dict:
    """What one page saw and heard in `seconds`."""
    shown = after["shown"]
    apart = [b - a for a, b in itertools.pairwise(shown)]
    samples = after["samples"] - before["samples"]
    return {
        "speech_gaps": round((after["concealed"] - before["concealed"]) / max(1, samples), 4),
        "pictures_s": round(len(shown) / seconds, 1),
        "freeze_ms": round(max(apart, default=1000 * seconds)),
        "kbit_s": round(8 * (after["bytes"] - before["bytes"]) / seconds / 1000),
        "size": f"{after['width']}x{after['height']}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lines", nargs="*", default=LINES)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--settle", type=float, default=15)
    asked = parser.parse_args()
    print(
        "| line | seen by | speech gaps | pictures/s | longest freeze ms | kbit/s | size |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    for text in asked.lines:
        rate, rtt, loss = (float(x) for x in text.split(":"))
        found = measure(Line(rate * 1000, rtt / 2000, loss), asked.settle, asked.seconds)
        for leg in ("notary", "applicant"):
            f = found[leg]
            cells = (text, leg, f"{f['speech_gaps']:.1%}", f["pictures_s"], f["freeze_ms"], f["kbit_s"], f["size"])
            print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)
        print(json.dumps({k: found[k] for k in ("states", "gaps", "intact")}), file=sys.stderr)


if __name__ == "__main__":
    main()
