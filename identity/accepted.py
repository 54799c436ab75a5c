"""The face that was accepted, to lay later frames beside. Lives in the child alone."""

from collections.abc import Sequence

from identity import gates, yunet
from identity.continuity import Look
from identity.engines import DEFAULT, engine
from identity.errors import NoFace
from identity.faces import Encoding, average
from identity.observer import COMPARABLE, LOOKED_AT
from identity.pictures import Image


class Accepted:
    """The mean of the accepted frames that pass the gates. Raises NoFace if none does."""

    def __init__(self, frames: Sequence[Image], engine_name: str = DEFAULT) -> None:
        self._engine = engine(engine_name)
        seen = [(frame, *gates.look(frame)) for frame in frames]
        good = [self._engine.encode_face(frame, face) for frame, found, face in seen if face and found.good]
        if not good:
            raise NoFace("no accepted frame shows a face well enough")
        self._mean: Encoding = average(good, unit=self._engine.unit)

    def look(self, frame: Image) -> Look:
        """Who is in this (H, W, 3) uint8 BGR frame: the face most like the accepted one counts."""
        found = yunet.find(frame, LOOKED_AT)
        near = [face for face in found if face.width >= COMPARABLE * found[0].width]
        if not near:
            return Look(0)
        reasons = [gates.measured(frame, face).reasons for face in near]
        good = [face for face, why in zip(near, reasons, strict=True) if not why]
        if not good:
            return Look(len(near), None, reasons[0])
        same = max(self._engine.score(self._mean, self._engine.encode_face(frame, face)).value for face in good)
        return Look(len(near), same)
