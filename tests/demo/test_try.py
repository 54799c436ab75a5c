"""`make try` on a screen of its own: two windows, a dozen cases in every state, everybody can be played."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import pytest

from notary.demo.visitor import Officer
from notary.postgres import die_with_parent
from notary.processes import free_port
from signing.verify import Trust, verify

ROOT = Path(__file__).parents[2]
ON_THE_DESK = {
    "submitted", "returned", "accepted", "scheduled", "suspended", "drafting", "approval", "approved", "issued", "delivered",
    "under_review", "revoked",
}  # fmt: skip


@pytest.fixture
def screen():
    """A virtual screen; its number comes from Xvfb."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1780x920x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    yield f":{os.read(reading, 20).decode().strip()}"
    os.close(reading)
    server.terminate()
    server.wait(20)


@pytest.fixture
def home():
    folder = Path(tempfile.mkdtemp(prefix="yz-try-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


class Trying:
    """The running command: what it printed, and its keyboard."""

    def __init__(self, screen, home):
        self.url = f"http://localhost:{(port := free_port())}"
        environ = {**os.environ, "DISPLAY": screen, "HOME_DIR": str(home), "PORT": str(port), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "notary", "try"], cwd=ROOT, env=environ, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=lambda: die_with_parent(signal.SIGTERM),
        )  # fmt: skip
        self.said = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            self.said.append(line.rstrip())

    def types(self, line, until, seconds=30):
        """Types a line and gives what was printed from there up to a match of `until`."""
        before = len(self.said)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.prints(until, seconds, before)

    def prints(self, until, seconds, before=0):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in self.said[before:]:
                if found := re.search(until, line):
                    return found
            assert self.process.poll() is None, "\n".join(self.said[-40:])
            time.sleep(0.2)
        raise AssertionError(f"{until!r} was not printed:\n" + "\n".join(self.said[-40:]))


@pytest.fixture
def trying(screen, home):
    made = Trying(screen, home)
    yield made
    if made.process.poll() is None:
        made.process.terminate()
        made.process.wait(60)


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.timeout(400)
def test_one_person_finds_two_windows_every_state_and_everybody_to_play(trying):
    trying.prints("All cases are there", 300)
    notary = Officer(trying.url, "chenjing", "")
    for login in ("wangshu", "hejie"):
        trying.types(f"open {login}", f"{login}'s window is open")
    password = trying.types("who", r"chenjing\s+(\S+)")[1]
    code = trying.types("code chenjing", r"^(\d{6})$")[1]
    notary.form("/staff/login", {"login": "chenjing", "password": password})
    notary.form("/staff/totp", {"code": code})
    queue, deeds = notary.get("/desk/"), notary.get("/desk/deeds")
    assert set(re.findall(r'data-state="([a-z_]+)"', queue + deeds)) == ON_THE_DESK

    root = httpx.get(f"{trying.url}/.well-known/yuanzheng/root.pem").content
    sealed = re.findall(r'data-case="([^"]+)" data-state="(?:issued|delivered|under_review|revoked)"', deeds)
    files = [notary.http.get(f"/desk/cases/{case}/deed.pdf").content for case in sealed]
    assert [verify(data, Trust.from_pem(root)).verdict for data in files] == ["valid"] * 4

    trying.process.stdin.write("quit\n")
    trying.process.stdin.flush()
    assert trying.process.wait(60) == 0


def test_a_port_that_is_taken_is_said_to_be_before_anything_is_made(home):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environ = {**os.environ, "DISPLAY": ":0", "HOME_DIR": str(home), "PORT": str(taken.getsockname()[1])}
        done = subprocess.run(
            [sys.executable, "-m", "notary", "try"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
        )

    assert done.returncode == 2
    assert "already" in done.stderr
    assert list(home.iterdir()) == []


def test_without_a_screen_it_says_so_and_what_to_do():
    environ = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-m", "notary", "try"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "make up" in done.stderr
