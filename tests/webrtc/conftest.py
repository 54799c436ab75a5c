"""What the tests of this room share; the parties themselves are in webrtc_parties."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from webrtc_parties import Clip, Worker, make_clip

from storage import vault


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    running = Worker(tmp_path / "run" / "media.sock", tmp_path / "rec")
    yield running
    running.stop()


@pytest.fixture
def key() -> bytes:
    return vault.new_data_key()


@pytest.fixture(scope="session")
def clips() -> dict[str, Clip]:
    return {"applicant": make_clip(1), "notary": make_clip(2)}
