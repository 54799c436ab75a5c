"""
What of an interview is lost, and for how long a picture stands, when something goes wrong. Each figure is the worst of its rounds.

    python benchmarks/media/evidence.py [--rounds 5] [kill loss stall rejoin]

kill    SIGKILL of the worker: received media that is not in the file afterwards
loss    3 % of the packets lost on the way up: is every frame there, bit for bit, and the longest step between two
stall   the disk stands still for 2 s (every fsync of the worker waits): is every frame there
rejoin  two Chromium pages: the first picture after joining; the other side's longest freeze while one reloads and while its network
        changes; from the worker's SIGKILL (its supervisor starts it at once) until both see each other again
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "webrtc")]

from aiortc import RTCSessionDescription
from playwright.sync_api import sync_playwright
from webrtc_network import Box
from webrtc_pages import COLOURS, Office, Ways, chromium, longest_freeze, sees_the_other
from webrtc_parties import LEGS, Clip, Party, Worker, make_clip, recorded

from storage import vault
from webrtc.__main__ import export

FIRST = """() => new Promise((done) => document.querySelector("#remote").requestVideoFrameCallback((now) => done(now / 1000)))"""
STALL_S = 2.0
STALLING = f"""
import os, runpy, signal, sys, time
until, real = [0.0], os.fsync
def slow(fd):
    while time.monotonic() < until[0]:
        time.sleep(0.01)
    real(fd)
os.fsync = slow
signal.signal(signal.SIGUSR2, lambda *_: until.__setitem__(0, time.monotonic() + {STALL_S}))
sys.argv[1:1] = []
runpy.run_module("webrtc", run_name="__main__", alter_sys=True)
"""


@contextmanager
def standing(program: list[str] | None = None) -> Iterator[tuple[Worker, bytes, Path]]:
    """A worker, its room's key and a folder for exports."""
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(Path(folder) / "run" / "media.sock", Path(folder) / "rec", program=program or ["-m", "webrtc"])
        try:
            yield worker, vault.new_data_key(), Path(folder) / "out"
        finally:
            worker.stop()


async def join(party: Party, worker: Worker) -> tuple[Box, str]:
    """The applicant comes in through a box; its segment."""
    answer = await asyncio.to_thread(worker.client.offer, "room", "applicant", await party.offer())
    box, sdp = Box.before(answer.sdp)
    await party.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
    await asyncio.wait_for(party.connected.wait(), 15)
    return box, answer.segment


async def interview(
    worker: Worker, key: bytes, clip: Clip, seconds: float, during: Callable[[Box, Worker], None]
) -> tuple:
    """One party sends for `seconds`; `during` is called after a third of them."""
    await asyncio.to_thread(worker.client.open_room, "room", key, LEGS)
    party = Party(clip)
    box, segment = await join(party, worker)
    await asyncio.sleep(seconds / 3)
    during(box, worker)
    await asyncio.sleep(seconds * 2 / 3)
    box.up = 0.0
    await asyncio.sleep(1)
    manifest = await asyncio.to_thread(worker.client.close_room, "room")
    sent = {kind: list(track.sent) for kind, track in party.tracks.items()}
    await party.leave()
    box.close()
    return segment, manifest, sent


def whole(sent: list[str], kept: list[str]) -> bool:
    """Whether `kept` is an unbroken run of what was sent."""
    return bool(kept) and any(sent[i : i + len(kept)] == kept for i in range(len(sent) - len(kept) + 1))


def told(worker: Worker, key: bytes, out: Path, segment: str, sent: dict) -> dict:
    """What the file says of what was sent."""
    manifest = export(worker.rec / "room", out, key)
    kept = recorded(out / f"{segment}.webm")
    return {
        "intact": manifest["intact"],
        "every frame, bit for bit": all(whole(sent[kind], [h for _, h in kept[kind]]) for kind in kept),
        "longest step ms": {kind: max(b - a for (a, _), (b, _) in pairwise(kept[kind])) for kind in kept},
        "frames": {kind: len(kept[kind]) for kind in kept},
    }


