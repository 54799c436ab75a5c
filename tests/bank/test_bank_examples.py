"""The shipped examples against a real server: a good deed, a changed one, a revoked one, and an office that lies."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from notary.models import Standing
from tests.looking import served

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
COMMANDS = {
    "python": [sys.executable, str(EXAMPLES / "verify.py")],
    "curl": ["sh", str(EXAMPLES / "verify.sh")],
    "java": ["java", str(EXAMPLES / "Verify.java")],
}


@pytest.fixture(params=COMMANDS)
def example(request, world, tmp_path):
    """Runs one of the examples over files; skipped where its program is not installed."""
    if missing := [one for one in {"curl": ("curl", "openssl"), "java": ("java",)}.get(request.param, ()) if not shutil.which(one)]:  # fmt: skip
        pytest.skip(f"not installed: {', '.join(missing)}")

    def run(data, name="deed.pdf"):
        (tmp_path / name).write_bytes(data)
        with served(world.app) as origin:
            return subprocess.run(
                [*COMMANDS[request.param], origin, str(tmp_path / name)], capture_output=True, text=True, timeout=120, check=False,
                env=os.environ | {"YUANZHENG_KEY": world.key, "LC_ALL": "C.UTF-8"},
            )  # fmt: skip

    return run


@pytest.mark.req("I04")
def test_an_example_verifies_checks_the_receipts_and_reads_the_feed(world, example):
    world.stand(world.held[1], Standing.REVOKED)
    said = example(world.held[0].data)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "by file" in said.stdout
    assert "every receipt is the office's" in said.stdout
    assert "deed.revoked" in said.stdout or "revocation feed: 1 lines" in said.stdout

    spoiled = bytearray(world.held[0].data)
    spoiled[len(spoiled) // 2] ^= 1
    changed = example(bytes(spoiled))
    assert (changed.returncode, "changed" in changed.stdout, "verify.no-match" in changed.stdout) == (1, True, True), changed.stderr  # fmt: skip
    revoked = example(world.held[1].data)
    assert (revoked.returncode, "revoked" in revoked.stdout) == (1, True), revoked.stderr


@pytest.mark.req("I04")
def test_an_example_does_not_believe_an_answer_that_the_office_has_not_signed(world, example):
    published = world.seal.public()
    world.seal.keys["receipt"] = Ed25519PrivateKey.generate()
    world.seal.public = lambda: published
    lied = example(world.held[0].data)
    assert lied.returncode == 2, lied.stdout + lied.stderr
    assert "office" in lied.stderr
