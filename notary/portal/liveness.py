"""The challenge of liveness as both pages show it, in words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from sqlalchemy.orm import Session

from identity.challenge import ACTIONS, AHEAD, FLASH, SAY
from notary import calendar
from notary.models import Challenge, ConsentKind, Interview
from notary.office import filing, hearing, proving
from notary.office.hearing import Live
from notary.rules import rules


def of_notary(db: Session, at: Live, now: datetime) -> dict[str, Any]:
    """What the console shows of the challenge: `state` none, waiting, running, done, broken or waived."""
    row, party = proving.last_challenge(db, at.interview), filing.party_of(db, at.case)
    today = calendar.today(now)
    born = party.birth
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day)) if born else 0
    shown: dict[str, Any] = {
        "state": row.state if row else "none", "row": row, "lines": _lines(row) if row else [],
        "may": hearing.consented(db, at.case, ConsentKind.FACE), "slow": age >= rules().profile.challenge.slow_age,
        "parts": [(one, part_words(one)) for one in proving.MAY_BE_LEFT_OUT],
        "again": proving.failures_today(db, at.case, now) >= rules().profile.identity.attempts_per_day,
        "digits": "", "signs": [], "whole": "", "left_out": [],
    }  # fmt: skip
    if row is not None and row.drawn:
        said = SAY not in {one["what"] for one in row.left_out}
        shown["digits"] = row.drawn["digits"] if said and row.state == "done" else ""
        shown["signs"] = [sign_words(one) for one in row.signs]
        shown["whole"] = outcome_words(row.verdict.get("outcome", ""))
        shown["reasons"] = [why_words(one) for one in row.verdict.get("reasons", []) if not one.startswith("left-out-")]
        shown["left_out"] = [(part_words(one["what"]), one["reason"]) for one in row.left_out]
    return shown


def of_approver(db: Session, interview: Interview) -> list[dict[str, Any]]:
    """Every challenge of the interview for who approves, the newest first: when, what the machine saw, signs, what was left
    out, what the notary decided and why."""
    return [
        {
            "at": row.asked_at, "decision": row.decision, "decided": decision_words(row), "reason": row.reason,
            "whole": outcome_words(row.verdict.get("outcome", "")) if row.drawn else None, "lines": _lines(row),
            "reasons": [why_words(one) for one in row.verdict.get("reasons", []) if not one.startswith("left-out-")],
            "signs": [sign_words(one) for one in row.signs],
            "left_out": [(part_words(one["what"]), one["reason"]) for one in row.left_out],
            "heard": {"right": _("数字念对了"), "wrong": _("数字没念对")}.get(row.heard, ""),
        }
        for row in reversed(proving.every(db, interview))
    ]  # fmt: skip


def decision_words(row: Challenge) -> tuple[str, str]:
    """The notary's decision in words, and the kind of its mark."""
    return {
        "accepted": (_("公证员认可"), "ok"), "refused": (_("公证员不认可"), "stop"), "waived": (_("公证员决定免做"), "warn"),
    }.get(row.decision, (_("没有决定"), ""))  # fmt: skip


def _lines(row: Challenge) -> list[tuple[str, str, str, str]]:
    """(part, media time, words, kind of the pill) of each finding."""
    made = []
    for one in row.verdict.get("findings", []):
        reasons = one["reasons"]
        words = _("做到了") if not reasons else "、".join(why_words(reason) for reason in reasons)
        kind = "ok" if not reasons else "warn" if reasons == ["no-response"] else "stop"
        made.append((part_words(one["kind"]), media_clock(one["at"]), words, kind))
    return made


