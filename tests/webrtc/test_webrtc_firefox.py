"""
Firefox at one end and Chromium at the other, with the shipped module, through a real worker.

Firefox sends nothing from or to 127.0.0.1, whatever `media.peerconnection.ice.loopback` says, so both meet at the machine's own
address; what goes there does not leave the machine.
"""

import socket
from collections.abc import Iterator

import av
import pytest
from webrtc_firefox import Firefox
from webrtc_pages import Office, Ways, chromium, longest_freeze, sees_the_other, segments
from webrtc_parties import Worker

from webrtc.__main__ import export

pytestmark = pytest.mark.browser


def own_address() -> str:
    """Where the machine would send from; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.connect(("192.0.2.1", 9))  # RFC 5737
        except OSError:
            pytest.skip("the machine has no address but its loopback, which Firefox does not use")
        return str(one.getsockname()[0])


@pytest.fixture
def worker(tmp_path, engine) -> Iterator[Worker]:
    running = Worker(tmp_path / "run" / "media.sock", tmp_path / "rec", engine, own_address())
    yield running
    running.stop()


@pytest.fixture
def firefox(tmp_path) -> Iterator[Firefox]:
    opened = Firefox(tmp_path / "profile")
    yield opened
    opened.close()


@pytest.mark.req("C07", "D03", "D04")
def test_firefox_and_chromium_meet_and_firefox_mends_its_way(worker, firefox, engine, key, tmp_path):
    from playwright.sync_api import sync_playwright

    office = Office(worker, key, "room")
    with sync_playwright() as play, Ways(office) as ways:
        notary = chromium(play).new_page()
        notary.goto(f"{office.url}/?leg=notary&colour=blue")
        firefox.goto(f"{office.url}/?leg=applicant&camera=its-own")
        firefox.wait_for("window.call?.state === 'live' && document.querySelector('#remote').currentTime > 0.5")
        sees_the_other(notary)
        assert longest_freeze(notary, 2) < 1.0
        before = segments(worker)
        ways["applicant"].cut()
        firefox.wait_for("told.some(t => t.state === 'interrupted') && call.state === 'live'")
        assert longest_freeze(notary, 2) < 1.0
        assert (segments(worker)["applicant"] == before["applicant"]) == (engine == "port")
        assert firefox.evaluate("told.some(t => t.name === 'health' && t.rtt !== null)")
        manifest = worker.client.close_room("room")
        firefox.wait_for("call.state === 'ended'")
    office.server.shutdown()
    assert manifest["intact"], manifest["problems"]
    export(worker.rec / "room", tmp_path / "out", key)
    for segment in manifest["segments"]:
        if segment["seconds"] < 1:
            continue
        path = str(tmp_path / "out" / f"{segment['segment']}.webm")
        with av.open(path) as file:
            assert sum(1 for _ in file.decode(video=0)) > 5 * segment["seconds"]
        with av.open(path) as file:
            assert sum(frame.samples for frame in file.decode(audio=0)) > 24_000 * segment["seconds"]
