"""Both parties side by side, for a reviewer's eye: made by a job from the sealed segments, which stay what they are (D04, D08)."""

from __future__ import annotations

import json
import os
import secrets
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from uuid import UUID

from sqlalchemy.orm import Session

from notary.jobs import enqueue, job, pending
from notary.models import Case, Interview
from notary.office import playing, safe
from notary.parts import Parts
from storage import vault
from storage.errors import BadBox
from webrtc import compose, journal

NAME = "side-by-side"
CPU_OF_MEDIA = 4.0
"""Seconds of CPU that a second of interview may take at most; on a small machine it takes about half of one."""
SPARE_CPU_S = 60


class NotComposed(Exception):
    """The child ended without a whole film; what it was given and what it said last."""


def wanted(db: Session, parts: Parts, interview: Interview) -> None:
    """Somebody looks: the film of a closed interview is made, unless it is there, or being made, or of nothing.

    Not before: it costs a third of the interview's time in CPU, and most recordings are never looked at.
    """
    if not playing.segments(interview) or size(parts, interview) is not None:
        return
    if not pending(db, "compose", interview_id=str(interview.id)):
        enqueue(db, "compose", interview_id=str(interview.id))


def size(parts: Parts, interview: Interview) -> int | None:
    """Bytes of the film; None while there is none. Read from the lengths alone."""
    try:
        with _path(parts, interview).open("rb") as stream:
            whole = 0
            while len(head := stream.read(4)) == 4:
                length = int.from_bytes(head, "big")
                whole += length - vault.OVERHEAD
                stream.seek(length, os.SEEK_CUR)
            return whole
    except FileNotFoundError:
        return None


def read(parts: Parts, case: Case, interview: Interview, first: int, last: int) -> Iterator[bytes]:
    """Bytes `first` to `last` of the film, both included."""
    return playing.stretch(_path(parts, interview), safe.data_key(parts, case), str(interview.id), first, last)


@job("compose", attempts=2)
def make(parts: Parts, interview_id: str) -> None:
    """Makes the film if it is not there; whole or not at all."""
    with parts.db() as db:
        interview = db.get_one(Interview, UUID(interview_id))
        key = safe.data_key(parts, db.get_one(Case, interview.case_id))
        path, segments = _path(parts, interview), playing.segments(interview)
    if path.exists() or not segments:
        return
    staged = path.with_suffix(f".{secrets.token_hex(8)}")  # of its own: two may look at once, or a job be taken over
    try:
        with staged.open("xb") as out:
            for index, plain in enumerate(_film(path.parent, key, interview_id, segments)):
                box = vault.encrypt(key, plain, vault.aad(interview_id, NAME, index, 0))
                out.write(struct.pack("!L", len(box)) + box)
            out.flush()
            os.fsync(out.fileno())
        staged.rename(path)
    finally:
        staged.unlink(missing_ok=True)


def _path(parts: Parts, interview: Interview) -> Path:
    return parts.settings.under("recordings", str(interview.id), f"{NAME}.box")


def _film(folder: Path, key: bytes, room: str, segments: list[dict[str, object]]) -> Iterator[bytes]:
    """The child's fragments. What it complains goes into a file: a pipe that nobody reads would stop it."""
    with tempfile.TemporaryFile() as said:
        yield from _composed(folder, key, room, segments, said)


def _composed(
    folder: Path, key: bytes, room: str, segments: list[dict[str, object]], said: IO[bytes]
) -> Iterator[bytes]:
    """The segments are decrypted into pipes, never onto the disk."""
    pipes = [os.pipe() for _ in segments]
    told = [
        {"leg": one["leg"], "offset": one["offset"], "seconds": one["seconds"], "fd": ours}
        for one, (ours, _) in zip(segments, pipes, strict=True)
    ]
    seconds = max(float(str(one["offset"])) + float(str(one["seconds"])) for one in segments)
    child = subprocess.Popen(
        [sys.executable, "-m", compose.__name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
        pass_fds=[ours for ours, _ in pipes],
    )  # fmt: skip
    for ours, _ in pipes:
        os.close(ours)
    feeding = [
        threading.Thread(target=_feed, args=(folder / f"{one['segment']}.rec", key, room, theirs), daemon=True)
        for one, (_, theirs) in zip(segments, pipes, strict=True)
    ]
    for thread in feeding:
        thread.start()
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        cpu = int(seconds * CPU_OF_MEDIA) + SPARE_CPU_S
        child.stdin.write(json.dumps({"segments": told, "seconds": seconds, "cpu_s": cpu}).encode() + b"\n")
        child.stdin.close()
        yield from _fragments(child.stdout)
        if child.wait() != 0:
            said.seek(0)
            raise NotComposed(said.read()[-400:].decode(errors="replace"))
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def _fragments(stream: IO[bytes]) -> Iterator[bytes]:
    while len(head := stream.read(4)) == 4:
        length = int.from_bytes(head, "big")
        plain = stream.read(length)
        if len(plain) < length:
            return  # its exit code says why
        yield plain


def _feed(path: Path, key: bytes, room: str, pipe: int) -> None:
    """A segment's plaintext into its pipe; a fragment that does not open ends it, as it ends a player's stream."""
    with os.fdopen(pipe, "wb") as stream:
        try:
            for plain in journal.fragments(path, key, room):
                stream.write(plain)
        except (BadBox, FileNotFoundError, BrokenPipeError):
            return
