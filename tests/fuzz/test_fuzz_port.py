"""
What reaches the one UDP port, from strangers and from a party that is in the call: nothing raises, nothing stalls,
and strangers get no byte back. `make fuzz-port` gives it a million inputs.
"""

import asyncio
import gc
import logging
import random
import time
from types import SimpleNamespace

import pytest
from aiortc import RTCDataChannel
from aiortc.rtcdatachannel import RTCDataChannelParameters
from aiortc.rtcsctptransport import RTCSctpCapabilities, RTCSctpTransport
from fuzzing import FROM, SEED, TIMES, Target, run, spoil_bytes, spoil_text
from google_crc32c import value as crc32c
from pylibsrtp import Policy, Session
from test_fuzz_parsers import an_offer, rtcp_samples, rtp_samples, said
from test_webrtc_dtls import Browser
from test_webrtc_ice import check

from webrtc import answer
from webrtc import channel as channel_module
from webrtc.channel import Channel, _Carrier
from webrtc.errors import MediaError
from webrtc.port import MAX_DATAGRAM, Port

HOME, STRANGER = ("127.0.0.1", 5000), ("203.0.113.66", 6666)
SLOW_S = 0.05
"""Of processor time: the machine may be busy with something else."""


class Call:
    """A port that sends into a list, and one browser on it with its handshake done."""

    def __init__(self, offer: str):
        self.port = Port("127.0.0.1")
        self.sent: list[tuple[bytes, object]] = []
        self.port.send = lambda data, address: self.sent.append((data, address)) or True
        self.offer = offer
        self.slowest = 0.0
        self.plain: list[bytes] = []
        self.samples: list[bytes] = []

    async def join(self):
        browser = Browser()
        found = answer.read(self.offer)
        offer = self.offer.replace(found.fingerprint, browser.identity.fingerprint)
        self.link = self.port.connect()
        self.link.on_rtp = self.link.on_rtcp = self.plain.append
        await self.link.answer(offer)
        (user, (password, theirs, _)) = next(iter(self.link.credentials.items()))
        true = check(password, f"{user}:{theirs}", **{"USE-CANDIDATE": None})
        self.samples += [true, check("q" * 32, f"{user}:{theirs}"), check()]
        self.port.take(true, HOME)
        assert self.sent[-1][1] == HOME
        outgoing = browser.step([])
        while not (browser.done and self.link.dtls and self.link.dtls.state == "connected"):
            self.samples += outgoing
            self.sent.clear()
            for datagram in outgoing:
                self.port.take(datagram, HOME)
            outgoing = browser.step([data for data, _ in self.sent])
        size = 2 * (32 + 12)
        keys = browser.ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", size)
        policy = Policy(
            key=keys[:32] + keys[64:76],
            ssrc_type=Policy.SSRC_ANY_OUTBOUND,
            srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
        )
        mine = Session(policy)
        self.samples += [mine.protect(data) for data in rtp_samples()]
        self.samples += [mine.protect_rtcp(data) for data in rtcp_samples()]
        browser.ssl.send(b"\x13\x88\x13\x88" + bytes(40))
        self.samples += browser.out()
        self.port.take(self.samples[-len(rtcp_samples()) - 2], HOME)
        assert self.plain, "the samples are true ones"
        return self

    def make(self, rng):
        data = rng.choice(self.samples)
        if rng.random() < 0.95:
            data = spoil_bytes(rng, data, self.samples)
        return data[:MAX_DATAGRAM], rng.choice((HOME, HOME, STRANGER))

    def take(self, given):
        data, address = given
        self.sent.clear()
        began = time.thread_time()
        self.port.take(data, address)
        self.link.tick(time.monotonic(), 1.0)
        self.slowest = max(self.slowest, time.thread_time() - began)
        if address == STRANGER and address not in self.link.pairs:
            assert self.sent == []
        assert not self.link.over, "nobody without the keys ends the call"


@pytest.fixture(scope="module")
def offer():
    return an_offer()


class Loud(logging.Handler):
    """An exception that was caught and logged is a finding too."""

    def emit(self, record):
        raise AssertionError(record.getMessage()) from (record.exc_info or (None, None))[1]


