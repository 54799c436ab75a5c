"""The record: what is on disk says everything that happened to it."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from webrtc_parties import digest, recorded, schema

from storage import vault
from webrtc import archive, journal
from webrtc.__main__ import export, main
from webrtc.archive import Archive, Writer
from webrtc.recorder import Segment

KEY = bytes(range(32))
WHO = {"leg": "applicant", "role": "applicant", "connection": "c", "fingerprint": ""}


class Room:
    """A room's files, fed without a network."""

    def __init__(self, folder: Path, clip):
        self.folder, self.clip = folder, clip
        self.writer = Writer()
        self.archive = Archive(folder, "room", KEY, self.writer)
        self.writer.submit(lambda: self.archive.open(1000.0)).result(5)

    def record(self, name: str = "0001-applicant", seconds: float = 2.0, start: float = 0.0) -> Segment:
        segment = Segment(name, self.archive, self.writer)
        segment.begin(start, 1000.0 + start, WHO)
        for i in range(int(seconds * 50)):
            now = start + i * 0.02
            segment.frame("audio", 960 * i, self.clip.audio[i % len(self.clip.audio)], True, now)
            segment.flush(now)
            if i % 5 in (0, 2):
                n = i // 5 * 2 + (i % 5 > 0)
                data = self.clip.video[n % len(self.clip.video)]
                segment.frame("video", 4500 * n, data, not data[0] & 1, now)
                segment.flush(now)
        return segment

    def drain(self):
        self.writer.submit(lambda: None).result(10)

    def finish(self, segment: Segment, now: float = 2.0):
        segment.end(now, "closed").result(5)
        self.writer.submit(lambda: self.archive.close(1000.0 + now, "closed")).result(5)
        return journal.manifest_of(self.folder, KEY)


@pytest.fixture
def room(tmp_path, clips):
    made = Room(tmp_path / "room", clips["applicant"])
    yield made
    made.writer.stop()


@pytest.fixture(scope="module")
def closed(tmp_path_factory, clips):
    made = Room(tmp_path_factory.mktemp("closed") / "room", clips["applicant"])
    manifest = made.finish(made.record())
    made.writer.stop()
    assert manifest["intact"]
    return made.folder, manifest


@pytest.mark.req("D04", "D05")
def test_a_segment_plays_and_holds_every_frame_bit_for_bit(room, tmp_path):
    manifest = room.finish(room.record())
    schema(manifest, "manifest")
    (segment,) = manifest["segments"]
    assert segment["seconds"] == pytest.approx(1.98, abs=0.02)
    assert export(room.folder, tmp_path / "out", KEY)["intact"]
    path = tmp_path / "out" / "0001-applicant.webm"
    assert digest(path.read_bytes()) == segment["sha256"]
    kept = recorded(path)
    assert [h for _, h in kept["audio"]] == [digest(x) for x in room.clip.audio[:100]]
    assert [h for _, h in kept["video"]] == [digest(x) for x in room.clip.video[:40]]
    probe = subprocess.run(["ffprobe", "-v", "error", str(path)], check=True, capture_output=True)
    assert probe.stderr == b""


@pytest.mark.req("D13")
def test_no_picture_or_sound_stands_on_the_disk_in_clear(closed, clips):
    data = (closed[0] / "0001-applicant.rec").read_bytes()
    assert all(frame[20:60] not in data for frame in clips["applicant"].video)
    assert b"V_VP8" not in data


