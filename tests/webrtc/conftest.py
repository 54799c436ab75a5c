"""What the tests of this room share; the parties themselves are in webrtc_parties."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from webrtc_parties import Clip, Worker, make_clip

from storage import vault
from webrtc import peer, port
from webrtc.connection import Connection


@pytest.fixture(scope="session", params=["port", "aiortc"])
def engine(request: pytest.FixtureRequest) -> str:
    """Every test that needs a worker is played on both."""
    return request.param


@pytest.fixture
def stood(engine: str) -> Callable[[], Callable[[], Connection]]:
    """Call it on the loop: the engine's way to make a connection."""

    def stand() -> Callable[[], Connection]:
        if engine == "port":
            return port.stand("127.0.0.1", 0, "").connect
        peer.bind_to("127.0.0.1")
        return peer.Peer

    return stand


def _running(folder: Path, engine: str) -> Iterator[Worker]:
    running = Worker(folder / "run" / "media.sock", folder / "rec", engine)
    yield running
    running.stop()
    log = running.log.read_text()
    assert "Traceback" not in log, log
    assert "Exception" not in log, log


@pytest.fixture
def worker(tmp_path: Path, engine: str) -> Iterator[Worker]:
    yield from _running(tmp_path, engine)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, engine: str) -> Iterator[Worker]:
    """One worker for the tests that only knock at it."""
    yield from _running(tmp_path_factory.mktemp("standing"), engine)


@pytest.fixture
def key() -> bytes:
    return vault.new_data_key()


@pytest.fixture(scope="session")
def clips() -> dict[str, Clip]:
    return {"applicant": make_clip(1), "notary": make_clip(2)}


@pytest.fixture(scope="session")
def h264_clips() -> dict[str, Clip]:
    return {"applicant": make_clip(1, 2, "H264"), "notary": make_clip(2, 2, "H264")}


ONCE = (
    "test_webrtc_browser.py", "test_webrtc_firefox.py", "test_webrtc_h264_call.py", "test_webrtc_network.py",
    "test_webrtc_watch.py",
)  # fmt: skip
"""Long calls, played on the default engine alone unless ENGINES=all."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("ENGINES") == "all":
        return
    spared = [one for one in items if one.path.name in ONCE and "[aiortc" in one.name]
    if spared:
        config.hook.pytest_deselected(items=spared)
        items[:] = [one for one in items if one not in spared]