@pytest.fixture(autouse=True)
def settled():
    """As the worker does when it is ready: what stands by then is not looked through between two packets."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def loud():
    handler = Loud(logging.ERROR)
    logging.getLogger("webrtc").addHandler(handler)
    yield
    logging.getLogger("webrtc").removeHandler(handler)


def test_datagrams_of_strangers_and_of_a_party_raise_and_stall_nothing(offer):
    async def inside():
        call = await Call(offer).join()
        run(Target("port", 40_000, call.make, call.take))
        assert call.slowest < SLOW_S
        await call.port.close()

    asyncio.run(inside())


def test_datagrams_in_the_midst_of_handshakes_raise_and_stall_nothing(offer):
    async def inside():
        done, read = await Call(offer).join(), answer.read(offer)
        slowest = 0.0

        def make(rng):
            seed = [data for data in done.samples if data[0] in (20, 22)]
            return [spoil_bytes(rng, rng.choice(seed), seed) for _ in range(5)]

        def take(given):
            nonlocal slowest
            fresh = Call(offer)
            try:
                link = fresh.port.connect()
                link._offer = read
                fresh.port.take_in(link)
                link.pairs.prove(HOME, 1, 1, time.monotonic(), nominates=True)
                fresh.port.heard_from(link, HOME)
                for data in [done.samples[3], *given]:
                    began = time.thread_time()
                    fresh.port.take(data, HOME)
                    slowest = max(slowest, time.thread_time() - began)
                link.tick(time.monotonic() + 2, 2.0)
            finally:
                fresh.port._socket.close()

        run(Target("handshake", 1_500, make, take))
        assert slowest < SLOW_S
        await done.port.close()

    asyncio.run(inside())


def test_offers_for_the_port_are_answered_or_refused_in_words_and_at_once(offer):
    ours = answer.Ours("127.0.0.1", 1, "ufrag", "p" * 32, "F", 1, 1, {"audio": 1, "video": 2})
    seen = SimpleNamespace(slowest=0.0)

    def take(text):
        began = time.thread_time()
        try:
            answer.write(answer.read(text), ours)
        except MediaError as refused:
            said(refused.words)
        seen.slowest = max(seen.slowest, time.thread_time() - began)

    more = offer.replace("VP8", "XX8")
    run(Target("port-offer", 12_000, lambda rng: spoil_text(rng, offer, [more]), take))
    assert seen.slowest < SLOW_S


def test_sctp_of_a_party_stalls_nothing_and_raises_nothing_into_the_loop(monkeypatch):
    """A party that has the keys may end its own data channel, and nothing else."""

    monkeypatch.setattr(channel_module, "MAX_PACKETS_PS", 1 << 40)

    async def inside():
        wrong = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: wrong.append(context))
        slowest, heard = 0.0, []

        async def associate():
            samples: list[bytes] = []
            to_client: asyncio.Queue[bytes] = asyncio.Queue()
            ours = Channel(to_client.put_nowait, heard.append)
            carrier = _Carrier(lambda data: samples.append(data) or ours.take(data))
            carrier._role = "client"
            client = RTCSctpTransport(carrier)
            ours.start(5000, 65536)
            await client.start(RTCSctpCapabilities(maxMessageSize=65536), 5000)
            channel = RTCDataChannel(client, RTCDataChannelParameters(label="events"))
            end, heard[:] = time.monotonic() + 5, []
            while time.monotonic() < end and not heard:
                while not to_client.empty():
                    await client._handle_data(to_client.get_nowait())
                if channel.readyState == "open":
                    channel.send("hello")
                await asyncio.sleep(0.005)
            assert heard, "the samples are true ones"
            await client.stop()
            return ours, samples

        ours, samples = await associate()
        count = 0
        for number in range(FROM, FROM + int(6_000 * TIMES)):
            rng = random.Random(f"{SEED}:sctp:{number}")
            data = bytearray(spoil_bytes(rng, rng.choice(samples), samples))
            if len(data) >= 12 and rng.random() < 0.9:
                data[4:8] = samples[-1][4:8] if rng.random() < 0.8 else bytes(4)
                data[8:12] = bytes(4)
                data[8:12] = crc32c(bytes(data)).to_bytes(4, "little")
            began = time.thread_time()
            ours.take(bytes(data))
            await asyncio.sleep(0)
            slowest = max(slowest, time.thread_time() - began)
            count += 1
            if number % 500 == 499:
                await ours.close()
                ours, samples = await associate()
        await ours.close()
        print(f"fuzz sctp: {count} inputs, slowest {1000 * slowest:.1f} ms")
        assert wrong == []
        assert slowest < SLOW_S

    asyncio.run(inside())
