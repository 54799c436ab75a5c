"""What an unsigned body carries inside: its facts and where the signatures may stand."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from signing import facts as facts_room


class BadBody(Exception):
    """Not a body that `render.deed` made; the message says what is missing."""


@dataclass(frozen=True)
class Area:
    """A reserved rectangle. `page` from 0; points from the top left corner."""

    page: int
    x: float
    y: float
    w: float
    h: float

    def box(self, page_height: float) -> tuple[float, float, float, float]:
        """PDF rectangle: left, bottom, right, top, from the bottom left corner."""
        top = page_height - self.y
        return (self.x, top - self.h, self.x + self.w, top)

    def meets(self, other: Area) -> bool:
        return (
            self.page == other.page
            and self.x < other.x + other.w
            and other.x < self.x + self.w
            and self.y < other.y + other.h
            and other.y < self.y + self.h
        )


@dataclass(frozen=True)
class Inside:
    """`heights`: points, one a page."""

    facts: dict[str, Any]
    areas: Mapping[str, Area]
    heights: tuple[float, ...]


def inside(pdf: bytes) -> Inside:
    """Facts and areas of a body, or of a whole deed: revisions add no attachments. BadBody otherwise."""
    import pikepdf

    try:
        with pikepdf.open(io.BytesIO(pdf)) as opened:
            raw = {
                name: opened.attachments[name].get_file().read_bytes()
                for name in ("facts.json", "layout.json")
                if name in opened.attachments
            }
            heights = tuple(float(p.mediabox[3]) - float(p.mediabox[1]) for p in opened.pages)
    except (pikepdf.PdfError, ValueError, TypeError, KeyError, IndexError) as wrong:
        raise BadBody(f"unreadable: {type(wrong).__name__}") from None
    if len(raw) != 2:
        raise BadBody("facts.json or layout.json is not inside")
    try:
        facts = facts_room.read(raw["facts.json"])
        areas = {
            k: Area(int(v["page"]) - 1, *(float(v[n]) for n in "xywh"))
            for k, v in json.loads(raw["layout.json"]).items()
        }
    except facts_room.BadFacts as wrong:
        raise BadBody(f"facts: {wrong}") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise BadBody("layout.json is damaged") from None
    if set(areas) != {"qr", "notary", "seal"} or any(not 0 <= a.page < len(heights) for a in areas.values()):
        raise BadBody("layout.json names no such areas")
    return Inside(facts, areas, heights)
