"""A warm worker: every job that a line of stdin names runs in a fork, which is killed after so many seconds.

Line: JSON {"job": "render-body" | "issue-deed", "number": id, "after": seconds or null}. Answer: JSON {"ended": how}.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import deed_world

import signing.pades
from notary import jobs
from notary.office import issuing
from signing import lint, render

jobs.load()
WORK = {"render-body": issuing.render_body, "issue-deed": issuing.issue}


class Here:
    """As much of a PostgreSQL server as a world wants to know: an address."""

    def __init__(self, url):
        self.address = url

    def url(self, database=""):
        return self.address


def main():
    home, url, ahead = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    assert (signing.pades, lint, render.glyphs()) is not None
    print(json.dumps({"ready": os.getpid()}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            world = deed_world.World(Here(url), "x", home)
            world.clock.ahead = deed_world.timedelta(seconds=ahead)
            deed_world.ANCHOR = float(sys.argv[4])
            try:
                WORK[asked["job"]](world.parts, asked["number"])
            except BaseException as error:  # noqa: BLE001 (the fork must end here, whatever it was)
                print(repr(error)[:500], file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        if asked["after"] is not None:
            end = time.monotonic() + asked["after"]
            while time.monotonic() < end:
                if os.waitpid(child, os.WNOHANG)[0]:
                    child = 0
                    break
                time.sleep(0.002)
            if child:
                os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1] if child else 0
        print(json.dumps({"ended": "killed" if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)}), flush=True)


if __name__ == "__main__":
    main()
