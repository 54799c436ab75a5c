"""A warm worker: every job that a line of stdin names runs in a fork, which is killed after so many seconds.

Line: JSON {"home", "url", "ahead", "job": "render-body" | "issue-deed", "number": id, "after": seconds or null}.
Answer: JSON {"ended": "killed" | exit status, "seconds": how long it ran}.

Warm is whatever a worker that has run for a while has in memory: modules, mappers, the face, a first body linted. The
one exception is typst, whose threads would not live on in a fork; every fork opens it anew.
"""

import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import deed_world
import sqlalchemy as sa

from notary import jobs
from notary.models import Case, Deed, Number
from notary.office import issuing
from signing import lint, render
from signing.body import inside

WORK = {"render-body": issuing.render_body, "issue-deed": issuing.issue}


class Here:
    """As much of a PostgreSQL server as a world wants to know: an address."""

    def __init__(self, url):
        self.address = url

    def url(self, database=""):
        return self.address


def warm_up(body):
    jobs.load()
    sa.orm.configure_mappers()
    render.glyphs()
    facts = inside(body).facts
    assert lint.lint(body, number=facts["number"], on=facts["issued_on"]) == []


def office_of(home, url):
    """A world whose engine has met its database; connections are opened anew in every fork."""
    world = deed_world.World(Here(url), "x", home)
    with world.parts.db() as db:
        for table in (Case, Number, Deed):
            db.scalars(sa.select(table).limit(1)).all()
    world.parts.engine.dispose()
    return world


def run(world, job, number):
    """The fork's whole life: one job."""
    try:
        WORK[job](world.parts, number)
    except BaseException as error:  # noqa: BLE001 (the fork must end here, whatever it was)
        print(repr(error)[:500], file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def main():
    deed_world.ANCHOR = float(sys.argv[1])
    warm_up(Path(sys.argv[2]).read_bytes())
    worlds = {}
    print(json.dumps({"ready": os.getpid()}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["url"] not in worlds:
            worlds[asked["url"]] = office_of(Path(asked["home"]), asked["url"])
        world = worlds[asked["url"]]
        world.clock.ahead = timedelta(seconds=asked["ahead"])
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)  # what the job has started dies with it
            run(world, asked["job"], asked["number"])
        ended = os.pidfd_open(child)
        if not select.select([ended], [], [], asked["after"])[0]:
            os.kill(child, signal.SIGKILL)
        status, seconds = os.waitpid(child, 0)[1], time.monotonic() - began
        os.close(ended)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        how = "killed" if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        print(json.dumps({"ended": how, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
