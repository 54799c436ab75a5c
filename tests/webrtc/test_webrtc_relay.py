"""Through a real coturn: a browser that may use nothing else meets the other one, by credentials that are over in minutes."""

import asyncio
import socket
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest
from aioice import turn
from webrtc_pages import COLOURS, Office, far_colour, sees_the_other
from webrtc_pages import chromium as chromium_of

from notary.office.relaying import LIFETIME, credentials

pytestmark = pytest.mark.browser
SECRET = "the relay's and the office's"
ONLY_RELAYED = """const Real = RTCPeerConnection; window.made = [];
window.RTCPeerConnection = function (given) {
  const pc = new Real({ ...given, iceTransportPolicy: "relay" });
  made.push(pc);
  return pc;
};"""
PAIR = """async () => { const said = await made.at(-1).getStats(); let found = null;
said.forEach((r) => { if (r.type === "candidate-pair" && r.nominated && r.state === "succeeded")
  found = [said.get(r.localCandidateId).candidateType, said.get(r.remoteCandidateId).port, r.bytesReceived]; });
return found; }"""
CANDIDATES = """async (servers) => { const pc = new RTCPeerConnection({ iceServers: servers }); pc.createDataChannel("x");
const found = []; pc.onicecandidate = ({ candidate }) => candidate?.candidate && found.push(candidate.type);
await pc.setLocalDescription(await pc.createOffer());
const end = Date.now() + 10000;
while (pc.iceGatheringState !== "complete" && Date.now() < end) await new Promise((r) => setTimeout(r, 50));
pc.close(); return found; }"""


@pytest.fixture(scope="module")
def engine():
    return "port"


@pytest.fixture
def coturn(tmp_path):
    """Its address, set up as docs/operations.md says. Loopback peers are what this test has; nobody else should allow them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = {
        "listening-ip": "127.0.0.1", "listening-port": port, "relay-ip": "127.0.0.1", "realm": "notary.example",
        "min-port": 49160, "max-port": 49200, "static-auth-secret": SECRET, "log-file": tmp_path / "turn.log",
        "pidfile": tmp_path / "turn.pid", "userdb": tmp_path / "turn.db",
        "denied-peer-ip": "0.0.0.0-255.255.255.255", "allowed-peer-ip": "127.0.0.1",
    }  # fmt: skip
    flags = ["use-auth-secret", "no-cli", "no-tls", "no-dtls", "no-tcp-relay", "no-multicast-peers", "simple-log"]
    flags += ["allow-loopback-peers", "fingerprint"]
    command = ["turnserver", "-n", *(f"--{k}={v}" for k, v in arguments.items()), *(f"--{one}" for one in flags)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 10
    while not stands(port):
        assert running.poll() is None, (tmp_path / "turn.log").read_text()
        assert time.monotonic() < end
        time.sleep(0.1)
    yield f"turn:127.0.0.1:{port}"
    running.terminate()
    running.wait(10)


def stands(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def server(url, subject="interview-applicant", until=LIFETIME, secret=SECRET):
    user, password = credentials(secret, subject, datetime.now(UTC) + until)
    return {"urls": [url], "username": user, "credential": password}


@pytest.fixture
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = chromium_of(play)
        yield browser
        browser.close()


@pytest.mark.req("C07")
def test_two_browsers_that_may_use_nothing_but_the_relay_meet_at_our_port_and_are_recorded(
    chromium, coturn, worker, key
):
    office = Office(worker, key, "room")
    office.relays = [server(coturn)]
    pages = {}
    for leg, colour in COLOURS.items():
        page = chromium.new_context().new_page()
        page.add_init_script(ONLY_RELAYED)
        page.goto(f"{office.url}/?leg={leg}&colour={colour}&relay=/relay")
        pages[leg] = page
    for page in pages.values():
        sees_the_other(page)

    assert far_colour(pages["notary"])[0] > 150
    ports = set()
    for page in pages.values():
        end = time.monotonic() + 10
        while (found := page.evaluate(PAIR)) is None or found[2] <= 10_000:
            assert time.monotonic() < end, found
        assert found[0] == "relay"
        ports.add(found[1])
    assert len(ports) == 1
    time.sleep(1)
    manifest = worker.client.close_room("room")
    assert manifest["intact"]
    assert {one["leg"] for one in manifest["segments"]} == set(COLOURS)
    office.server.shutdown()


def test_the_relay_takes_what_we_give_and_neither_old_nor_forged_credentials(chromium, coturn, worker, key):
    office = Office(worker, key, "room")
    page = chromium.new_context().new_page()
    page.goto(f"{office.url}/js/call.js")

    good, old, forged = server(coturn), server(coturn, until=-timedelta(seconds=5)), server(coturn, secret="guessed")
    renamed = {**good, "username": good["username"].replace("applicant", "notary")}

    assert "relay" in page.evaluate(CANDIDATES, [good])
    for refused in (old, forged, renamed):
        assert "relay" not in page.evaluate(CANDIDATES, [refused])
    office.server.shutdown()


def test_the_relay_reaches_the_media_workers_address_and_no_other_of_the_office(coturn):
    address = ("127.0.0.1", int(coturn.rsplit(":", 1)[1]))
    user, password = credentials(SECRET, "interview-applicant", datetime.now(UTC) + LIFETIME)

    async def send(*peers):
        way, _protocol = await turn.create_turn_endpoint(
            asyncio.DatagramProtocol, server_addr=address, username=user, password=password
        )
        for peer in peers:
            way.sendto(b"are you there", peer)
        await asyncio.sleep(1.5)
        way.close()

    doors = {}
    for host in ("127.0.0.1", "127.0.0.2"):
        doors[host] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        doors[host].bind((host, 0))
        doors[host].setblocking(False)
    asyncio.run(send(*(door.getsockname() for door in doors.values())))

    assert doors["127.0.0.1"].recv(100) == b"are you there"
    with pytest.raises(BlockingIOError):
        doors["127.0.0.2"].recv(100)
    for door in doors.values():
        door.close()
