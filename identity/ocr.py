"""Text in a picture: PP-OCRv6 by rapidocr and onnxruntime, one thread, from the wheel's own files."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from identity.pictures import Image
from identity.weights import OCR_FIND, OCR_READ, verified


@dataclass(frozen=True, repr=False)
class Text:
    """A piece of text where it stands: `left`, `right`, `middle` (of its height) and `high` in pixels."""

    words: str
    left: float
    right: float
    middle: float
    high: float


@cache
def _reader() -> Any:
    from rapidocr import RapidOCR

    # Each file is named: left to itself the package looks for a missing one on the network.
    return RapidOCR(
        params={
            "Global.log_level": "critical",
            # Its classifier of upside-down lines turned sound machine-readable lines over; whole pictures are turned instead.
            "Global.use_cls": False,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Det.model_path": str(verified(OCR_FIND)),
            "Rec.model_path": str(verified(OCR_READ)),
        }
    )


def texts(image: Image) -> list[Text]:
    """Every piece of text of a (H, W, 3) uint8 BGR picture."""
    read = _reader()(image)
    if getattr(read, "boxes", None) is None or read.txts is None:
        return []
    found = []
    for corners, words in zip(read.boxes, read.txts, strict=True):
        across, down = [float(x) for x, _ in corners], [float(y) for _, y in corners]
        found.append(Text(words, min(across), max(across), sum(down) / 4, abs(down[3] - down[0]) or 1.0))
    return found


def lines(found: Iterable[Text]) -> list[str]:
    """Pieces joined to lines, from top to bottom, each from left to right, without spaces."""
    rows: list[tuple[float, list[Text]]] = []
    for text in sorted(found, key=lambda text: (text.middle, text.left)):
        if rows and abs(text.middle - rows[-1][0]) < 0.6 * text.high:
            rows[-1][1].append(text)
        else:
            rows.append((text.middle, [text]))
    return ["".join(t.words for t in sorted(row, key=lambda t: t.left)).replace(" ", "") for _, row in rows]
