"""The words of a deed's fixed parts, made once from facts; the PDF and its HTML twin only lay them out.

A verifier compares these words with the pages of deeds that were issued years ago. So for facts of format
1 they never change: other words come with another format. The same holds for notices about deeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

DIGITS = "〇一二三四五六七八九"
NOTICE = "yuanzheng-notice/1"
MARK = "TEST 无法律效力"
FOOT_MARK = "TEST 测试件 无法律效力 no legal force"
ZONES = {"Asia/Shanghai": "北京时间", "Asia/Chongqing": "北京时间"}


def chinese_date(day: date) -> str:
    """2026-11-24 -> 二〇二六年十一月二十四日. Gregorian (H07)."""
    year = "".join(DIGITS[int(d)] for d in f"{day.year:04d}")
    return f"{year}年{_below_hundred(day.month)}月{_below_hundred(day.day)}日"


def _below_hundred(n: int) -> str:
    tens, ones = divmod(n, 10)
    return ("" if tens == 0 else "十" if tens == 1 else DIGITS[tens] + "十") + (DIGITS[ones] if ones or not n else "")


def party(p: Mapping[str, Any]) -> str:
    """One party in one sentence: number of the paper, birth date never age (H01, H07)."""
    parts = [p["name"]]
    if "sex" in p:
        parts.append(p["sex"])
    if "birth" in p:
        parts.append(chinese_date(date.fromisoformat(p["birth"])) + "出生")
    parts.append(p["id_type"] + p["id_number"])
    if "address" in p:
        parts.append("住" + p["address"])
    capacity = f"（{p['capacity']}）" if "capacity" in p else ""
    return f"{p['role']}{capacity}：" + "，".join(parts) + "。"


def moment(text: str, zone: str) -> str:
    """An RFC 3339 instant in the office's zone, the zone named: never a bare time."""
    local = datetime.fromisoformat(text).astimezone(ZoneInfo(zone))
    offset = local.strftime("%z")
    named = ZONES.get(zone, f"{zone}，UTC{offset[:3]}:{offset[3:]}")
    return f"{chinese_date(local.date())} {local:%H:%M:%S}（{named}）"


def media_time(ms: int) -> str:
    """Offset in the recording, 0:01:35.2."""
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest // 100}"


def zone(data: Mapping[str, Any]) -> str:
    return str(data.get("time_zone", "Asia/Shanghai"))


def signature(s: Mapping[str, Any], at: str) -> dict[str, Any]:
    note = ""
    if "signed_at" in s:
        note = f"{s['party']}签名于{moment(s['signed_at'], at)}，在视频中当面写下。笔迹与本文书文字绑定。"
        if "bound_to" in s:
            note += f"文书摘要 {s['bound_to'][:16]}。"
    return {
        "label": s["label"],
        "alt": f"手写签名：{s['party']}",
        "note": note,
        "strokes": s.get("strokes", []),
    }


def instrument(facts: Mapping[str, Any], signed: bool) -> dict[str, Any]:
    """`signed` false: as shown before signing, without strokes, notes or number."""
    text = facts["instrument"]
    at = zone(facts)
    keep = {"party", "label"} if not signed else {"party", "label", "signed_at", "bound_to", "strokes"}
    return {
        "title": text["title"],
        "addressee": text.get("addressee", ""),
        "paragraphs": text["paragraphs"],
        "signatures": [signature({k: v for k, v in s.items() if k in keep}, at) for s in text["signatures"]],
        "date": chinese_date(date.fromisoformat(text["drawn_on"])),
    }


