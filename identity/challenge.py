"""
What an applicant is asked to do to show that somebody is there: drawn by the server, after the call is up. PURE.

Three different actions, four digits to read aloud, and colours of the screen in an order that nobody knew before. At
least one action is a turn of the head with the eyes kept on the screen: it is the one that a moved photograph does worst.
"""

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Action = Literal["left", "right", "nod", "mouth", "blink"]
ACTIONS: tuple[Action, ...] = ("left", "right", "nod", "mouth", "blink")
TURNS = ("left", "right")
COLOURS = ("red", "green", "blue", "white")
AHEAD, SAY, FLASH = "ahead", "say", "flash"
DIGITS, SHOWN_COLOURS = 4, 6
AHEAD_S, COLOUR_S, PAUSE_S = 3.0, 0.7, 1.2
"""Seconds: looking ahead at the start, one colour, and between two prompts. Under three changes a second (WCAG 2.3.1)."""
LONGEST_S = 60.0


@dataclass(frozen=True)
class Drawn:
    """`window`: seconds for one action; reading aloud has twice as many. `nonce` names this draw for good."""

    nonce: str
    actions: tuple[Action, ...]
    digits: str
    colours: tuple[str, ...]
    window: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def seconds(self) -> float:
        """How long it takes from the first prompt to the last colour."""
        prompts = AHEAD_S + len(self.actions) * self.window + 2 * self.window + len(self.colours) * COLOUR_S
        return prompts + PAUSE_S * (len(self.actions) + 2)


def draw(window: float, without: Sequence[str] = ()) -> Drawn:
    """A new draw; `without`: actions that the notary took out, with a reason of his own. ValueError: too few left."""
    left = [one for one in ACTIONS if one not in without]
    chance = secrets.SystemRandom()
    count = min(3, len(left))
    if count == 0:
        raise ValueError("no action is left")
    while True:
        actions = tuple(chance.sample(left, count))
        if any(one in TURNS for one in actions) or not any(one in TURNS for one in left):
            break
    colours = [chance.choice(COLOURS)]
    while len(colours) < SHOWN_COLOURS:
        colours.append(chance.choice([one for one in COLOURS if one != colours[-1]]))
    digits = "".join(chance.choice("0123456789") for _ in range(DIGITS))
    return Drawn(secrets.token_hex(16), actions, digits, tuple(colours), window)


def drawn(kept: dict[str, Any]) -> Drawn:
    """What `as_json` gave."""
    return Drawn(kept["nonce"], tuple(kept["actions"]), kept["digits"], tuple(kept["colours"]), float(kept["window"]))


@dataclass(frozen=True)
class Prompt:
    """One thing that was asked, as it really went out: media seconds when it was sent and when its window closed."""

    kind: str
    at: float
    until: float


def script(draw: Drawn, without: Sequence[str] = ()) -> tuple[tuple[str, str, float], ...]:
    """(kind, what is shown, seconds) in order; `flash` stands once for each colour. `without`: flash, say."""
    steps: list[tuple[str, str, float]] = [(AHEAD, "", AHEAD_S)]
    steps += [(one, "", draw.window) for one in draw.actions]
    if SAY not in without:
        steps.append((SAY, draw.digits, 2 * draw.window))
    if FLASH not in without:
        steps += [(FLASH, colour, COLOUR_S) for colour in draw.colours]
    return tuple(steps)
