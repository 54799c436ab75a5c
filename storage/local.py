"""
A write-once store on a local disk.

An object is either there whole or not there: it is staged beside the objects, synced, renamed, and the
folder synced. Nothing is ever overwritten or deleted through this class.
"""

import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from storage.errors import BadKey, Differs, NoSuchObject, StoreFull

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=@+-]{0,127}")
_STAGING = ".staging"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 20


class Store:
    """Objects under `root`, by keys such as `deeds/ab12.pdf`: 1 to 12 parts of letters, digits and `._=@+-`.

    Safe for many threads and processes at once: every call opens its own descriptors, and each part of a
    key is opened relative to its parent without following links, so a link planted inside never leads out.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.root / _STAGING).mkdir(mode=0o700, exist_ok=True)

    def put_once(self, key: str, data: bytes) -> str:
        """Keep `data` under `key` for ever; returns its SHA-256 in hex. The same bytes again are fine.

        Raises BadKey, Differs (other bytes are there; they stay), StoreFull (nothing became visible).
        """
        *folders, name = _parts(key)
        digest = hashlib.sha256(data).hexdigest()
        root = os.open(self.root, _FOLDER)
        staged = f"{secrets.token_hex(16)}.part"
        try:
            staging = os.open(_STAGING, _FOLDER, dir_fd=root)
            try:
                _write(staged, data, staging)
                folder = _descend(root, folders, create=True)
                try:
                    # link() fails where rename() would replace: two writers at once cannot both win
                    os.link(staged, name, src_dir_fd=staging, dst_dir_fd=folder, follow_symlinks=False)
                    os.fsync(folder)
                except FileExistsError:
                    if _digest(name, folder) != digest:
                        raise Differs(key) from None
                    os.fsync(folder)  # the first writer may have died before its own sync
                finally:
                    os.close(folder)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(staged, dir_fd=staging)
                os.close(staging)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreFull(key) from error
            raise
        finally:
            os.close(root)
        return digest

    def get(self, key: str) -> bytes:
        """The whole object. Raises BadKey, NoSuchObject."""
        with self.open_stream(key) as stream:
            return stream.read()

    def open_stream(self, key: str) -> BinaryIO:
        """The object as a binary file, open for reading. Raises BadKey, NoSuchObject."""
        *folders, name = _parts(key)
        root = os.open(self.root, _FOLDER)
        try:
            folder = _descend(root, folders, create=False)
            try:
                fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            finally:
                os.close(folder)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NoSuchObject(key) from error
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise NoSuchObject(key) from error
            raise
        finally:
            os.close(root)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise NoSuchObject(key)
        return os.fdopen(fd, "rb")

    def exists(self, key: str) -> bool:
        """Whether an object stands under `key`. Raises BadKey."""
        try:
            self.open_stream(key).close()
        except NoSuchObject:
            return False
        return True

    def list(self, prefix: str = "") -> Iterator[str]:
        """Keys that start with `prefix`, sorted. A prefix may end inside a part: `deeds/ab`."""
        if prefix:
            _parts(prefix.rstrip("/") or "/")
        folder, _, start = prefix.rpartition("/")
        base = self.root / folder
        if base.is_symlink() or not base.is_dir():
            return
        for path in sorted(base.rglob("*")):
            inside = path.relative_to(base)
            if inside.parts[0].startswith(start) and not inside.parts[0].startswith(".") and path.is_file():
                yield path.relative_to(self.root).as_posix()

    def free_bytes(self) -> int:
        """Bytes that an ordinary user may still write here."""
        room = os.statvfs(self.root)
        return room.f_bavail * room.f_frsize


def _parts(key: str) -> list[str]:
    parts = key.split("/")
    if len(parts) > 12 or not all(_PART.fullmatch(part) for part in parts):
        raise BadKey(key)
    return parts


def _descend(root: int, folders: list[str], *, create: bool) -> int:
    """An open folder, one part at a time and never through a link; the caller closes it."""
    here = os.dup(root)
    try:
        for part in folders:
            try:
                below = os.open(part, _FOLDER, dir_fd=here)
            except FileNotFoundError:
                if not create:
                    raise
                with suppress(FileExistsError):
                    os.mkdir(part, mode=0o700, dir_fd=here)
                below = os.open(part, _FOLDER, dir_fd=here)
                os.fsync(here)
            os.close(here)
            here = below
    except BaseException:
        os.close(here)
        raise
    return here


def _write(name: str, data: bytes, folder: int) -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o400, dir_fd=folder)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view[:_CHUNK]) :]
        os.fsync(fd)
    finally:
        os.close(fd)


def _digest(name: str, folder: int) -> str:
    found = hashlib.sha256()
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(fd, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()