def deed(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that a reader of the deed meets, in reading order; no layout."""
    translation = facts.get("translation")
    attached = facts.get("attachments", {})
    notes = []
    if "evidence" in attached:
        notes.append(f"证据清单摘要（SHA-256）：{attached['evidence']['sha256']}")
    if "log" in attached:
        notes.append("公开日志：" + " ".join(attached["log"].values()))
    return {
        "title": "公证书",
        "number": facts["number"],
        "parties": [party(p) for p in facts["parties"]],
        "matter": "公证事项：" + facts["matter"]["title"],
        "certification": facts["certification"],
        "office": facts["office"]["name"],
        "notary_label": "公证员",
        "notary": facts["notary"]["name"],
        "date": chinese_date(date.fromisoformat(facts["issued_on"])),
        "qr_words": "扫码或输入编号核验",
        "qr_alt": "二维码：核验这份公证书",
        "code": facts["code"],
        "instrument": instrument(facts, signed=True),
        "translation": {
            "title": translation.get("title", "Translation"),
            "language": translation["language"],
            "paragraphs": translation["paragraphs"],
            "translator": f"译者 Translator: {translation['translator']}",
        }
        if translation
        else None,
        "notes": notes,
        "mark": MARK if facts["test"] else "",
        "foot_mark": FOOT_MARK if facts["test"] else "",
    }


def sheet(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Of a deed or of a notice, by its format."""
    return notice(facts) if facts["format"] == NOTICE else deed(facts)


def notice(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A correction (补正公证书) or a revocation (公证法 art. 39, 规则 art. 63), in reading order; no layout."""
    about = facts["concerns"]
    deed_of = (
        f"本处于{chinese_date(date.fromisoformat(about['issued_on']))}出具的{about['number']}公证书"
        f"（公证事项：{about['matter']}）"
    )
    reason = ["理由：" + facts["decision"][0], *facts["decision"][1:]]
    if facts["kind"] == "revocation":
        title = "撤销公证书决定书"
        said = [f"{deed_of}，经复查，本处决定予以撤销。", *reason, "该公证书自始无效，任何人不得再使用。"]
    else:
        title = "补正公证书"
        changes = [
            f"{_below_hundred(i)}、原文“{c['stands']}”，更正为“{c['reads']}”。"
            for i, c in enumerate(facts["corrections"], 1)
        ]
        closing = "其余内容不变。本补正公证书与原公证书一并使用，原公证书与本补正公证书不一致的，以本补正公证书为准。"
        said = [f"{deed_of}，经复查，现予以补正：", *changes, *reason, closing]
    return {
        "title": title,
        "number": facts["number"],
        "paragraphs": said,
        "office": facts["office"]["name"],
        "notary_label": "公证员",
        "notary": facts["notary"]["name"],
        "date": chinese_date(date.fromisoformat(facts["issued_on"])),
        "qr_words": "扫码查看公证书状态",
        "qr_alt": "二维码：查看公证书的状态",
        "code": facts["code"],
        "notes": [f"原公证书文件摘要（SHA-256）：{about['sha256']}"],
        "mark": MARK if facts["test"] else "",
        "foot_mark": FOOT_MARK if facts["test"] else "",
    }


def minutes(data: Mapping[str, Any]) -> dict[str, Any]:
    """The sheet of the 询问笔录 (E01, E04, E05)."""
    at = zone(data)

    def person(p: Mapping[str, Any]) -> str:
        return f"{p['name']}；所在地点：{p['place']}" + (f"；{p['identity']}" if "identity" in p else "")

    def answer(a: Mapping[str, Any]) -> dict[str, str]:
        if "omitted" in a:
            return {"question": a["question"], "answer": f"（未询问，理由：{a['omitted']}）", "time": ""}
        corrected = "（经更正并确认）" if a.get("corrected") else ""
        return {
            "question": a["question"],
            "answer": a["answer"] + corrected,
            "time": media_time(a["media_ms"]),
        }

    return {
        "title": "询问笔录",
        "number": data["case"],
        "head": [
            ["公证事项", data["matter"]["title"]],
            ["方式", data["manner"]],
            ["开始", moment(data["started_at"], at)],
            ["结束", moment(data["ended_at"], at)],
            ["办理机构", data["office"]["name"]],
            *[[p["role"], person(p)] for p in data["persons"]],
        ],
        "notices": [
            {"text": n["text"], "time": media_time(n["media_ms"]) if "media_ms" in n else ""} for n in data["notices"]
        ],
        "answers": [answer(a) for a in data["answers"]],
        "interruptions": [
            f"{moment(g['from'], at)}至{moment(g['to'], at)}：{g['reason']}"
            + (f"；{g['redone']}" if "redone" in g else "")
            for g in data["interruptions"]
        ]
        or ["无"],
        "corrections": [
            f"{c['text']}（确认于录像 {media_time(c['confirmed_ms'])}）" for c in data.get("corrections", [])
        ],
        "signatures": [signature(s, at) for s in data.get("signatures", [])],
        "closing": "以上笔录已由本人阅读或听读，与本人所述一致。",
        "mark": MARK if data["test"] else "",
        "foot_mark": FOOT_MARK if data["test"] else "",
    }
