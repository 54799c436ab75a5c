"""The stage: `python -m notary up` in a home of its own on free ports, its printed output read as a person would."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

from notary.postgres import die_with_parent
from notary.processes import free_port
from notary.settings import CHECKOUT

LINK = re.compile(r"^\s+(\w+)\s+(\w+)\s+(http\S+/staff/enrol/\S+)$")
CODE = re.compile(r"enrolment code of (.+?) for the first passkey: (\S+)")
STARTING = 120
"""Seconds that a first start may take."""


def home_for(purpose: str) -> Path:
    """A data folder keyed by the checkout, so that two checkouts never meet."""
    if os.geteuid() == 0:
        return Path("/var/lib/yuanzheng") / f"{hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:10]}-{purpose}"
    return CHECKOUT / "var" / f"{purpose}-office"


class Stage:
    """The running office. `links`: one-time enrolment links by user name; `said`: every line it printed."""

    def __init__(self, home: Path | None = None, port: int | None = None) -> None:
        self.home = home or home_for("demo")
        self.port = port or free_port()
        self.url = f"http://localhost:{self.port}"
        self.said: list[str] = []
        self.links: dict[str, str] = {}
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Stage:
        shutil.rmtree(self.home, ignore_errors=True)
        self.start()
        return self

    def start(self) -> None:
        """Raises RuntimeError with what was printed when the office does not come up."""
        environ = {**os.environ, "HOME_DIR": str(self.home), "PORT": str(self.port)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "notary", "up"], cwd=CHECKOUT, env=environ, text=True, bufsize=1,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            preexec_fn=lambda: die_with_parent(signal.SIGTERM),
        )  # fmt: skip
        threading.Thread(target=self._listen, daemon=True).start()
        deadline = time.monotonic() + STARTING
        while not any(line.startswith("Ready: ") for line in self.said):
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError("the office did not come up:\n" + "\n".join(self.said[-30:]))
            time.sleep(0.1)

    def runs(self) -> bool:
        """Whether the office still stands."""
        return self._process is not None and self._process.poll() is None

    def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line.rstrip("\n"))
            if found := LINK.match(line):
                self.links[found[2]] = found[3]

    def code_for(self, name: str) -> str:
        """The code that seal printed for a notary's first passkey. Raises LookupError."""
        for line in self.said:
            if (found := CODE.search(line)) and name == found[1]:
                return found[2]
        raise LookupError(f"seal printed no enrolment code for {name}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
