"""Facts that the tests of this room start from."""

import copy
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from signing import render

ROOT = Path(__file__).parents[2]
EXAMPLE = json.loads((ROOT / "signing/examples/facts.json").read_text("utf-8"))
MINUTES = json.loads((ROOT / "signing/examples/minutes.json").read_text("utf-8"))


def make_facts() -> dict:
    """The example as it stands after the interview: strokes bound to the instrument that was shown."""
    facts = copy.deepcopy(EXAMPLE)
    shown = hashlib.sha256(render.instrument(facts)).hexdigest()
    for s in facts["instrument"]["signatures"]:
        s["bound_to"] = shown
    facts["attachments"] = {"evidence": {"sha256": hashlib.sha256(b"manifest").hexdigest()}}
    return facts


@pytest.fixture
def facts() -> dict:
    return make_facts()


@pytest.fixture
def minutes_data() -> dict:
    return copy.deepcopy(MINUTES)


@pytest.fixture(scope="session")
def house():
    """A throw-away authority for the office of the example."""
    from signing.throwaway import authority

    return authority(EXAMPLE["office"]["name"])


class Each:
    """Status from several authorities, each for its own certificates."""

    def __init__(self, *houses):
        self.houses = houses

    def _ask(self, paths, how):
        from signing.evidence import Evidence

        found = Evidence()
        for path in paths:
            own = next(h for h in self.houses if h.issuing == path[1])
            found = found.with_(getattr(own.status, how)([path]))
        return found

    def gather(self, paths):
        return self._ask(paths, "gather")

    def news(self, paths):
        return self._ask(paths, "news")


def at(house, when):
    """(stamper, status) of an authority on another day."""
    from dataclasses import replace

    from signing.stamp import LocalStamper
    from signing.status import LocalStatus

    unit, responder = house.stamper.unit, house.status.responder
    clock = lambda: when  # noqa: E731
    lists = {"root": house.new_list(when)}
    return (
        LocalStamper(replace(unit, now=clock), house.stamper.roots, now=clock),
        LocalStatus(replace(responder, now=clock, lists=lambda: lists), now=clock),
    )


@pytest.fixture(scope="session")
def trust(house):
    from signing.verify import Trust

    return Trust((house.root,), (house.root,))


@pytest.fixture(scope="session")
def body() -> bytes:
    return render.deed(make_facts())


@pytest.fixture(scope="session")
def bob(house):
    """The notary's key."""
    return house.notary(EXAMPLE["notary"]["name"], EXAMPLE["notary"]["id"])


@pytest.fixture(scope="session")
def deed(body, house, bob) -> bytes:
    """One genuine deed, whole."""
    from signing import pades

    return pades.seal(body, bob, house.seal, house.stamper, house.status)


@pytest.fixture
def answering():
    """Loopback services that answer with given bytes, or with what a function makes of the request.

    `trickle`: seconds between single bytes, headers included.
    """
    doors = []

    def start(answer, status=200, kind="application/timestamp-reply", trickle=0.0, headers=()):
        class Door(BaseHTTPRequestHandler):
            def do_POST(self):
                asked = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                said = answer(asked) if callable(answer) else answer
                self.send_response(status)
                self.send_header("Content-Type", kind)
                for name, value in headers:
                    self.send_header(name, value)
                if trickle:
                    self._drop_by_drop(said)
                    return
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_POST  # noqa: N815

            def _drop_by_drop(self, said):
                head = b"".join(self._headers_buffer)
                try:
                    for byte in head + b"\r\n" + said:
                        self.wfile.write(bytes((byte,)))
                        self.wfile.flush()
                        time.sleep(trickle)
                except OSError:
                    pass  # whoever asked has hung up, as he should

            def log_message(self, *args):
                pass

        door = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        door.daemon_threads, door.block_on_close = True, False
        threading.Thread(target=door.serve_forever, daemon=True).start()
        doors.append(door)
        return f"http://127.0.0.1:{door.server_address[1]}"

    yield start
    for door in doors:
        door.shutdown()
        door.server_close()
