"""
A real Firefox, driven over Marionette (https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html): Debian
has no geckodriver, and the protocol is a length, a colon and a JSON array.
"""

import json
import socket
import subprocess
import time
from pathlib import Path

TOLD = "typeof told === 'undefined' ? document.location.href : JSON.stringify(told.slice(-8))"
PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "media.autoplay.blocking_policy": 0,
    "media.autoplay.default": 0,  # sound may start without a tap, as the Chromium of these tests is told too
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,  # its own test camera: without a sound card no AudioContext starts there
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "",
    "toolkit.telemetry.enabled": False,
}


class Firefox:
    """One headless Firefox with a profile of its own in `folder`, and one window."""

    def __init__(self, folder: Path):
        port = _free_port()
        wanted = {**PREFERENCES, "marionette.port": port}
        folder.mkdir(parents=True, exist_ok=True)
        lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in wanted.items())
        (folder / "user.js").write_text("".join(lines))
        self._process = subprocess.Popen(
            ["firefox-esr", "--headless", "--marionette", "--no-remote", "--profile", str(folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._number = 0
        self._wire = self._reach(port)
        self._stream = self._wire.makefile("rb")
        self._read()  # who it is
        self._ask("WebDriver:NewSession", {})

    def goto(self, url: str) -> None:
        """Open `url` and wait until it is loaded."""
        self._ask("WebDriver:Navigate", {"url": url})

    def evaluate(self, expression: str):
        """The value of a JavaScript expression in the page."""
        return self._ask("WebDriver:ExecuteScript", {"script": f"return {expression}", "args": []})["value"]

    def wait_for(self, expression: str, seconds: float = 20.0) -> None:
        """Until the expression is true; fails the test if it does not become so."""
        end = time.monotonic() + seconds
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"not true: {expression}; {self.evaluate(TOLD)}"
            time.sleep(0.05)

    def close(self) -> None:
        """End the browser, and wait for that."""
        self._stream.close()
        self._wire.close()
        self._process.terminate()
        self._process.wait(20)

    def _ask(self, command: str, parameters: dict):
        self._number += 1
        body = json.dumps([0, self._number, command, parameters]).encode()
        self._wire.sendall(b"%d:%s" % (len(body), body))
        _kind, number, error, result = self._read()
        assert number == self._number
        assert error is None, error
        return result

    def _read(self):
        size = b""
        while not size.endswith(b":"):
            size += self._stream.read(1) or _ended()
        return json.loads(self._stream.read(int(size[:-1])))

    def _reach(self, port: int, seconds: float = 30.0) -> socket.socket:
        end = time.monotonic() + seconds
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=60)
            except ConnectionRefusedError:
                assert self._process.poll() is None, "Firefox did not start"
                assert time.monotonic() < end, "Firefox does not answer"
                time.sleep(0.1)


def _ended() -> bytes:
    raise AssertionError("Firefox ended in mid-answer")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
