"""
Janus beside us: its videocall plugin (two parties, one connection each, recording on) over its HTTP interface.
"""

import asyncio
import contextlib
import random

from aiortc import RTCSessionDescription


class Handle:
    def __init__(self, http, url):
        self.http, self.url = http, url
        self.events = asyncio.Queue()

    async def post(self, path, **body):
        body["transaction"] = f"{random.getrandbits(48):x}"
        async with self.http.post(self.url + path, json=body) as r:
            d = await r.json()
        if d.get("janus") == "error":
            raise RuntimeError(d)
        return d

    async def open(self):
        self.sid = (await self.post("", janus="create"))["data"]["id"]
        d = await self.post(f"/{self.sid}", janus="attach", plugin="janus.plugin.videocall")
        self.path = f"/{self.sid}/{d['data']['id']}"
        self.task = asyncio.ensure_future(self.poll())

    async def poll(self):
        while True:
            async with self.http.get(f"{self.url}/{self.sid}?maxev=5") as r:
                d = await r.json()
            for e in d if isinstance(d, list) else [d]:
                if e.get("janus") == "event":
                    self.events.put_nowait(e)

    async def ask(self, body, jsep=None):
        await self.post(self.path, janus="message", body=body, **({"jsep": jsep} if jsep else {}))

    async def until(self, name):
        while True:
            e = await asyncio.wait_for(self.events.get(), 10)
            data = e["plugindata"]["data"]
            if "error" in data:
                raise RuntimeError(data)
            if data.get("result", {}).get("event") == name:
                return e


class Janus:
    def __init__(self, url, rec_dir):
        self.url, self.rec, self.http, self.handles = url, rec_dir, None, []

    async def pair(self, a, b):
        import aiohttp

        if self.http is None:
            self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        hs = []
        for c in (a, b):
            h = Handle(self.http, self.url)
            await h.open()
            self.handles.append(h)
            await h.ask({"request": "register", "username": f"{c.room}-{c.role}"})
            await h.until("registered")
            c.prepare()
            hs.append(h)
        ha, hb = hs
        await a.pc.setLocalDescription(await a.pc.createOffer())
        await ha.ask(
            {"request": "call", "username": f"{b.room}-{b.role}"}, {"type": "offer", "sdp": a.pc.localDescription.sdp}
        )
        e = await hb.until("incomingcall")
        await b.pc.setRemoteDescription(RTCSessionDescription(e["jsep"]["sdp"], "offer"))
        for t in b.pc.getTransceivers():
            t.direction = "sendrecv"
        await b.pc.setLocalDescription(await b.pc.createAnswer())
        await hb.ask({"request": "accept"}, {"type": "answer", "sdp": b.pc.localDescription.sdp})
        e = await ha.until("accepted")
        await a.pc.setRemoteDescription(RTCSessionDescription(e["jsep"]["sdp"], "answer"))
        for c, h in ((a, ha), (b, hb)):
            await c.connected()
            if self.rec:
                await h.ask(
                    {
                        "request": "set",
                        "audio": True,
                        "video": True,
                        "record": True,
                        "filename": f"{self.rec}/{c.room}-{c.role}",
                    }
                )
            c.start()

    async def close(self):
        for h in self.handles:
            h.task.cancel()
            with contextlib.suppress(Exception):
                await h.post(f"/{h.sid}", janus="destroy")
        if self.http:
            await self.http.close()