def media_clock(seconds: float) -> str:
    """Media time as minutes and seconds of the recording."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def part_words(what: str) -> str:
    return {
        "left": _("向左转头"), "right": _("向右转头"), "nod": _("点头"), "mouth": _("张嘴"), "blink": _("眨两下眼"),
        SAY: _("念四个数字"), FLASH: _("屏幕变颜色"),
    }.get(what, what)  # fmt: skip


def outcome_words(outcome: str) -> tuple[str, str]:
    return {
        "passed": (_("机器：各项都做到"), "ok"), "open": (_("机器：有的项没有做，或者看不出"), "warn"),
        "failed": (_("机器：有的项没有做到"), "stop"),
    }.get(outcome, (_("没有做成"), "warn"))  # fmt: skip


def why_words(reason: str) -> str:
    """Why a part, or the whole, was not met."""
    if reason.startswith("did-"):
        return _("做了别的动作：%(what)s", what=part_words(reason.removeprefix("did-")))
    if reason.startswith("unseen-"):
        return _("看不出：%(what)s", what=part_words(reason.removeprefix("unseen-")))
    return {
        "not-seen": _("没有看到"), "too-early": _("提示前就动了"), "flat": _("像一张平的图在转"),
        "eyes-came-along": _("转头时眼睛没有留在屏幕上"), "no-response": _("脸上看不出屏幕的颜色（太亮也会这样）"),
        "other-colours": _("脸上的颜色和屏幕的顺序不一样"), "no-start": _("开头没有看清正脸"),
        "too-few-frames": _("画面太少，网络太慢"), "face-lost": _("中间有一秒多没有脸"), "many-faces": _("画面里不止一个人"),
        "not-compared": _("前后的脸没法比"), "another-face": _("前后的脸不像同一个人"), "expired": _("没有及时开始"),
        "broken": _("中途断了"), "not-reached": _("提示没有送到对方屏幕"),
    }.get(reason, reason)  # fmt: skip


def sign_words(sign: str) -> str:
    """A sign of a picture put in the camera's place, with what else may cause it."""
    return {
        "camera-name": _("摄像头的名字像一个程序（也可能是手机当摄像头用）"),
        "too-steady": _("画面间隔过于均匀（有的摄像头也这样）"),
        "same-frames": _("有许多一模一样的画面（网络慢也会这样）"),
        "no-colours": _("脸上看不出屏幕的颜色（房间亮也会这样）"),
    }.get(sign, sign)  # fmt: skip


def gate_words() -> dict[str, str]:
    """What the applicant is told where a frame is not good enough."""
    return {
        "no-face": _("请把脸放在画面中间。"), "many-faces": _("画面里只能有您一个人，请别人让一让。"),
        "too-small": _("请离镜头近一点。"), "too-dark": _("太暗了。请面向窗户，或者开一盏灯。"),
        "too-bright": _("太亮了。请不要对着强光。"), "too-flat": _("看不清。请擦一擦镜头，换个亮一点的地方。"),
        "blurred": _("有点模糊。请拿稳，擦一擦镜头。"), "turned-away": _("请正对着镜头。"),
    }  # fmt: skip


def prompts() -> list[tuple[str, str]]:
    """Every prompt in words, for the applicant's page: which one stands there the server says, one at a time."""
    return [
        ("wait", _("请看着屏幕，马上开始")),
        (AHEAD, _("请正对镜头，看着屏幕，先不要动")),
        *((one, action_words(one)) for one in ACTIONS),
        (SAY, _("请大声、慢慢地念这四个数字")),
        (FLASH, _("请看着屏幕，不要动。屏幕会变几次颜色")),
        ("pause", _("好，请看着屏幕")),
        ("over", _("做完了，谢谢您")),
    ]


def action_words(action: str) -> str:
    return {
        "left": _("请把头慢慢转向左边，眼睛一直看着屏幕"), "right": _("请把头慢慢转向右边，眼睛一直看着屏幕"),
        "nod": _("请慢慢点一下头"), "mouth": _("请张大嘴，再合上"), "blink": _("请慢慢地眨两下眼"),
    }[action]  # fmt: skip


def moment_words(rest: str, text: str) -> str:
    """A line `challenge.<rest>` of the timeline."""
    if rest == "step":
        what, _space, why = text.partition(" ")
        words = _("做到了") if not why else "、".join(why_words(one) for one in why.split())
        return f"{part_words(what)}：{words}"
    return {
        "drawn": _("抽了活体核对的动作"), "done": outcome_words(text)[0], "broken": _("活体核对没有做成：%(why)s", why=why_words(text)),
        "heard": _("数字念对了") if text == "right" else _("数字没念对"), "accepted": _("您认可活体核对"),
        "refused": _("您不认可活体核对"), "waived": _("您决定免做活体核对"),
    }.get(rest, rest)  # fmt: skip
