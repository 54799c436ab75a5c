"""
Is it still the person who was accepted? From looks at single key frames, every second or two. PURE.

One bad frame decides nothing: two in a row are somebody else, one by far is. A face that cannot be compared is no
proof either way for a while; then it is asked to show itself.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Event = Literal["", "same", "other", "lost", "unseen", "many"]

OTHER, SURELY_OTHER = 0.5, 0.3
"""Likeness (SFace) below which a good frame speaks against, and below which one is enough. Frames of one person in one
sitting are far more alike than a card and a camera, so this lies above the threshold for those."""
UNSEEN_S = 20.0
"""Seconds without a frame that could be compared: a face in the dark, or turned away."""


@dataclass(frozen=True)
class Look:
    """One key frame: `faces` of note, `same` -1 to 1 where it passed the gates, else `reasons`."""

    faces: int
    same: float | None = None
    reasons: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Trail:
    """What is remembered of an interview between looks; times in seconds of one clock."""

    face_at: float
    same_at: float
    against: int = 0


def step(trail: Trail, at: float, look: Look, lost_s: float) -> tuple[Trail, Event]:
    """The trail after a look, and what it means. `lost_s`: how long no face may be seen."""
    if look.faces == 0:
        return trail, "lost" if at - trail.face_at > lost_s else ""
    trail = replace(trail, face_at=at)
    if look.same is None:
        if at - trail.same_at > UNSEEN_S:
            return trail, "unseen"
        return trail, "many" if look.faces > 1 else ""
    if look.same >= OTHER:
        return replace(trail, same_at=at, against=0), "many" if look.faces > 1 else "same"
    trail = replace(trail, against=trail.against + 1)
    return trail, "other" if trail.against >= 2 or look.same < SURELY_OTHER else ""
