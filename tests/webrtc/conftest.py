"""What the tests of this room share; the parties themselves are in webrtc_parties."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from webrtc_parties import Clip, Worker, make_clip

from storage import vault


def _running(folder: Path) -> Iterator[Worker]:
    running = Worker(folder / "run" / "media.sock", folder / "rec")
    yield running
    running.stop()
    log = running.log.read_text()
    assert "Traceback" not in log, log
    assert "Exception" not in log, log


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    yield from _running(tmp_path)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One worker for the tests that only knock at it."""
    yield from _running(tmp_path_factory.mktemp("standing"))


@pytest.fixture
def key() -> bytes:
    return vault.new_data_key()


@pytest.fixture(scope="session")
def clips() -> dict[str, Clip]:
    return {"applicant": make_clip(1), "notary": make_clip(2)}
