"""
Twenty rooms whose parties come, reload, vanish and come again: does the worker give everything back?

    python benchmarks/media/soak.py [--minutes 10] [--rooms 20]

A round: both parties of every room join and send; in the midst of it, every other party reloads (a new connection takes its seat)
and every fourth vanishes without a word and comes back; then all leave. After each round, when the last silent connection has run out
(RFC 7675: 30 s), the worker's descriptors, threads and memory are read. The first two rounds warm it up.
"""

import argparse
import asyncio
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from bench import free_port
from client import Client, load_clip
from loadgen import Http

RUN_OUT_S = 40.0


async def one_round(door: Http, clip, rooms: int, seconds: float, rng: random.Random) -> dict:
    """Joins, reloads and vanishings of one round; what was made."""
    made = {"joined": 0, "reloaded": 0, "vanished": 0, "failed": 0}
    sitting: dict[tuple[str, str], Client] = {}

    async def sit(room: str, role: str) -> None:
        client = Client(clip, room, role)
        client.prepare()
        await client.pc.setLocalDescription(await client.pc.createOffer())
        try:
            await door.answered(client)
        except Exception:  # noqa: BLE001  whatever kept it out is counted
            made["failed"] += 1
            await client.stop()
            return
        made["joined"] += 1
        before = sitting.get((room, role))
        sitting[room, role] = client
        if before is not None:
            await before.stop()

    for n in range(rooms):
        for role in ("applicant", "notary"):
            await sit(f"soak{n}", role)
    seats = list(sitting)
    rng.shuffle(seats)
    end = time.monotonic() + seconds
    for place, seat in enumerate(seats):
        if place % 2 == 0:
            await sit(*seat)
            made["reloaded"] += 1
        elif place % 4 == 1:
            vanish(sitting.pop(seat))
            made["vanished"] += 1
            await sit(*seat)
        await asyncio.sleep(max(0.0, (end - time.monotonic()) / len(seats)))
    await asyncio.gather(*(client.stop() for client in sitting.values()), return_exceptions=True)
    return made


def vanish(client: Client) -> None:
    """As a browser that crashes: no goodbye, no packet more."""
    client._stop = True
    client._udp.abort()


class Door(Http):
    """The open door, one client at a time."""

    async def answered(self, client: Client) -> None:
        from aiortc import RTCSessionDescription

        sdp = await self.answer(client.room, client.role, client.pc.localDescription.sdp)
        await client.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        await client.connected()
        client.start()


def held(process: psutil.Process) -> dict:
    """What the worker holds now."""
    return {
        "descriptors": process.num_fds(), "threads": process.num_threads(), "children": len(process.children()),
        "MB": round(process.memory_info().rss / 1e6, 1),
    }  # fmt: skip


async def soak(pid: int, url: str, clip, minutes: float, rooms: int) -> list[dict]:
    process, door, rng, seen = psutil.Process(pid), Door(url), random.Random(1), []
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        made = await one_round(door, clip, rooms, 20.0, rng)
        await asyncio.sleep(RUN_OUT_S)
        seen.append(held(process))
        print(json.dumps(made | seen[-1]), flush=True)
    await door.close()
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rooms", type=int, default=20)
    parser.add_argument("--clip", type=Path, default=Path("var/clip.webm"))
    asked = parser.parse_args()
    if not asked.clip.exists():
        asked.clip.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, str(HERE / "makemedia.py"), str(asked.clip)], check=True)
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        command = [sys.executable, "-m", "webrtc", "serve", "--open-door", "--port", str(port), "--rec", folder]
        log = Path(folder) / "log"
        with log.open("wb") as stream:
            worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stream, cwd=HERE.parents[1])
        assert worker.stdout is not None
        assert b"ready" in worker.stdout.readline(), log.read_text()
        try:
            seen = asyncio.run(
                soak(
                    worker.pid, f"http://127.0.0.1:{port}/offer", load_clip(str(asked.clip)), asked.minutes, asked.rooms
                )
            )
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(30)
        print("tracebacks:", log.read_text().count("Traceback"))
    before, after = seen[min(1, len(seen) - 1)], seen[-1]
    for name, value in before.items():
        print(
            f"{name}: {value} -> {after[name]} ({after[name] / value - 1:+.1%})" if value else f"{name}: {after[name]}"
        )


if __name__ == "__main__":
    main()
