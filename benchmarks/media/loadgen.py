"""
N interviews of two parties each against a media server; prints one JSON object.

    python loadgen.py --url http://127.0.0.1:8081/offer --clip clip.webm --sessions 4 --seconds 15 --pid 1234

The server needs one call: POST {room, role, sdp, type} -> {sdp, type}. CPU is user and system of --pid and its
children over the steady window only. --probe also decodes in one client and gives the delay from a frame's last
packet sent to the decoded picture held. --drop loses a share of video packets on the way up and answers NACK.
"""

import argparse
import asyncio
import json
import os
import time
from typing import Protocol

from aiortc import RTCSessionDescription
from client import Client, load_clip


class Connector(Protocol):
    """Joins the two clients of a session."""

    async def pair(self, a: "Client", b: "Client") -> None:
        """Both are connected, and send, when this returns."""

    async def close(self) -> None:
        """Gives back what was opened for it."""


class Answering:
    """By an async callable answer(room, role, offer_sdp) -> answer_sdp."""

    def __init__(self, answer):
        self.answer = answer

    async def close(self):
        return

    async def pair(self, a, b):
        for c in (a, b):
            c.prepare()
            await c.pc.setLocalDescription(await c.pc.createOffer())
            sdp = await self.answer(c.room, c.role, c.pc.localDescription.sdp)
            await c.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
            await c.connected()
            c.start()


class Http(Answering):
    def __init__(self, url: str):
        self.url, self.http = url, None
        super().__init__(self._post)

    async def _post(self, room, role, sdp):
        import aiohttp

        if self.http is None:
            self.http = aiohttp.ClientSession()
        body = {"room": room, "role": role, "sdp": sdp, "type": "offer"}
        async with self.http.post(self.url, json=body) as r:
            r.raise_for_status()
            return (await r.json())["sdp"]

    async def close(self):
        if self.http:
            await self.http.close()


class Direct:
    """No server between: the floor for the delay."""

    async def pair(self, a, b):
        a.prepare()
        b.prepare()
        await a.pc.setLocalDescription(await a.pc.createOffer())
        await b.pc.setRemoteDescription(a.pc.localDescription)
        await b.pc.setLocalDescription(await b.pc.createAnswer())
        await a.pc.setRemoteDescription(b.pc.localDescription)
        for c in (a, b):
            await c.connected()
            c.start()

    async def close(self):
        return


def cpu_seconds(pid: int, which=("user", "system")) -> float:
    """user+sys of the process and all its descendants."""
    import psutil

    try:
        p = psutil.Process(pid)
        procs = [p, *p.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    total = 0.0
    for q in procs:
        try:
            t = q.cpu_times()
            total += sum(getattr(t, w) for w in which)
        except psutil.NoSuchProcess:
            pass
    return total


def pct(xs, q):
    xs = sorted(xs)
    return round(1000 * xs[min(len(xs) - 1, int(q * len(xs)))], 1) if xs else None


async def run(
    connector, clip, sessions, seconds, warm=4.0, pid=None, probe=False, stagger=0.15, room_prefix="room", drop=0.0
):
    clients, t_join = [], []
    try:
        for i in range(sessions):
            pair = [
                Client(clip, f"{room_prefix}{i}", role, probe=probe and i == 0 and role == "notary")
                for role in ("applicant", "notary")
            ]
            pair[0].peer, pair[1].peer = pair[1], pair[0]
            clients += pair
            for c in pair:
                c.drop = drop
            await connector.pair(*pair)
            t_join += [c.t_joined - c.t_offer for c in pair]
            await asyncio.sleep(stagger)
        await asyncio.sleep(warm)
        snap = [json.loads(json.dumps(c.rx)) for c in clients]
        sent0 = [(c.sent_packets, c.sent_video_frames) for c in clients]
        for c in clients:
            c.delays.clear()
        y0 = cpu_seconds(pid, ("system",)) if pid else 0
        c0, m0, t0 = (cpu_seconds(pid) if pid else 0), time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        y1 = cpu_seconds(pid, ("system",)) if pid else 0
        c1, m1, t1 = (cpu_seconds(pid) if pid else 0), time.process_time(), time.monotonic()
        win = t1 - t0
        got = frames = lost = 0
        silent = 0
        for c, s in zip(clients, snap, strict=False):
            for kind in ("audio", "video"):
                a, b = s.get(kind), c.rx.get(kind)
                if not a or not b:
                    silent += 1
                    continue
                got += b["n"] - a["n"]
                lost += (b["max"] - a["max"]) - (b["n"] - a["n"])
                if kind == "video":
                    frames += b["frames"] - a["frames"]
        sent = sum(c.sent_packets - s[0] for c, s in zip(clients, sent0, strict=False))
        vsent = sum(c.sent_video_frames - s[1] for c, s in zip(clients, sent0, strict=False))
        delays = [d for c in clients for d in c.delays]
        return {
            "sessions": sessions,
            "window_s": round(win, 2),
            "server_cpu_s": round(c1 - c0, 3),
            "core_pct_per_session": round(100 * (c1 - c0) / win / sessions, 3),
            "sys_share": round((y1 - y0) / max(c1 - c0, 1e-9), 2),
            "cpu_us_per_packet": round(1e6 * (c1 - c0) / max(1, got), 1),
            "client_core_pct_per_session": round(100 * (m1 - m0) / win / sessions, 3),
            "packets_sent": sent,
            "packets_received": got,
            "seq_gaps": lost,
            "video_frames_sent": vsent,
            "video_frames_received": frames,
            "video_frames_lost_pct": round(100 * (1 - frames / vsent), 2) if vsent else None,
            "silent_streams": silent,
            "pli": sum(c.pli for c in clients),
            "nack": sum(c.nack for c in clients),
            "dropped": sum(c.dropped for c in clients),
            "resent": sum(c.resent for c in clients),
            "join_ms_median": pct(t_join, 0.5),
            "join_ms_max": pct(t_join, 1),
            "delay_ms_p50": pct(delays, 0.5),
            "delay_ms_p95": pct(delays, 0.95),
            "delay_n": len(delays),
            "loadavg": os.getloadavg()[0],
        }
    finally:
        await asyncio.gather(*(c.stop() for c in clients), return_exceptions=True)
        await connector.close()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--url", default="http://127.0.0.1:8080/offer")
    ap.add_argument("--janus", help="Janus HTTP API instead of --url, e.g. http://127.0.0.1:8088/janus")
    ap.add_argument("--direct", action="store_true", help="no server: the two clients talk to each other")
    ap.add_argument("--clip", required=True)
    ap.add_argument("--sessions", type=int, default=1)
    ap.add_argument("--seconds", type=float, default=10)
    ap.add_argument("--warm", type=float, default=4)
    ap.add_argument("--pid", type=int)
    ap.add_argument("--probe", action="store_true")
    ap.add_argument("--drop", type=float, default=0, help="share of video packets lost on the uplink")
    ap.add_argument("--rec-dir", default="", help="Janus only: where it records")
    a = ap.parse_args()
    clip = load_clip(a.clip)

    async def go():
        if a.direct:
            connector = Direct()
        elif a.janus:
            from janus import Janus

            connector = Janus(a.janus, a.rec_dir)
        else:
            connector = Http(a.url)
        return await run(
            connector, clip, a.sessions, a.seconds, a.warm, a.pid, a.probe, room_prefix=f"r{os.getpid()}-", drop=a.drop
        )

    print(json.dumps(asyncio.run(go())))


if __name__ == "__main__":
    main()
