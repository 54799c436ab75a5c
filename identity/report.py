"""A calibration as one page that opens anywhere: figures by group, score histograms, DET curves; and as thresholds.json."""

import html
import json
import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from identity.calibration import FARS, Scores, groups_apart, histogram, steps, too_few
from identity.faces import Engine, Step

WIDE, HIGH, BINS = 640, 220, 64
FORMAT = "yuanzheng-thresholds/1"
WORDS = {"strong": "很像 strong", "support": "像 support", "doubtful": "说不准 doubtful", "against": "不像 against"}


def thresholds(engine: Engine, scores: Scores, source: str, day: date) -> dict[str, Any]:
    """What an office installs (`IDENTITY_THRESHOLDS`): the bands of this engine on its own pairs."""
    return {
        "format": FORMAT, "engine": engine.name, "version": engine.version, "model_sha256": engine.model_sha256,
        "made_on": day.isoformat(), "source": f"{source}; {len(scores.same)} pairs of one person, {len(scores.different)} of two",
        "steps": [{"at_least": s.at_least, "band": s.band, "false_accepts": s.false_accepts} for s in steps(scores)],
    }  # fmt: skip


def write(folder: Path, engine: Engine, by_group: Mapping[str, Scores], source: str, day: date) -> None:
    """`report.html` and `thresholds.json` into `folder`. `by_group`: "all" first. ValueError: pairs of one kind only."""
    told = thresholds(engine, by_group["all"], source, day)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "thresholds.json").write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (folder / "report.html").write_text(page(engine, dict(by_group), told), encoding="utf-8")


def page(engine: Engine, by_group: dict[str, Scores], told: dict[str, Any]) -> str:
    whole = by_group["all"]
    made = [Step(s["at_least"], s["band"], s["false_accepts"]) for s in told["steps"]]
    default = made[1].at_least
    warnings = [
        *too_few(whole),
        *(f"more false accepts than elsewhere: {name}" for name in groups_apart(by_group, default)),
    ]
    rows = "".join(
        f"<tr><th>{_t(name)}</th><td>{len(s.same)} / {len(s.different)}</td><td>{100 * s.equal_error():.2f} %</td>"
        + "".join(f"<td>{s.frr(s.threshold(far)) if s.shows(far) else '–'}</td>" for far in FARS)
        + f"<td>{s.far(default)}</td><td>{s.frr(default)}</td></tr>"
        for name, s in by_group.items()
        if s.same and s.different
    )
    bands = "".join(
        f"<tr><th>{WORDS[s.band]}</th><td>{s.at_least:.3f}</td><td>{100 * (s.false_accepts or 0):.3f} %</td>"
        f"<td>{100 * (1 - whole.frr(s.at_least).value):.1f} %</td></tr>"
        for s in made
    )
    return f"""<!doctype html><html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>人脸阈值校准 · Calibration</title><style>
body{{font:16px/1.6 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d1b17;background:#fffdf8}}
table{{border-collapse:collapse;width:100%;display:block;overflow-x:auto}}th,td{{border:1px solid #8d826c;padding:.3rem .6rem;text-align:left;white-space:nowrap}}
.note{{border-left:6px solid #b3271d;padding:.4rem 1rem;background:#fbe9e6}}svg{{width:100%;height:auto;background:#fff;border:1px solid #c9bda3}}
</style><h1>人脸阈值校准 <span lang="en">Calibration</span></h1>
<p>{_t(engine.name)} {_t(engine.version)} · {_t(told["made_on"])} · {_t(told["source"])}<br><code>{_t(engine.model_sha256)}</code></p>
{"".join(f'<p class="note">{_t(w)}</p>' for w in warnings)}
<h2>分档 <span lang="en">Bands</span></h2><table><tr><th></th><th>起点 at least</th><th>不同人达到（95% 上限）<br>different people, upper bound</th><th>同一人达到 same person</th></tr>{bands}</table>
<h2>误差 <span lang="en">Errors</span></h2><table><tr><th></th><th>同一人/不同人 pairs</th><th>EER</th>{"".join(f"<th>FRR @ FAR {100 * far:g} %</th>" for far in FARS)}<th>FAR @ {default:.3f}</th><th>FRR @ {default:.3f}</th></tr>{rows}</table>
<p>方括号是 95% 区间（Wilson），把每一对当作互不相关来算；同一张照片用了多次，真实的区间更宽。<span lang="en">Intervals take pairs for independent; where pictures are shared they are wider in truth.</span></p>
<h2>分数 <span lang="en">Scores</span></h2>{scores_svg(whole, [s.at_least for s in made])}
<h2>DET</h2>{det_svg(by_group)}
<p>分数只是给公证员的参考。<span lang="en">A score is advice to a notary, never a verdict.</span></p></html>
"""


