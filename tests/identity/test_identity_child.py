"""The child process: what it answers, what it may not do, and that it never takes the office with it."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from interview_pictures import face, frames, jpeg

from identity import child, specimen
from identity.child import Child
from identity.errors import ChildFailed, NoEngine, NoFace, Unreadable

ROOT = Path(__file__).resolve().parents[2]
ROOM = jpeg(np.full((480, 640, 3), 120, np.uint8))


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left_running():
    yield
    child.close()
    assert child._child.pid is None


@pytest.fixture(scope="module")
def card() -> bytes:
    return jpeg(specimen.front(specimen.YANG_JIA, face(1)))


@pytest.mark.req("B04", "B07")
def test_a_card_is_read_its_portrait_cut_and_compared_with_the_camera(card):
    told = child.read_document(card)
    assert ("cn_id_front", specimen.YANG_JIA.number) == (told["type"], told["number"])
    portrait = child.card_portrait(card)
    assert cv2.imdecode(np.frombuffer(portrait, np.uint8), 1).shape[0] < 500
    at_the_camera = [jpeg(frame) for frame in frames(face(1))[3::3]]
    assert "supports" == child.compare_faces(portrait, at_the_camera)["advice"]
    somebody_else = [jpeg(frame) for frame in frames(face(3))[3::3]]
    assert child.compare_faces(portrait, somebody_else)["advice"] in ("doubtful", "against")


def test_a_refusal_keeps_its_name_and_the_child_its_warmth(card):
    child.card_portrait(card)
    before = child._child.pid
    with pytest.raises(NoFace):
        child.compare_faces(ROOM, [jpeg(face(1))])
    with pytest.raises(NoFace):
        child.card_portrait(ROOM)
    with pytest.raises(Unreadable):
        child.read_document(b"<svg onload=alert(1)>")
    with pytest.raises(Unreadable):
        child.read_document(ROOM)
    with pytest.raises(NoEngine):
        child.compare_faces(jpeg(face(1)), [jpeg(face(1))], engines=["oracle"])
    assert before == child._child.pid is not None
    assert "none" == child.compare_faces(jpeg(face(1)), [ROOM])["advice"]
    for count in (0, 13):
        with pytest.raises(ValueError):
            child.compare_faces(ROOM, [ROOM] * count)


def test_a_killed_child_is_one_failed_job_and_the_next_has_a_fresh_one(card):
    child.card_portrait(card)
    pid = child._child.pid
    killer = threading.Timer(0.3, os.kill, (pid, signal.SIGKILL))
    killer.start()
    with pytest.raises(ChildFailed, match="died"):
        _work_for_ever(card)
    killer.join()
    assert child.card_portrait(card)
    assert pid != child._child.pid


def _work_for_ever(card: bytes) -> None:
    while True:
        child._child.ask("compare", [card, *[card] * 12], engines=["sface"])


def test_a_job_that_outlasts_the_wall_clock_is_ended(card):
    hasty = Child(wall_seconds=0.3)
    start = time.monotonic()
    with pytest.raises(ChildFailed, match="too long"):
        hasty.ask("read", [card], today=None)
    assert time.monotonic() - start < 3
    assert hasty.pid is None


def test_an_unknown_job_ends_the_child_and_tells_no_contents():
    with pytest.raises(ChildFailed, match=r"KeyError in inmate\.py"):
        child._child.ask("no such job", [b"secret"])
    assert child._child.pid is None


def test_two_threads_take_turns(card):
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(len(child.card_portrait(card)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 4 == len(answers)
    assert 1 == len(set(answers))


@pytest.mark.req("B12", "B13")
def test_in_the_cage_there_is_no_socket_no_file_and_little_memory(tmp_path):
    probe = f"""
import ctypes, os, socket
from identity import cage
cage.close()
libc = ctypes.CDLL(None, use_errno=True)
for call, arguments in ((libc.socket, (2, 1, 0)), (libc.socket, (10, 2, 0)), (libc.socket, (1, 1, 0))):
    assert call(*arguments) == -1 and ctypes.get_errno() == 13, "native code opened a socket"
try:
    socket.create_connection(("127.0.0.1", 9))
except PermissionError:
    pass
else:
    raise SystemExit("python opened a socket")
try:
    with open({str(tmp_path / "template")!r}, "wb") as out:
        out.write(bytes(512))
except OSError:
    pass
else:
    raise SystemExit("a file was written")
try:
    bytearray(5 << 30)
except MemoryError:
    pass
else:
    raise SystemExit("memory has no end")
print("caged")
"""
    ran = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert "caged\n" == ran.stdout, ran.stderr
    assert not list(tmp_path.glob("*")) or 0 == (tmp_path / "template").stat().st_size


@pytest.mark.req("B12")
def test_the_child_is_in_the_cage_while_it_works(card):
    child.card_portrait(card)
    status = Path(f"/proc/{child._child.pid}/status").read_text()
    limits = Path(f"/proc/{child._child.pid}/limits").read_text()
    environment = Path(f"/proc/{child._child.pid}/environ").read_bytes()
    if "Seccomp:" in status:
        assert "Seccomp:\t2" in status
    assert "Max file size             0 " in limits
    assert b"DATABASE_URL" not in environment


def test_the_child_goes_when_its_office_dies():
    office = "import time\nfrom identity import child\nprint(child.engines_standing() and child._child.pid, flush=True)\ntime.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", office], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    pid = int(process.stdout.readline())
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _runs(pid):
        time.sleep(0.1)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
