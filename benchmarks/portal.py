"""
The verify page under granian and under gunicorn, beside rooms that record.

    python benchmarks/portal.py [--rooms 4] [--rounds 6] [--seconds 8] [--at-once 8]

One office on a throw-away PostgreSQL. Both servers run `wsgi:app` with one process and sixteen threads, on the loopback:
granian with the command that `make up` gives it, gunicorn with `-k gthread`. Rooms are the media process's own: two parties
each (aiortc, sound and picture both ways), recorded and encrypted as in an interview; both servers get the same rooms.
Rounds take turns (granian, gunicorn, gunicorn, granian, …), so that whatever else the machine does falls on both. In a
round AT-ONCE connections, kept open, ask as fast as they are answered: half the page (GET /verify), half a verification
(POST /verify, number and code). Printed: requests a second, 50th and 99th percentile in milliseconds over all rounds, the
same of each round, what the rooms lost, and the load of the machine. Client, rooms, servers and database share its cores.
"""

import argparse
import asyncio
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "bank"))

from verify_misses import bank_office
from webrtc_parties import LEGS, Party, Worker, make_clip

from notary.processes import free_port, web_command
from notary.settings import CHECKOUT
from storage import vault


class Guest(Party):
    """Keeps nothing of what it sees."""

    async def _watch(self, track):
        while True:
            await track.recv()


class Rooms:
    """So many rooms with two parties each, recording until `close`."""

    def __init__(self, folder, many):
        self.loop, self.many = asyncio.new_event_loop(), many
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.worker = Worker(folder / "run" / "media.sock", folder / "rec")
        clips = {"applicant": make_clip(1, 2), "notary": make_clip(2, 2)}
        self.guests = self.run(self._open(clips))

    def run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    async def _open(self, clips):
        guests = []
        for number in range(self.many):
            self.worker.client.open_room(f"room-{number}", vault.new_data_key(), LEGS)
            for leg, clip in clips.items():
                guest = Guest(clip)
                await guest.join(self.worker.client, f"room-{number}", leg)
                guests.append(guest)
        return guests

    def close(self):
        """What each room sealed: seconds recorded, gaps, packets lost."""
        told = []
        for number in range(self.many):
            status = self.worker.client.status(f"room-{number}")
            lost = sum(sum(leg["lost"].values()) for leg in status["legs"].values())
            told.append((round(status["seconds"]), len(status["gaps"]), lost))
        for guest in self.guests:
            self.run(guest.leave())
        self.worker.stop()
        return told


CLIENT = """
import http.client, json, sys, threading, time
port, seconds, at_once, body = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
took, wrong, end = [], [], time.monotonic() + seconds
def go(number):
    line, n = http.client.HTTPConnection("127.0.0.1", port, timeout=30), number
    while time.monotonic() < end:
        n += 1
        begun = time.perf_counter()
        if n % 2:
            line.request("GET", "/verify")
        else:
            line.request("POST", "/verify", body, {"Content-Type": "application/x-www-form-urlencoded"})
        answer = line.getresponse()
        answer.read()
        took.append(time.perf_counter() - begun)
        if answer.status != 200:
            wrong.append(answer.status)
threads = [threading.Thread(target=go, args=(n,)) for n in range(at_once)]
[one.start() for one in threads]
[one.join() for one in threads]
print(json.dumps([took, wrong]))
"""


def start(name, settings, environ):
    port = free_port()
    command = web_command(replace(settings, port=port)) if name == "granian" else [
        sys.executable, "-m", "gunicorn", "-k", "gthread", "--workers", "1", "--threads", "16", "--bind", f"127.0.0.1:{port}",
        "--log-level", "error", "wsgi:app",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=CHECKOUT, env=environ | {"PORT": str(port)}, start_new_session=True)
    end = time.monotonic() + 60
    while True:
        try:
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            line.request("GET", "/verify")
            assert line.getresponse().status == 200
            return process, port
        except OSError:
            assert time.monotonic() < end, f"{name} did not come up"
            time.sleep(0.2)


def ask(port, seconds, at_once, body):
    told = subprocess.run(
        [sys.executable, "-c", CLIENT, str(port), str(seconds), str(at_once), body],
        capture_output=True,
        text=True,
        check=True,
    )
    took, wrong = json.loads(told.stdout)
    assert not wrong, wrong[:5]
    return took


def at(took, share):
    return sorted(took)[min(len(took) - 1, int(len(took) * share))] * 1000


def measure(world, given, folder):
    settings = world.parts.settings
    environ = os.environ | {
        "HOME_DIR": str(settings.home), "DATABASE_URL": settings.database_url, "SECRET_KEY": settings.secret_key,
        "STORAGE_KEY": settings.storage_key.hex(), "WEB_WORKERS": "1",
    }  # fmt: skip
    held = world.held[0]
    body = urlencode({"number": held.number, "code": held.code})
    servers = {name: start(name, settings, environ) for name in ("granian", "gunicorn")}
    rooms = Rooms(folder, given.rooms)
    rounds = {name: [] for name in servers}
    loads = []
    try:
        for _process, port in servers.values():
            ask(port, 2, given.at_once, body)  # warm
        for number in range(given.rounds):
            for name in sorted(servers, reverse=bool(number % 2)):
                rounds[name].append(ask(servers[name][1], given.seconds, given.at_once, body))
                loads.append(os.getloadavg()[0])
    finally:
        sealed = rooms.close()
        for process, _port in servers.values():
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)
    return rounds, sealed, loads


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rooms", 4), ("rounds", 6), ("seconds", 8), ("at-once", 8)):
        asked.add_argument(f"--{name}", type=int, default=default)
    given = asked.parse_args()
    with bank_office("portal") as (world, folder):
        rounds, sealed, loads = measure(world, given, folder / "media")
    print(
        f"{given.rooms} rooms, {given.rounds} rounds of {given.seconds} s each, {given.at_once} connections, {os.cpu_count()} cores"
    )
    for name, found in rounds.items():
        took = [one for some in found for one in some]
        each = "  ".join(f"{at(some, 0.5):.0f}/{at(some, 0.99):.0f}" for some in found)
        speed = statistics.median(len(some) / given.seconds for some in found)
        print(f"{name:9} {speed:6.0f}/s  p50 {at(took, 0.5):6.1f} ms  p99 {at(took, 0.99):6.1f} ms   each round {each}")
    for share in (0.5, 0.99):
        ratio = [at(b, share) / at(a, share) for a, b in zip(rounds["granian"], rounds["gunicorn"], strict=True)]
        print(f"gunicorn / granian, p{share * 100:.0f}, median of rounds: {statistics.median(ratio):.2f}")
    print("rooms (seconds, gaps, packets lost): " + "  ".join(f"{one}" for one in sealed))
    print(f"load of the machine: {min(loads):.1f} to {max(loads):.1f}")


if __name__ == "__main__":
    main()
