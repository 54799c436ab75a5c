"""docs/verify.md is run as a stranger would run it: other people's tools agree on a genuine deed, and none on a changed one."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as form

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


@pytest.fixture
def stranger(tmp_path, deed, house):
    """A folder with the deed, the root, and `signing/` alone."""
    (tmp_path / "deed.pdf").write_bytes(deed)
    (tmp_path / "trust.pem").write_bytes(house.root.public_bytes(form.Encoding.PEM))
    shutil.copytree(ROOT / "signing", tmp_path / "signing", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    return tmp_path


def blocks():
    return BLOCK.findall((ROOT / "docs" / "verify.md").read_text())


def run(stranger, script):
    environ = {"PATH": f"{stranger / 'bin'}:/usr/bin:/bin", "HOME": str(stranger), "LANG": "C.UTF-8"}
    return subprocess.run(
        ["bash", "-ec", script], cwd=stranger, env=environ, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.req("I03", "H03")
def test_every_command_of_the_page_calls_a_genuine_deed_good(stranger):
    ours, pieces, openssl, poppler, qpdf = (run(stranger, block) for block in blocks())
    for done in (ours, pieces, openssl, poppler, qpdf):
        assert done.returncode == 0, done.stdout + done.stderr
    assert openssl.stderr.count("CMS Verification successful") == 2
    assert "Verification: OK" in openssl.stdout + openssl.stderr
    assert poppler.stdout.count("Signature is Valid.") == 2
    assert poppler.stdout.count("Certificate is Trusted.") == 2
    assert "No syntax or stream encoding errors found" in qpdf.stdout


@pytest.mark.req("I03")
def test_with_one_byte_changed_they_all_refuse(stranger):
    path = stranger / "deed.pdf"
    data = bytearray(path.read_bytes())
    data[data.index(b"endstream") - 40] ^= 1
    path.write_bytes(data)
    ours, _pieces, openssl, poppler, _qpdf = (run(stranger, block) for block in blocks())
    assert ours.returncode == 1
    assert openssl.returncode != 0
    assert poppler.stdout.count("Signature is Valid.") == 0
