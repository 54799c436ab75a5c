"""
A challenge as it happens: prompts go out on the server's clock, every picture that comes in is looked at in a cage.

Nothing here knows the database. What comes back is prompts, signals and the pictures in memory; the caller keeps the
few that are evidence.
"""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from identity.challenge import AHEAD, AHEAD_S, FLASH, LONGEST_S, PAUSE_S, Drawn, Prompt, script
from identity.child import Watching
from identity.errors import IdentityError
from identity.signals import Signals
from notary.office.hearing import APPLICANT
from webrtc.client import MediaError, Rooms, Seen

AHEAD_AT_MOST_S, ENOUGH_AHEAD = 8.0, 8
HINT_EVERY_S = 1.5
AFTER_S = 1.5
"""How long pictures are still looked at after the last colour: light takes its way through screen, camera and network."""
RATE = 12.0


class NotReached(Exception):
    """No page took a prompt, or no picture came."""


@dataclass
class Performance:
    """`pictures` (media seconds, JPEG) beside `signals`; `stamps`, `prints`: RTP time and hash of each picture."""

    prompts: list[Prompt] = field(default_factory=list)
    signals: list[Signals] = field(default_factory=list)
    pictures: list[tuple[float, bytes]] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)
    prints: list[str] = field(default_factory=list)
    trouble: str = ""


def perform(
    media: Rooms,
    room: str,
    challenge: str,
    drawn: Drawn,
    without: Sequence[str],
    sleep: Callable[[float], None] = time.sleep,
) -> Performance:
    """Plays the challenge to the applicant's page. Raises NotReached."""
    made, watcher = Performance(), Watching()
    looking = _Looking(made, watcher)
    try:
        watcher.ready()
        longest = drawn.seconds - AHEAD_S + AHEAD_AT_MOST_S + AFTER_S
        pictures = media.watch(room, APPLICANT, min(LONGEST_S, longest), RATE)
        looking.start(pictures)
        steps = script(drawn, without)
        for number, (kind, shown, seconds) in enumerate(steps):
            event = {
                "event": "prompt", "challenge": challenge, "kind": kind, "text": shown, "seconds": seconds,
                "n": number + 1, "of": len(steps),
            }  # fmt: skip
            at = media.prompt(room, APPLICANT, event)
            if at is None:
                raise NotReached("no page took a prompt")
            if kind == AHEAD:
                looking.ahead = (at, at + AHEAD_AT_MOST_S)
                lasted = _look_ahead(media, room, looking, sleep)
                looking.ahead = (at, at + lasted)
                made.prompts.append(Prompt(kind, at, at + lasted))
            else:
                sleep(seconds)
                made.prompts.append(Prompt(kind, at, at + seconds))
            if kind != FLASH or number + 1 == len(steps):
                _mark(media, room, kind)
                media.prompt(room, APPLICANT, {"event": "prompt", "challenge": challenge, "kind": "pause"})
                sleep(PAUSE_S if number + 1 < len(steps) else AFTER_S)
        media.prompt(room, APPLICANT, {"event": "prompt", "challenge": challenge, "kind": "over"})
    except (MediaError, IdentityError) as failed:
        raise NotReached(str(failed)) from failed
    finally:
        looking.finish()
        watcher.close()
    if looking.failed:
        made.trouble = looking.failed
    if not made.signals:
        raise NotReached(made.trouble or "no picture came")
    return made


def _look_ahead(media: Rooms, room: str, looking: _Looking, sleep: Callable[[float], None]) -> float:
    """Waits for a face that is large, sharp and lit well enough, and says on the applicant's page what is in the way."""
    waited, hinted = 0.0, 0.0
    while waited < AHEAD_AT_MOST_S:
        sleep(0.25)
        waited += 0.25
        good, why = looking.gates()
        if waited >= AHEAD_S and good >= ENOUGH_AHEAD:
            break
        if why and waited - hinted >= HINT_EVERY_S:
            hinted = waited
            media.prompt(room, APPLICANT, {"event": "hint", "key": why})
    return waited


def _mark(media: Rooms, room: str, kind: str) -> None:
    """The prompt stands in the recording's journal too."""
    media.mark(room, f"challenge-{kind}")


class _Looking:
    """Two threads: one takes pictures off the socket, one has them looked at; neither waits for the prompts."""

    def __init__(self, made: Performance, watcher: Watching) -> None:
        self.ahead: tuple[float, float] = (0.0, 0.0)
        self.failed = ""
        self._made, self._watcher = made, watcher
        self._waiting: queue.Queue[Seen | None] = queue.Queue()
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, pictures: Iterator[Seen]) -> None:
        for work in (lambda: self._take(pictures), self._look):
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            self._threads.append(thread)

    def gates(self) -> tuple[int, str]:
        """How many frames are good enough so far, and what is in the way of the last ones."""
        seen = list(self._made.signals)
        good = sum(one.faces == 1 and not one.gates for one in seen)
        why: Counter[str] = Counter()
        for one in seen[-8:]:
            if one.faces != 1:
                why["many-faces" if one.faces else "no-face"] += 1
            why.update(one.gates)
        worst = why.most_common(1)
        return good, worst[0][0] if worst and worst[0][1] >= 4 else ""

    def finish(self) -> None:
        """What has come is still looked at; what comes now is not."""
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _take(self, pictures: Iterator[Seen]) -> None:
        try:
            for one in pictures:
                if self._over.is_set():
                    break
                self._waiting.put(one)
        except MediaError as failed:
            self.failed = str(failed)
        finally:
            self._waiting.put(None)
            pictures.close()  # type: ignore[attr-defined]  # a generator: closes its socket

    def _look(self) -> None:
        try:
            while (batch := self._batch()) is not None:
                if not self.ahead[1]:
                    continue  # before the first prompt
                frames = [(one.seconds, one.jpeg) for one in batch]
                self._made.signals += self._watcher.observe(frames, self.ahead)
                self._made.pictures += frames
                self._made.stamps += [one.stamp for one in batch]
                self._made.prints += [hashlib.sha256(one.jpeg).hexdigest() for one in batch]
        except IdentityError as failed:
            self.failed = str(failed)

    def _batch(self) -> list[Seen] | None:
        first = self._waiting.get()
        if first is None:
            return None
        made = [first]
        while len(made) < Watching.FRAMES_AT_ONCE and not self._waiting.empty():
            one = self._waiting.get()
            if one is None:
                self._waiting.put(None)
                break
            made.append(one)
        return made
