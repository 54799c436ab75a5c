"""
How soon another face at the camera is noticed.

    python benchmarks/identity/swapped.py FACE OTHER... [--runs 50] [--seed 1]

A real media worker, a party that sends FACE (VP8; each picture is a key frame, as a browser gives one within a picture or two
when it is asked), and the office's own looks at key frames, every
second as in an interview, without its database. At a random moment the party sends one of OTHER instead. Counted: looks
that say so within four seconds of the swap; beside it, how many looks at the same face said anything else.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import av

from identity import child
from identity.calibration import Share
from identity.continuity import Look, Trail, step
from notary.demo.peer import Clip, Peers
from notary.office.watching import EVERY_S
from storage import vault
from webrtc.client import MediaClient, MediaError

LIMIT_S, LOST_S = 4.0, 3.0


def clip(face: Path, pitch: int) -> Clip:
    """The office's still face that sways, each picture a key frame."""
    made = Clip(face, pitch)
    decoder, keys = av.CodecContext.create("vp8", "r"), []
    for packet in made.pictures:
        for frame in decoder.decode(av.Packet(packet)):
            encoder = av.CodecContext.create("libvpx", "w")
            encoder.width, encoder.height, encoder.pix_fmt, encoder.bit_rate = (
                frame.width,
                frame.height,
                "yuv420p",
                900_000,
            )
            encoder.time_base, encoder.framerate = Fraction(1, 10), 10
            encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
            frame.pts, frame.time_base = 0, Fraction(1, 10)
            keys += [bytes(one) for one in encoder.encode(frame)]
    made.pictures = keys
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("face", type=Path)
    parser.add_argument("other", type=Path, nargs="+")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [
            sys.executable,
            "-m",
            "webrtc",
            "serve",
            "--socket",
            str(folder / "m.sock"),
            "--rec",
            str(folder / "rec"),
        ]
        with subprocess.Popen([*command, "--host", "127.0.0.1"], stdout=subprocess.PIPE, text=True) as worker:
            try:
                worker.stdout.readline()
                measure(
                    MediaClient(folder / "m.sock"),
                    clip(asked.face, 300),
                    [clip(one, 400) for one in asked.other],
                    asked.runs,
                    chance,
                )
            finally:
                worker.terminate()
                child.close()
    return 0


def measure(media: MediaClient, mine: Clip, others: list[Clip], runs: int, chance: random.Random) -> None:
    media.open_room(
        "swap", vault.new_data_key(), [{"leg": "applicant", "role": "applicant"}, {"leg": "notary", "role": "notary"}]
    )
    peers = Peers()

    def offer(sdp: str) -> dict[str, str]:
        answer = media.offer("swap", "applicant", sdp)
        return {"sdp": answer.sdp, "type": answer.type}

    connection = peers.join(mine, offer)
    track = next(one.track for one in connection.getSenders() if one.track.kind == "video")
    time.sleep(2)
    accepted = [media.snapshot("swap", "applicant").jpeg for _ in range(3)]
    took, alarms, calm = [], 0, 0
    for run in range(runs):
        track.packets = mine.pictures
        time.sleep(2.5)
        trail, swap_at = Trail(time.monotonic(), time.monotonic()), time.monotonic() + chance.uniform(1.0, 6.0)
        swapped, next_look = 0.0, time.monotonic()
        while True:
            if not swapped and time.monotonic() >= swap_at:
                track.packets, swapped = chance.choice(others).pictures, time.monotonic()
            if time.monotonic() < next_look and not trail.against:
                time.sleep(0.02)
                continue
            next_look = time.monotonic() + EVERY_S
            try:
                said = child.same_person("a", media.snapshot("swap", "applicant").jpeg, lambda: accepted)
            except MediaError:
                continue
            trail, event = step(
                trail, time.monotonic(), Look(said["faces"], said["same"], tuple(said["reasons"])), LOST_S
            )
            if not swapped:
                calm, alarms = calm + 1, alarms + (event != "same")
            elif event in ("other", "lost", "unseen") or time.monotonic() - swapped > 20:
                took.append(time.monotonic() - swapped)
                break
        print(f"{run + 1}: {took[-1]:.2f} s", file=sys.stderr)
    peers.leave(connection)
    soon = sum(one <= LIMIT_S for one in took)
    told = {
        "noticed within 4 s": f"{soon} of {runs}", "interval": [round(one, 3) for one in Share(soon, runs).interval],
        "median s": round(sorted(took)[len(took) // 2], 2), "worst s": round(max(took), 2),
        "looks at the same face that were not calm": f"{alarms} of {calm}",
    }  # fmt: skip
    print(json.dumps(told))


if __name__ == "__main__":
    sys.exit(main())
