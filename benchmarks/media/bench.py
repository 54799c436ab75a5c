"""
Engines and Janus under the same load, interleaved; one line of JSON a run, then medians a cell.

    python benchmarks/media/bench.py --rounds 3 --seconds 8 port:4 aiortc:4 janus:4 port:20+probe direct:1+probe

A cell is ENGINE:SESSIONS, with +probe for the delay to a decoded picture, +drop for 3 % loss on the way up, and +two
for a second worker beside the first on the same recordings, under as much load of its own. Ours record encrypted, Janus plain. Runs that lost 1 % of frames or more are printed and do not count.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
SHOWN = (
    ("core_pct_per_session", "core-%/session"), ("cpu_us_per_packet", "us/packet"), ("video_frames_lost_pct", "lost %"),
    ("join_ms_median", "join ms"), ("delay_ms_p50", "delay p50"), ("delay_ms_p95", "p95"), ("loadavg", "load"),
)  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def one(cell: str, clip: Path, seconds: float) -> dict:
    engine, _, rest = cell.partition(":")
    count, *options = rest.split("+")
    load = ["--clip", str(clip), "--sessions", count, "--seconds", str(seconds)]
    load += ["--probe"] * ("probe" in options) + ["--drop", "0.03"] * ("drop" in options)
    work = Path(tempfile.mkdtemp(prefix="media-"))
    generate = [sys.executable, str(HERE / "loadgen.py")]
    try:
        if engine == "direct":
            return told(subprocess.run([*generate, "--direct", *load], capture_output=True, timeout=120, check=False))
        if engine == "janus":
            env = os.environ | {"PYTHON": sys.executable, "REC": str(work), "WORK": str(work), "JARGS": ""}
            command = ["unshare", "-n", str(HERE / "janus_ns.sh"), *load]
            return told(subprocess.run(command, capture_output=True, timeout=200, env=env, check=False))
        names = ("first", "second") if "two" in options else ("first",)
        with ThreadPoolExecutor(len(names)) as pool:
            return together(list(pool.map(lambda name: served(engine, work, name, [*generate, *load]), names)))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def served(engine: str, work: Path, name: str, generate: list[str]) -> dict:
    """What the load finds at a worker of its own."""
    port, log = free_port(), work / f"{name}.log"
    command = [sys.executable, "-m", "webrtc", "serve", "--open-door", "--engine", engine, "--port", str(port)]
    with log.open("wb") as stream:
        server = subprocess.Popen(
            [*command, "--rec", str(work / "rec")], stdout=subprocess.PIPE, stderr=stream, cwd=HERE.parents[1]
        )
    assert b"ready" in server.stdout.readline(), log.read_text()
    try:
        where = ["--url", f"http://127.0.0.1:{port}/offer", "--pid", str(server.pid)]
        found = told(subprocess.run([*generate, *where], capture_output=True, timeout=200, check=False))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)
    found["errors"] = log.read_text().count("Traceback")
    return found


def together(found: list[dict]) -> dict:
    """The worse of both in every figure."""
    if broken := [one for one in found if "error" in one]:
        return broken[0]
    worst = dict(found[0])
    for other in found[1:]:
        for name, value in other.items():
            if isinstance(value, int | float) and isinstance(worst.get(name), int | float):
                worst[name] = max(worst[name], value)
    return worst


def told(ended: subprocess.CompletedProcess) -> dict:
    try:
        return json.loads(ended.stdout)
    except ValueError:
        return {"error": ended.stderr.decode()[-600:]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--clip", type=Path, default=Path("var/clip.webm"), help="made if it is not there")
    parser.add_argument("cells", nargs="+")
    asked = parser.parse_args()
    if not asked.clip.exists():
        asked.clip.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, str(HERE / "makemedia.py"), str(asked.clip)], check=True)
    counted: dict[str, list[dict]] = {cell: [] for cell in asked.cells}
    for _ in range(asked.rounds):
        for cell in asked.cells:
            found = one(cell, asked.clip, asked.seconds)
            print(cell, json.dumps(found), flush=True)
            if "error" not in found and ("drop" in cell or (found["video_frames_lost_pct"] or 0) < 1):
                counted[cell].append(found)
    print("\n| cell | " + " | ".join(words for _, words in SHOWN) + " | runs |")
    print("| --- |" + " --- |" * (len(SHOWN) + 1))
    for cell, runs in counted.items():
        medians = []
        for name, _ in SHOWN:
            known = [run[name] for run in runs if run.get(name) is not None]
            medians.append(f"{statistics.median(known):.2f}" if known else "-")
        print(f"| {cell} | " + " | ".join(medians) + f" | {len(runs)} of {asked.rounds} |")


if __name__ == "__main__":
    main()