def scores_svg(scores: Scores, marks: list[float]) -> str:
    """Both histograms over one axis, each scaled to its own count; `marks`: where bands begin."""
    finite = [v for v in (*scores.same, *scores.different) if math.isfinite(v)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    high = high if high > low else low + 1

    def x(value: float) -> float:
        return 30 + (WIDE - 60) * (value - low) / (high - low)

    parts = []
    for values, colour in ((scores.different, "#b3271d"), (scores.same, "#1f4b43")):
        counts = histogram(values, low, high, BINS)
        top = max(counts) or 1
        bar = (WIDE - 60) / BINS
        parts += [
            f'<rect x="{30 + n * bar:.1f}" y="{HIGH - 30 - (HIGH - 60) * c / top:.1f}" width="{bar:.1f}" '
            f'height="{(HIGH - 60) * c / top:.1f}" fill="{colour}" fill-opacity=".55"/>'
            for n, c in enumerate(counts)
            if c
        ]
    parts += [
        f'<path d="M{x(m):.1f} 20V{HIGH - 30}" stroke="#1d1b17" stroke-dasharray="4 3"/><text x="{x(m):.1f}" y="14" font-size="11" text-anchor="middle">{m:.2f}</text>'
        for m in marks
        if low <= m <= high
    ]
    parts += [
        f'<text x="{x(v):.1f}" y="{HIGH - 10}" font-size="11" text-anchor="middle">{v:.2f}</text>' for v in (low, high)
    ]
    words = f'<text x="{WIDE / 2}" y="{HIGH - 10}" font-size="12" text-anchor="middle"><tspan fill="#b3271d">不同人 two people</tspan> · <tspan fill="#1f4b43">同一人 one person</tspan></text>'
    return f'<svg viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="scores">{"".join(parts)}{words}</svg>'


def det_svg(by_group: dict[str, Scores]) -> str:
    """FAR against FRR, both logarithmic from 0.01 % to 100 %, a line a group."""
    colours = ("#1d1b17", "#b3271d", "#1f4b43", "#8a5a00", "#2f4a8a", "#6b2f7a")
    side = 420

    def at(share: float) -> float:
        return 40 + (side - 60) * (math.log10(min(1.0, max(share, 1e-4))) + 4) / 4

    grid = "".join(
        f'<path d="M{at(v):.1f} 20V{side - 40}M40 {side - at(v):.1f}H{side - 20}" stroke="#e3d9c4"/>'
        f'<text x="{at(v):.1f}" y="{side - 22}" font-size="11" text-anchor="middle">{100 * v:g} %</text>'
        f'<text x="36" y="{side - at(v) + 4:.1f}" font-size="11" text-anchor="end">{100 * v:g}</text>'
        for v in (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    )
    lines = "".join(
        f'<polyline fill="none" stroke="{colours[n % 6]}" stroke-width="1.6" points="'
        + " ".join(f"{at(far):.1f},{side - at(frr):.1f}" for far, frr in s.curve())
        + f'"/><text x="{side - 24}" y="{34 + 16 * n}" font-size="12" text-anchor="end" fill="{colours[n % 6]}">{_t(name)}</text>'
        for n, (name, s) in enumerate(by_group.items())
        if s.same and s.different
    )
    axes = f'<text x="{side / 2}" y="{side - 6}" font-size="12" text-anchor="middle">FAR</text><text x="4" y="14" font-size="12">FRR</text>'
    return f'<svg viewBox="0 0 {side} {side}" role="img" aria-label="DET" style="max-width:34rem">{grid}{lines}{axes}</svg>'


def _t(text: object) -> str:
    return html.escape(str(text))
