"""
What looking at faces costs an interview: a key frame decoded to a picture, and the same face found in it.

    python benchmarks/media/looks.py FACE [--looks 200]

FACE sways in 640x480, each picture a key frame. CPU is user and system time of the two caged children, the decoder's and the
judge's, for a look in the middle of a run (what a child costs to start is told apart), and as a share of a core at one look every
second, as an interview takes them, and every two seconds.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent / "identity")]

import psutil
from swapped import clip

from identity import child
from webrtc.sampler import Sampler


def children() -> float:
    """User and system seconds of all living children."""
    times = [one.cpu_times() for one in psutil.Process().children(recursive=True)]
    return sum(one.user + one.system for one in times)


async def cost(looks: int, look: Callable[[int], Awaitable[object]]) -> tuple[float, float]:
    """(CPU milliseconds of the first look with its child's start, of each one after it)."""
    before = children()
    await look(0)
    first = children()
    for n in range(1, looks + 1):
        await look(n)
    return 1000 * (first - before), 1000 * (children() - first) / looks


async def measured(face: Path, looks: int) -> None:
    keys = clip(face, 0).pictures
    sampler, jpegs = Sampler(), []

    async def decode(n: int) -> None:
        jpegs.append(await sampler.jpeg(keys[n % len(keys)]))

    async def judge(n: int) -> None:
        told = await asyncio.to_thread(child.same_person, "one", jpegs[n], lambda: jpegs[:1])
        assert told["same"], told

    for name, look in (("decoded", decode), ("judged", judge)):
        start, each = await cost(looks, look)
        told = {"what": name, "looks": looks, "start_ms": round(start), "each_ms": round(each, 2)}
        print(
            json.dumps({**told, "core_pct_every_s": round(each / 10, 2), "every_2_s": round(each / 20, 2)}), flush=True
        )
    await sampler.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("face", type=Path)
    parser.add_argument("--looks", type=int, default=150, help="fewer than a child is used for")
    asked = parser.parse_args()
    asyncio.run(measured(asked.face, asked.looks))


if __name__ == "__main__":
    main()