@pytest.mark.req("D05", "D14")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_one_changed_bit_anywhere_is_noticed(closed, tmp_path, data):
    folder, manifest = closed
    name = data.draw(st.sampled_from(["journal.jsonl", "0001-applicant.rec"]))
    copy = tmp_path / "copy"
    copy.mkdir(exist_ok=True)
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    changed = bytearray((folder / name).read_bytes())
    bit = data.draw(st.integers(0, len(changed) * 8 - 1))
    changed[bit // 8] ^= 1 << bit % 8
    (copy / name).write_bytes(changed)
    found = journal.manifest_of(copy, KEY)
    assert not found["intact"] or not found["complete"]
    assert found["journal"] != manifest["journal"] or found["problems"]


@pytest.mark.req("D05")
def test_a_dropped_segment_or_fragment_or_another_key_is_noticed(closed, tmp_path):
    folder, _ = closed
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    rec = tmp_path / "0001-applicant.rec"
    whole = rec.read_bytes()
    first = 4 + int.from_bytes(whole[:4], "big")
    for damaged in (whole[first:], whole[:-1], whole[: len(whole) // 2], b"", whole + whole[:first]):
        rec.write_bytes(damaged)
        assert not journal.manifest_of(tmp_path, KEY)["intact"]
    rec.unlink()
    assert journal.manifest_of(tmp_path, KEY)["problems"][0].endswith("the file is missing")
    rec.write_bytes(whole)
    assert journal.manifest_of(tmp_path, KEY)["intact"]
    assert not journal.manifest_of(tmp_path, bytes(32))["intact"]
    (tmp_path / "0002-notary.rec").write_bytes(b"")
    assert not journal.manifest_of(tmp_path, KEY)["intact"]


@pytest.mark.req("D03")
def test_a_writer_killed_at_any_moment_leaves_a_readable_record(tmp_path, clips):
    program = (
        "import sys, time; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path\n"
        "from test_webrtc_recorder import Room; from webrtc_parties import make_clip\n"
        "room = Room(Path(sys.argv[1]), make_clip(1, 1)); s = room.record(seconds=1); n = 0\n"
        "print('go', flush=True)\n"
        "while True:\n"
        "    n += 1; s.frame('audio', 48000 + n * 960, b'%09d' % n * 20, True, 1 + n * .02); s.flush(1 + n * .02)\n"
        "    print(n, flush=True); time.sleep(0.002)\n"
    )
    here = Path(__file__).parent
    for n in range(2):
        folder = tmp_path / f"room-{n}"
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(folder), str(here), str(here.parents[1])],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout.readline() == "go\n"
        time.sleep(0.3 + 0.13 * n)
        child.kill()
        sent = int(child.stdout.read().split()[-1])
        child.wait()
        manifest = export(folder, tmp_path / f"out-{n}", KEY)
        assert manifest["intact"], manifest["problems"]
        assert not manifest["complete"]
        kept = recorded(tmp_path / f"out-{n}" / "0001-applicant.webm")
        assert sent + 50 - len(kept["audio"]) <= 15  # 0.3 s of sound
        writer = Writer()
        again = Archive(folder, "room", KEY, writer)
        writer.submit(lambda again=again: again.open(2000.0)).result(5)
        assert again.next_segment == 2
        writer.stop()
        healed = journal.manifest_of(folder, KEY)
        assert healed["intact"], healed["problems"]
        assert healed["segments"][0]["end"] == "worker"


@pytest.mark.req("D02", "D14")
@pytest.mark.parametrize("which", ["segment", "journal"])
def test_a_full_disk_is_told_and_the_record_goes_on_when_there_is_room_again(room, monkeypatch, which):
    segment = room.record(seconds=1)
    room.drain()
    real = archive._write

    def full(fd, data):
        if which == "journal" and fd != room.archive._journal:
            return real(fd, data)
        os.write(fd, data[:7])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archive, "_write", full)
    for i in range(50):
        segment.frame("audio", 48000 + 960 * i, b"lost" * 10, True, 1 + i * 0.02)
        segment.flush(1 + i * 0.02)
    room.drain()
    assert room.archive.trouble == "No space left on device"
    monkeypatch.setattr(archive, "_write", real)
    for i in range(50, 100):
        segment.frame("audio", 48000 + 960 * i, b"kept" * 10, True, 1 + i * 0.02)
        segment.flush(1 + i * 0.02)
    manifest = room.finish(segment, 3.0)
    assert room.archive.trouble == ""
    assert manifest["intact"], manifest["problems"]
    (drop,) = manifest["drops"]
    assert drop["cause"] == "No space left on device"
    assert drop["fragments"] >= 4


def test_a_stalled_disk_stalls_nobody_and_what_is_dropped_is_told(room, monkeypatch):
    monkeypatch.setattr(archive, "MAX_QUEUED_BYTES", 200_000)
    segment = room.record(seconds=0.5)
    room.writer.submit(lambda: time.sleep(1.0))
    began = time.monotonic()
    for i in range(500):
        segment.frame("audio", 24000 + 960 * i, bytes(2000), True, 0.5 + i * 0.02)
        segment.flush(0.5 + i * 0.02)
    assert time.monotonic() - began < 0.5
    manifest = room.finish(segment, 11.0)
    assert manifest["intact"], manifest["problems"]
    assert manifest["drops"][0]["cause"] == "queue full"


def test_the_picture_is_lined_up_with_the_sound_by_the_senders_clock(room, tmp_path):
    segment = Segment("0001-applicant", room.archive, room.writer)
    segment.begin(0.0, 1000.0, WHO)
    late = 0.3  # the picture takes that much longer to arrive
    for i in range(300):
        now = i * 0.02
        segment.frame("audio", 960 * i, b"x", True, now)
        segment.flush(now)
        segment.frame("video", 1800 * i, b"\x11y", False, now + late)
        segment.flush(now + late)
        if i == 20:
            segment.synchronise("audio", 7 << 32, 960 * i)
            segment.synchronise("video", 7 << 32, 1800 * i)
    room.finish(segment, 7.0)
    export(room.folder, tmp_path / "out", KEY)
    kept = recorded(tmp_path / "out" / "0001-applicant.webm")
    assert kept["video"][0][0] - kept["audio"][0][0] == pytest.approx(300, abs=25)
    assert abs(kept["video"][-1][0] - kept["audio"][-1][0]) <= 10  # 7 of them are the codec delay of Opus


def test_export_says_by_its_exit_code_whether_all_is_there(closed, tmp_path, capsys):
    folder, _ = closed
    good, bad, short = (tmp_path / n for n in ("good", "bad", "short"))
    good.write_bytes(KEY)
    bad.write_bytes(vault.new_data_key())
    short.write_bytes(b"x")
    for key, code in ((good, 0), (bad, 1), (short, 64)):
        assert main(["export", str(folder), str(tmp_path / "out"), "--key-file", str(key)]) == code
