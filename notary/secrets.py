"""Secrets that the first run makes. None is shipped, none is printed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

MADE: dict[str, Callable[[], str]] = {
    "secret_key": lambda: secrets.token_urlsafe(48),
    "storage_key": lambda: secrets.token_hex(32),
    "database_password": lambda: secrets.token_urlsafe(24),
    "seal_database_password": lambda: secrets.token_urlsafe(24),
    "seal_passphrase": lambda: secrets.token_urlsafe(24),
}


def make_missing(home: Path) -> None:
    """Makes each secret that is not there yet; an existing one is never touched."""
    folder = home / "secrets"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name, make in MADE.items():
        write_new(folder / name, make())


def read(home: Path, name: str) -> str:
    return (home / "secrets" / name).read_text().strip()


def write_new(path: Path, text: str) -> bool:
    """Writes `text` with mode 0600 unless the file exists; whole or not at all. True if it was written."""
    if path.exists():
        return False
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(staging, path)
    except FileExistsError:
        return False
    finally:
        staging.unlink()
    return True