def loss(clip: Clip) -> dict:
    """3 % lost on the way up for six seconds."""
    with standing() as (worker, key, out):
        segment, _, sent = asyncio.run(interview(worker, key, clip, 9, lambda box, _: setattr(box, "up", 0.03)))
        return told(worker, key, out, segment, sent)


def stall(clip: Clip) -> dict:
    """The disk stands still for STALL_S."""
    with standing(["-c", STALLING]) as (worker, key, out):

        def poke(_box: Box, running: Worker) -> None:
            os.kill(running.process.pid, signal.SIGUSR2)

        segment, manifest, sent = asyncio.run(interview(worker, key, clip, 9, poke))
        return told(worker, key, out, segment, sent) | {"drops": len(manifest["drops"])}


def kill(clip: Clip) -> dict:
    """Seconds of media that the worker had when it was killed, and that its file has not."""
    with standing() as (worker, key, out):
        notes: dict = {}

        async def call() -> None:
            await asyncio.to_thread(worker.client.open_room, "room", key, LEGS)
            party = Party(clip)
            notes["segment"] = (await party.join(worker.client, "room", "applicant")).segment
            await asyncio.sleep(3 + time.time() % 1)
            notes["sent"] = {kind: list(track.sent) for kind, track in party.tracks.items()}
            worker.kill()
            await party.leave()
            worker.start()
            await asyncio.to_thread(worker.client.open_room, "room", key, LEGS)
            await asyncio.to_thread(worker.client.close_room, "room")

        asyncio.run(call())
        intact = export(worker.rec / "room", out, key)["intact"]
        kept = recorded(out / f"{notes['segment']}.webm")
        lost = {}
        for kind, rate in (("audio", 50), ("video", clip.fps)):
            hashes, sent = [h for _, h in kept[kind]], notes["sent"][kind]
            start = next(i for i in range(len(sent)) if sent[i : i + len(hashes)] == hashes)
            lost[kind] = round((len(sent) - start - len(hashes)) / rate, 2)
        return {"intact": intact, "lost s": lost}


def rejoin(_clip: Clip) -> dict:
    """Two pages: joining, reload, another network, the worker's end."""
    with standing() as (worker, key, _out), sync_playwright() as play:
        office = Office(worker, key, "room")
        with Ways(office):
            browser = chromium(play)
            pages, joined = {}, {}
            for leg, colour in COLOURS.items():
                pages[leg] = browser.new_context().new_page()
                pages[leg].goto(f"{office.url}/?leg={leg}&colour={colour}")
            for page in pages.values():
                sees_the_other(page)
            notary = pages["notary"]
            notary.reload()
            joined["first picture after joining s"] = notary.evaluate(FIRST)
            sees_the_other(notary)
            time.sleep(1)
            pages["applicant"].evaluate("window.dispatchEvent(new Event('online'))")
            joined["frozen by a change of network s"] = longest_freeze(notary, 3)
            pages["applicant"].evaluate("setTimeout(() => location.reload(), 0)")
            joined["frozen by a reload s"] = longest_freeze(notary, 5)
            for page in pages.values():
                sees_the_other(page)
            worker.kill()
            began = time.monotonic()
            worker.start()
            for page in pages.values():
                page.wait_for_function(
                    "() => told.some(t => t.state === 'interrupted') && call.state === 'live'", timeout=30_000
                )
                page.evaluate(FIRST)
            joined["both back after the worker's end s"] = time.monotonic() - began
            browser.close()
        office.server.shutdown()
        return {name: round(value, 2) for name, value in joined.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["kill", "loss", "stall", "rejoin"])
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    clip = make_clip(1)
    for name in asked.what:
        for n in range(asked.rounds):
            print(f"{name} {n + 1}: {globals()[name](clip)}", flush=True)


if __name__ == "__main__":
    main()
