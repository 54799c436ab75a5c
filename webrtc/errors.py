"""What can go wrong in the interview room; typed on both sides of the socket by `code`."""


class MediaError(Exception):
    """Base. `words` say what happened, without anybody's data; `code` is stable."""

    code = "media.error"

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class Unreachable(MediaError):
    """No worker answers on the socket, or not in time."""

    code = "media.unreachable"


class BadRequest(MediaError):
    """A message that is none of ours."""

    code = "media.bad-request"


class BadOffer(MediaError):
    """An offer that cannot be answered."""

    code = "media.bad-offer"


class OfferTooLarge(BadOffer):
    """An offer over a bound; it was not parsed."""

    code = "media.offer-too-large"


class NoCommonCodec(BadOffer):
    """The two parties' browsers have no video codec in common, and pictures are passed through."""

    code = "media.no-common-codec"


class NoSuchRoom(MediaError):
    """The room is not open on this worker: open it (again) first."""

    code = "media.no-such-room"


class NoSuchLeg(MediaError):
    """The room was opened without this leg."""

    code = "media.no-such-leg"


class RoomClosed(MediaError):
    """The room was closed for good."""

    code = "media.room-closed"


class RoomDiffers(MediaError):
    """The room is open with another key or other legs."""

    code = "media.room-differs"


class RoomTaken(MediaError):
    """Another worker writes this room's recording."""

    code = "media.room-taken"


class Draining(MediaError):
    """The worker ends when its last room closes, and takes no other."""

    code = "media.draining"


class Busy(MediaError):
    """The worker has as many rooms or half-open connections as it takes."""

    code = "media.busy"


class NoSpace(MediaError):
    """Less free space than twice what the recording may need (requirement D15)."""

    code = "media.no-space"


class NotConnected(MediaError):
    """The party is not there."""

    code = "media.not-connected"


class NothingToRestart(MediaError):
    """The connection that the page would mend is over, or its engine mends none: it makes a new one."""

    code = "media.nothing-to-restart"


class SeatTaken(MediaError):
    """The page's connection has been replaced by another page's."""

    code = "media.seat-taken"


class NoPicture(MediaError):
    """No key frame came in time, or it could not be decoded."""

    code = "media.no-picture"


class NotRecorded(MediaError):
    """What should have been written was not."""

    code = "media.not-recorded"


KINDS: dict[str, type[MediaError]] = {
    kind.code: kind
    for kind in (
        MediaError,
        Unreachable,
        BadRequest,
        BadOffer,
        OfferTooLarge,
        NoCommonCodec,
        NoSuchRoom,
        NoSuchLeg,
        RoomClosed,
        RoomDiffers,
        RoomTaken,
        Draining,
        Busy,
        NoSpace,
        NotConnected,
        NothingToRestart,
        SeatTaken,
        NoPicture,
        NotRecorded,
    )
}


def error_of(code: str, words: str) -> MediaError:
    """The error that a worker named; an unknown code is the base."""
    return KINDS.get(code, MediaError)(words)
