"""Two real Chromium pages with the shipped module, through a real worker."""

import itertools
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from webrtc_pages import COLOURS, Office, Ways, chromium, far_colour, longest_freeze, sees_the_other, segments

from webrtc.__main__ import export

pytestmark = pytest.mark.browser


@pytest.fixture
def office(worker, key) -> Iterator[Office]:
    desk = Office(worker, key, "room")
    yield desk
    desk.server.shutdown()


@pytest.fixture
def pages(office) -> Iterator[dict]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = chromium(play)
        opened = {}
        for leg, colour in COLOURS.items():
            page = browser.new_context().new_page()
            page.on("console", lambda m, leg=leg: print(leg, m.text))
            page.on("pageerror", lambda e, leg=leg: print(leg, "error", e))
            page.goto(f"{office.url}/?leg={leg}&colour={colour}")
            opened[leg] = page
        yield opened
        browser.close()


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


@pytest.fixture
def ways(office) -> Iterator[Ways]:
    with Ways(office) as made:
        yield made


@pytest.mark.req("C07", "D03")
def test_a_page_whose_network_changes_freezes_nobody_and_keeps_its_segment(worker, office, ways, pages, engine):
    if engine != "port":
        pytest.skip("aiortc restarts no ICE")
    for page in pages.values():
        sees_the_other(page)
    before, way = segments(worker), ways["applicant"]
    pages["applicant"].evaluate("window.dispatchEvent(new Event('online'))")
    freeze = longest_freeze(pages["notary"], 3)
    print(f"longest time without a new picture at the other side {freeze:.2f} s")
    assert freeze < 1.0
    assert ways["applicant"] is not way
    way.cut()
    assert longest_freeze(pages["notary"], 3) < 1.0, "it is not on the new way"
    assert segments(worker) == before
    told = "told.filter(t => t.name === 'state').map(t => t.state)"
    assert all(page.evaluate(told) == ["asking", "connecting", "live"] for page in pages.values())
    assert worker.client.close_room("room")["gaps"] == []


@pytest.mark.req("C07", "D03")
def test_a_page_whose_way_is_cut_finds_another_by_itself(worker, office, ways, pages, engine):
    for page in pages.values():
        sees_the_other(page)
    before = segments(worker)
    ways["applicant"].cut()
    cut = time.monotonic()
    pages["applicant"].wait_for_function("() => call.state === 'interrupted'", timeout=8000)
    noticed = time.monotonic() - cut
    pages["applicant"].wait_for_function("() => call.state === 'live'", timeout=20000)
    print(f"noticed after {noticed:.1f} s, live after {time.monotonic() - cut:.1f} s")
    sees_the_other(pages["applicant"])
    assert longest_freeze(pages["notary"], 2) < 1.0
    assert segments(worker)["notary"] == before["notary"]
    # the engine that restarts no ICE makes a new connection, which is a segment of its own
    assert (segments(worker)["applicant"] == before["applicant"]) == (engine == "port")
    manifest = worker.client.close_room("room")
    assert manifest["intact"], manifest["problems"]


@pytest.mark.req("C07")
def test_a_page_that_lost_its_seat_while_it_was_cut_off_stays_out(worker, office, ways, pages, engine):
    if engine != "port":
        pytest.skip("aiortc restarts no ICE")
    for page in pages.values():
        sees_the_other(page)
    ways["applicant"].cut()
    again = pages["applicant"].context.new_page()
    again.goto(f"{office.url}/?leg=applicant&colour=red")
    sees_the_other(again)
    pages["applicant"].wait_for_function("() => call.state === 'replaced'", timeout=20000)
    time.sleep(1)
    assert again.evaluate("call.state") == pages["notary"].evaluate("call.state") == "live"


@pytest.mark.req("C07", "D02")
def test_a_page_that_was_cut_off_when_the_worker_ended_makes_a_new_connection(worker, office, ways, pages):
    for page in pages.values():
        sees_the_other(page)
    ways["applicant"].cut()
    worker.kill()
    worker.start()
    for page in pages.values():
        page.wait_for_function(
            "() => told.some(t => t.state === 'interrupted') && call.state === 'live'", timeout=20000
        )
        sees_the_other(page)
    manifest = worker.client.close_room("room")
    assert manifest["intact"], manifest["problems"]
    assert [s["end"] for s in manifest["segments"]].count("closed") == 2
