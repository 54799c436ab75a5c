"""A hardware module for tests: SoftHSM with a token of its own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
PIN = "293857"


@pytest.fixture(scope="session")
def module(tmp_path_factory):
    """SoftHSM with a fresh token; its library reads the variable when it is loaded first."""
    found = next((one for one in MODULES if Path(one).exists()), None)
    assert found, "SoftHSM is missing: make tools"
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(folder / "conf")
    command = [
        shutil.which("softhsm2-util"),
        "--init-token",
        "--free",
        "--label",
        "office",
        "--so-pin",
        "776655",
        "--pin",
        PIN,
    ]
    subprocess.run(command, check=True, capture_output=True)
    return found
