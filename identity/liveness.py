"""
Was a challenge met? Judged on the signals of the frames that the server received, by its own clock. PURE.

`passed` is never an identity and never a decision: it says that what was asked was seen, in its time, by one face that
stayed the same. Everything else comes with its reasons; the notary decides, may draw again, or may waive with a reason.

Limits stand below. Where they come from, and what passes all the same: `docs/identity-figures.md`, `docs/identity.md`.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from identity.challenge import AHEAD, COLOURS, FLASH, SAY, TURNS, Drawn, Prompt
from identity.signals import Signals

Outcome = Literal["passed", "failed", "open"]

SOONEST_S = 0.25
"""Nobody moves sooner after a prompt (human reaction time); what had begun before was not an answer."""
LOST_S = 1.0
LEAST_RATE = 6.0
"""Frames a second. With fewer, a blink falls between two."""
LEAST_AHEAD = 5
TURN, PITCH, MOUTH = 20.0, 12.0, 0.25
"""Degrees of apparent yaw and pitch, and opening of the mouth over its width, away from looking ahead."""
STILL_PITCH = 14.0
BEGUN = 0.4
"""From this share of a limit on, the movement has begun."""
BENT = 0.045
GAZE = -0.15
"""How far the irises go against a turn, in eye widths over the tangent of the turn. Eyes on the screen: about -0.27 by
the geometry of an eyeball; eyes that only come along, as in any moved picture: about 0."""
CLOSED, OPENED = 0.5, 0.75
"""A lid's opening over the person's own median."""
LONGEST_BLINK_S = 1.5
SAYING, SYLLABLES, SAYING_S = 0.05, 3, 1.0
SAME, OTHER = 0.5, 0.36
FITS, CLEARLY, RESPONDS, OTHERS_FIT = 0.5, 0.8, 0.004, 0.01
"""Correlation with the order drawn; with another, for it to speak against; change of log colour for a full shade; and
the share of all orders that may explain the face better than the one drawn."""
LAGS = tuple(n / 20 for n in range(2, 25))

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Finding:
    """One thing that was asked. `at`: media seconds of the prompt; `met`: when it was seen; `reasons`: keys for words,
    empty if it was met; `measured`: what the limits were laid against."""

    kind: str
    at: float
    met: float | None
    reasons: tuple[str, ...]
    measured: dict[str, float]


@dataclass(frozen=True)
class Verdict:
    """`open`: nothing speaks against it, but something was left out or could not be seen; only the notary closes it."""

    outcome: Outcome
    findings: tuple[Finding, ...]
    reasons: tuple[str, ...]
    frames: int
    rate: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class _Ahead:
    """How this person looks when looking ahead; medians."""

    yaw: float
    pitch: float
    mouth: float
    eyes: float
    across: float


def judge(draw: Drawn, prompts: Sequence[Prompt], frames: Sequence[Signals]) -> Verdict:
    """`prompts` as they went out, in order (one `flash` for each colour); `frames` in the order of their time."""
    whole: list[str] = []
    first = next((one for one in prompts if one.kind == AHEAD), None)
    ahead = _ahead([one for one in frames if first and first.at <= one.at <= first.until])
    asked = [one for one in prompts if one.kind in draw.actions]
    said, flashed = [one for one in prompts if one.kind == SAY], [one for one in prompts if one.kind == FLASH]
    span = prompts[-1].until - prompts[0].at if prompts else 0.0
    rate = len(frames) / span if span > 0 else 0.0
    if ahead is None:
        whole.append("no-start")
    if rate < LEAST_RATE:
        whole.append("too-few-frames")
    whole += _one_face(prompts, frames)
    findings: list[Finding] = []
    if ahead is not None:
        findings += [_action(one, ahead, _within(frames, one)) for one in asked]
        findings += [_said(one, ahead, _within(frames, one)) for one in said]
    if flashed:
        findings.append(_flash(draw, flashed, frames))
    left_out = [f"left-out-{kind}" for kind, there in ((SAY, said), (FLASH, flashed)) if not there]
    if [one.kind for one in asked] != list(draw.actions) or len(draw.actions) < 3:
        left_out.append("left-out-action")
    unseen = [f"unseen-{one.kind}" for one in findings if one.reasons == ("no-response",)]
    bad = [one for one in findings if one.reasons and one.reasons != ("no-response",)]
    if whole or bad:
        outcome: Outcome = "failed"
    else:
        outcome = "open" if left_out or unseen else "passed"
    return Verdict(outcome, tuple(findings), (*whole, *left_out, *unseen), len(frames), round(rate, 2))


def _within(frames: Sequence[Signals], prompt: Prompt) -> list[Signals]:
    return [one for one in frames if prompt.at <= one.at <= prompt.until and one.faces]


def _ahead(frames: Sequence[Signals]) -> _Ahead | None:
    good = [one for one in frames if one.faces == 1 and not one.gates]
    if len(good) < LEAST_AHEAD:
        return None

    def middle(of: Callable[[Signals], float]) -> float:
        return float(np.median([of(one) for one in good]))

    return _Ahead(
        middle(lambda one: one.yaw),
        middle(lambda one: one.pitch),
        middle(lambda one: one.mouth),
        middle(lambda one: one.eyes),
        middle(lambda one: one.across),
    )


def _one_face(prompts: Sequence[Prompt], frames: Sequence[Signals]) -> list[str]:
    """One face, never gone for longer than LOST_S, and the same one from the first prompt to the last."""
    if not prompts:
        return ["no-start"]
    there = [one.at for one in frames if one.faces]
    edges = [prompts[0].at, *there, prompts[-1].until]
    reasons = []
    if any(b - a > LOST_S for a, b in itertools.pairwise(edges)):
        reasons.append("face-lost")
    if sum(one.faces > 1 for one in frames) >= 3:
        reasons.append("many-faces")
    likeness = [one.same for one in frames if one.same is not None]
    if len(likeness) < 3:
        reasons.append("not-compared")
    elif float(np.median(likeness)) < SAME or any(a < OTHER and b < OTHER for a, b in itertools.pairwise(likeness)):
        reasons.append("another-face")
    return reasons


# actions


def _action(prompt: Prompt, ahead: _Ahead, frames: Sequence[Signals]) -> Finding:
    moves = {
        "left": _runs(frames, lambda one: (one.yaw - ahead.yaw) / TURN),
        "right": _runs(frames, lambda one: (ahead.yaw - one.yaw) / TURN),
        "nod": _runs(frames, lambda one: abs(one.pitch - ahead.pitch) / PITCH),
        "mouth": _runs(frames, lambda one: (one.mouth - ahead.mouth) / MOUTH),
    }
    if prompt.kind == "blink":
        return _blinked(prompt, ahead, frames, moves)
    mine = moves[prompt.kind]
    measured = {"reached": round(max((run.top for run in mine), default=0.0), 3)}
    full = next((run for run in mine if run.top >= 1 and run.long >= 2), None)
    wrong = _wrong(prompt.kind, moves, full.peak if full else prompt.until)
    if wrong:
        return Finding(prompt.kind, prompt.at, None, (wrong,), measured)
    if full is None:
        return Finding(prompt.kind, prompt.at, None, ("not-seen",), measured)
    if full.began < prompt.at + SOONEST_S:
        return Finding(prompt.kind, prompt.at, None, ("too-early",), measured)
    reasons: list[str] = []
    if prompt.kind in TURNS:
        reasons, more = _turned(ahead, [one for one in frames if full.began <= one.at <= full.ended])
        measured |= more
    return Finding(prompt.kind, prompt.at, full.peak, tuple(reasons), measured)


@dataclass(frozen=True)
class _Run:
    """A stretch over which a movement had begun: `top` in limits, `long` frames at or over the limit."""

    began: float
    ended: float
    peak: float
    top: float
    long: int


def _runs(frames: Sequence[Signals], share: Callable[[Signals], float]) -> list[_Run]:
    """Stretches in which `share` of the limit is at least BEGUN."""
    found: list[_Run] = []
    here: list[tuple[float, float]] = []
    for one in [*frames, None]:
        value = share(one) if one is not None else 0.0
        if one is not None and value >= BEGUN:
            here.append((one.at, value))
        elif here:
            peak, top = max(here, key=lambda each: each[1])
            found.append(_Run(here[0][0], here[-1][0], peak, top, sum(v >= 1 for _, v in here)))
            here = []
    return found


def _wrong(asked: str, moves: dict[str, list[_Run]], until: float) -> str:
    """Another full movement than the one that was asked, before it was done."""
    for kind, runs in moves.items():
        if kind == asked or (asked in TURNS and kind == "nod") or (kind == "mouth" and asked != "blink"):
            continue  # a turn of the head tips it a little, and lips part by themselves
        if any(run.top >= 1 and run.long >= 2 and run.began < until for run in runs):
            return f"did-{kind}"
    return ""


def _turned(ahead: _Ahead, frames: Sequence[Signals]) -> tuple[list[str], dict[str, float]]:
    """A sheet of paper does not turn like a head, and in no moved picture do the eyes stay behind."""
    far = [one for one in frames if abs(one.yaw - ahead.yaw) >= TURN]
    bent = float(np.median([one.bent for one in far]))
    slopes = [(one.across - ahead.across) / np.tan(np.radians(one.yaw - ahead.yaw)) for one in far]
    gaze = float(np.median(slopes))
    reasons = []
    if bent < BENT:
        reasons.append("flat")
    if gaze > GAZE:
        reasons.append("eyes-came-along")
    return reasons, {"bent": round(bent, 4), "gaze": round(gaze, 3)}


def _blinked(prompt: Prompt, ahead: _Ahead, frames: Sequence[Signals], moves: dict[str, list[_Run]]) -> Finding:
    if wrong := _wrong("blink", moves, prompt.until):
        return Finding("blink", prompt.at, None, (wrong,), {})
    blinks: list[tuple[float, float]] = []
    shut: float | None = None
    lowest = 1.0
    for one in frames:
        share = one.eyes / max(ahead.eyes, 1e-6)
        lowest = min(lowest, share)
        if shut is None and share <= CLOSED:
            shut = one.at
        elif shut is not None and share >= OPENED:
            blinks.append((shut, one.at))
            shut = None
    measured = {"lowest": round(lowest, 3), "blinks": float(len(blinks))}
    fitting = [(a, b) for a, b in blinks if b - a <= LONGEST_BLINK_S]
    if fitting and fitting[0][0] < prompt.at + SOONEST_S:
        fitting = fitting[1:]  # a blink of one's own just before
    if len(fitting) < 2:
        return Finding("blink", prompt.at, None, ("not-seen",), measured)
    return Finding("blink", prompt.at, fitting[1][1], (), measured)


def _said(prompt: Prompt, ahead: _Ahead, frames: Sequence[Signals]) -> Finding:
    """The mouth opened and closed several times. What was said, only the notary hears."""
    series = [(one.at, one.mouth) for one in frames]
    tops: list[float] = []
    low, high, high_at = ahead.mouth, -1.0, 0.0
    for at, value in series:
        if value > high:
            high, high_at = value, at
        if high - value >= SAYING and high - low >= SAYING:
            tops.append(high_at)
            low, high = value, value
        elif value < low:
            low, high = value, value
    late = [at for at in tops if at >= prompt.at + SOONEST_S]
    measured = {"openings": float(len(late)), "seconds": round(late[-1] - late[0], 2) if late else 0.0}
    if len(late) < SYLLABLES or late[-1] - late[0] < SAYING_S:
        return Finding(SAY, prompt.at, None, ("not-seen",), measured)
    return Finding(SAY, prompt.at, late[0], (), measured)


# colours


def _flash(draw: Drawn, prompts: Sequence[Prompt], frames: Sequence[Signals]) -> Finding:
    """Did the face take on the screen's colours in the order that was drawn?

    The face's colour is taken against the picture's edges: what tints the whole picture, a camera's white balance or
    an overlay, says nothing. The order that was drawn has to explain the face better than nearly all others would.
    """
    begin, end = prompts[0].at, prompts[-1].until
    seen = [one for one in frames if begin <= one.at <= end + LAGS[-1] and one.faces and min(one.skin) > 1]
    if len(seen) < 2 * len(prompts) or len(prompts) != len(draw.colours):
        return Finding(FLASH, begin, None, ("no-response",), {"frames": float(len(seen))})
    at = np.array([one.at for one in seen])
    colour = _steady(np.array([_chroma(one.skin) - _chroma(one.wall) for one in seen]), at)
    edges = np.array([one.at for one in prompts])
    orders, palette = _orders(len(draw.colours))
    mine = orders.index(draw.colours)
    fit, slopes = np.zeros(len(orders)), np.zeros(len(orders))
    for lag in LAGS:
        slot = np.searchsorted(edges, at - lag, side="right") - 1
        inside = (slot >= 0) & (at - lag <= end)
        if inside.sum() < 2 * len(prompts):
            continue
        got = colour[inside] - colour[inside].mean(0)
        # a colour is the same all over its slot, so sums over slots stand for sums over frames
        held = np.eye(len(prompts))[slot[inside]]
        count, mean = held.sum(0), np.einsum("osc,s->oc", palette, held.sum(0)) / inside.sum()
        both = np.einsum("osc,sc->o", palette, held.T @ got)
        power = np.einsum("osc,s->o", palette**2, count) - inside.sum() * (mean**2).sum(1)
        corr = both / np.sqrt(np.maximum(power * (got**2).sum(), 1e-12))
        gain = both / np.maximum(power, 1e-12)
        slopes = np.where(corr > fit, gain, slopes)
        fit = np.maximum(fit, corr)
    better, slope, other = float((fit > fit[mine]).sum()) / len(orders), float(slopes[mine]), int(fit.argmax())
    measured = {"fits": round(float(fit[mine]), 3), "responds": round(slope, 5), "others": round(better, 4)}
    if fit[mine] >= FITS and slope >= RESPONDS and better <= OTHERS_FIT:
        return Finding(FLASH, begin, float(end), (), measured)
    if better > OTHERS_FIT and fit[other] >= CLEARLY and slopes[other] >= RESPONDS:
        return Finding(FLASH, begin, None, ("other-colours",), measured)
    return Finding(FLASH, begin, None, ("no-response",), measured)


_SHADES = {"red": (1.0, 0.0), "green": (-1.0, -1.0), "blue": (0.0, 1.0), "white": (0.0, 0.0)}
"""Where each colour of the screen moves log(red/green) and log(blue/green)."""


def _chroma(bgr: tuple[float, float, float]) -> Floats:
    blue, green, red = (max(one, 1.0) for one in bgr)
    return np.array([np.log(red / green), np.log(blue / green)])


def _steady(series: Floats, at: Floats) -> Floats:
    """The series without its slow drift: evening, clouds, a warming lamp."""
    line = np.c_[at - at.mean(), np.ones(len(at))]
    return series - line @ np.linalg.lstsq(line, series, rcond=None)[0]


@cache
def _orders(count: int) -> tuple[list[tuple[str, ...]], Floats]:
    """Every order of colours that could have been drawn, and its shades (orders, count, 2)."""
    every = itertools.product(COLOURS, repeat=count)
    orders = [one for one in every if all(a != b for a, b in itertools.pairwise(one))]
    return orders, np.array([[_SHADES[name] for name in order] for order in orders])
