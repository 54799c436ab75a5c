"""What several tests of signing start from: the shipped example after its interview, and authorities on other days."""

import copy
import hashlib
import json
from pathlib import Path

from signing import render

ROOT = Path(__file__).parents[2]
EXAMPLE = json.loads((ROOT / "signing/examples/facts.json").read_text("utf-8"))
MINUTES = json.loads((ROOT / "signing/examples/minutes.json").read_text("utf-8"))


def make_facts() -> dict:
    """The example as it stands after the interview: strokes bound to the instrument that was shown."""
    facts = copy.deepcopy(EXAMPLE)
    shown = hashlib.sha256(render.instrument(facts)).hexdigest()
    for s in facts["instrument"]["signatures"]:
        s["bound_to"] = shown
    facts["attachments"] = {"evidence": {"sha256": hashlib.sha256(b"manifest").hexdigest()}}
    return facts


class Each:
    """Status from several authorities, each for its own certificates."""

    def __init__(self, *houses):
        self.houses = houses

    def _ask(self, paths, how):
        from signing.evidence import Evidence

        found = Evidence()
        for path in paths:
            own = next(h for h in self.houses if h.issuing == path[1])
            found = found.with_(getattr(own.status, how)([path]))
        return found

    def gather(self, paths):
        return self._ask(paths, "gather")

    def news(self, paths):
        return self._ask(paths, "news")


def at(house, when):
    """(stamper, status) of an authority on another day."""
    from dataclasses import replace

    from signing.stamp import LocalStamper
    from signing.status import LocalStatus

    unit, responder = house.stamper.unit, house.status.responder
    clock = lambda: when  # noqa: E731
    lists = {"root": house.new_list(when)}
    return (
        LocalStamper(replace(unit, now=clock), house.stamper.roots, now=clock),
        LocalStatus(replace(responder, now=clock, lists=lambda: lists), now=clock),
    )
