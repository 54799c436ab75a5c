"""
The messages between the office and a media worker: one JSON line there, one JSON line back. PURE.

`{"do": "<verb>", ...fields}` is answered by `{"ok": {...}}` or `{"error": {"code": ..., "words": ...}}`.
Bytes travel as base64.
"""

import json
import re
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

from webrtc import sdp
from webrtc.errors import BadRequest, MediaError, NoPicture, error_of
from webrtc.feed import FASTEST, LONGEST_S

MAX_LINE = 4 << 20
MAX_EVENT = 16 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_LEG = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True)
class Limits:
    """What a room may take. `expected_bytes`: the recording of all parties, encrypted; `elsewhere_bytes`: what the rooms of
    other workers are still expected to write to the same disk.
    """

    expected_bytes: int = 512 << 20
    elsewhere_bytes: int = 0
    max_bitrate: int = 1_500_000  # bit/s of one party's picture
    max_legs: int = 2


@dataclass(frozen=True)
class Seat:
    """A party that may come: `leg` is its name in the room, `role` what it is to the interview."""

    leg: str
    role: str


@dataclass(frozen=True)
class Request:
    """Base of the messages to a worker."""

    do: ClassVar[str]
    room: str

    def __post_init__(self) -> None:
        if not isinstance(self.room, str) or not _NAME.fullmatch(self.room):
            raise BadRequest("a room is named by 1 to 64 letters, digits, - and _")
        leg = getattr(self, "leg", None)
        if leg is not None and (not isinstance(leg, str) or not _LEG.fullmatch(leg)):
            raise BadRequest("a leg is named by 1 to 32 small letters, digits and -")


@dataclass(frozen=True)
class OpenRoom(Request):
    """Open a room, or continue one after a worker's end."""

    do = "open_room"
    key: bytes = field(repr=False)
    legs: tuple[Seat, ...]
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [seat.leg for seat in self.legs]
        if len(self.key) != 32:
            raise BadRequest("a room's key has 32 bytes")
        if not 1 <= len(names) <= self.limits.max_legs or len(set(names)) != len(names):
            raise BadRequest(f"a room has 1 to {self.limits.max_legs} different legs")
        if any(not _LEG.fullmatch(text) for seat in self.legs for text in (seat.leg, seat.role)):
            raise BadRequest("legs and roles are named by 1 to 32 small letters, digits and -")


@dataclass(frozen=True)
class Offer(Request):
    """A page's whole offer; `restart`: of the connection that it has, and nothing else will do (ICE restart)."""

    do = "offer"
    leg: str
    sdp: str
    type: str = "offer"
    restart: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.sdp, str) or not isinstance(self.type, str) or not isinstance(self.restart, bool):
            raise BadRequest("an offer is text")
        sdp.check_size(self.sdp)


@dataclass(frozen=True)
class Send(Request):
    """A live event for one leg, or for all."""

    do = "send"
    leg: str | None
    event: dict[str, Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.event, dict) or not isinstance(self.event.get("event"), str):
            raise BadRequest('an event is an object with a text under "event"')
        if len(json.dumps(self.event).encode()) > MAX_EVENT:
            raise BadRequest(f"an event takes at most {MAX_EVENT} bytes")


@dataclass(frozen=True)
class Mark(Request):
    """A phase of the interview begins."""

    do = "mark"
    phase: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.phase, str) or not _NAME.fullmatch(self.phase):
            raise BadRequest("a phase is named by 1 to 64 letters, digits, - and _")


@dataclass(frozen=True)
class Snapshot(Request):
    """A picture of one party, now."""

    do = "snapshot"
    leg: str


@dataclass(frozen=True)
class Watch(Request):
    """Every picture of one party, decoded, for as long as a challenge lasts; the answer is followed by the pictures."""

    do = "watch"
    leg: str
    seconds: float
    rate: float = 12.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for value, most in ((self.seconds, LONGEST_S), (self.rate, FASTEST)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
                raise BadRequest(f"a watch lasts at most {LONGEST_S:g} s, at most {FASTEST:g} pictures a second")


@dataclass(frozen=True)
class Status(Request):
    """How the room does."""

    do = "status"


@dataclass(frozen=True)
class StopRecording(Request):
    """Consent is withdrawn: nothing more of this leg is recorded, and it is no longer connected."""

    do = "stop_recording"
    leg: str


@dataclass(frozen=True)
class CloseLeg(Request):
    """End one leg's connection; it may come back."""

    do = "close_leg"
    leg: str


@dataclass(frozen=True)
class CloseRoom(Request):
    """End the interview's media for good and seal the journal."""

    do = "close_room"


@dataclass(frozen=True)
class Health(Request):
    """How the worker does; `room` says nothing here."""

    do = "health"


@dataclass(frozen=True)
class Drain(Request):
    """Take no new room and end when the last one has closed, or (`on` false) go on as before; `room` says nothing here."""

    do = "drain"
    on: bool = True


REQUESTS: dict[str, type[Request]] = {
    kind.do: kind
    for kind in (
        OpenRoom,
        Offer,
        Send,
        Mark,
        Snapshot,
        Watch,
        Status,
        StopRecording,
        CloseLeg,
        CloseRoom,
        Health,
        Drain,
    )
}


def to_line(request: Request) -> bytes:
    """A request as its line."""
    body = asdict(request)
    if isinstance(request, OpenRoom):
        body["key"] = b64encode(request.key).decode()
    return json.dumps({"do": request.do, **body}, separators=(",", ":")).encode() + b"\n"


def from_line(line: bytes) -> Request:
    """The request of a line. Raises BadRequest, OfferTooLarge."""
    try:
        body = json.loads(line)
        kind = REQUESTS[body.pop("do")]
        if set(body) - {f.name for f in fields(kind)}:
            raise BadRequest("a field that this verb does not have")
        if kind is OpenRoom:
            body["key"] = b64decode(body["key"], validate=True)
            body["legs"] = tuple(Seat(**seat) for seat in body["legs"])
            body["limits"] = Limits(**body.get("limits", {}))
        return kind(**body)
    except MediaError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadRequest(f"not a request: {type(error).__name__}") from None


def answer_line(answer: dict[str, Any] | MediaError) -> bytes:
    """What goes back."""
    if isinstance(answer, MediaError):
        body: dict[str, Any] = {"error": {"code": answer.code, "words": answer.words}}
    else:
        body = {"ok": answer}
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def read_head(line: bytes) -> tuple[float, int, int] | None:
    """(media seconds, RTP time, size) of the picture that follows a line of a watch; None at its end. Raises BadRequest,
    NoPicture where the decoder died."""
    try:
        body = json.loads(line)
        if "end" not in body:
            seconds, stamp, size = float(body["seconds"]), int(body["ts"]), int(body["size"])
            if not 0 < size <= MAX_LINE:
                raise BadRequest("not a picture of a sane size")
            return seconds, stamp, size
    except (ValueError, KeyError, TypeError) as error:
        raise BadRequest("the watch broke off") from error
    if body["end"] == "decoder":
        raise NoPicture("the decoder died on a frame")
    return None


def read_answer(line: bytes) -> dict[str, Any]:
    """What came back. Raises the MediaError that it names, BadRequest if it is no answer."""
    try:
        body = json.loads(line)
        if "error" in body:
            raise error_of(str(body["error"]["code"]), str(body["error"]["words"]))
        answer = body["ok"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadRequest("not an answer") from error
    if not isinstance(answer, dict):
        raise BadRequest("not an answer")
    return answer
