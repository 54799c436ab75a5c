"""Facts that the tests of this room start from."""

import copy
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from module_world import module  # noqa: F401 - a fixture of several files
from signing_world import EXAMPLE, MINUTES, make_facts

from signing import render


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
