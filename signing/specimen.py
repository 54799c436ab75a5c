"""`signing sign`: facts in, deeds out, by an authority that nobody trusts. For benchmarks, vectors and
trying out."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization as form

from signing import facts as facts_room
from signing import pades, render
from signing.keyfile import write_whole
from signing.kinds import P256, Kind
from signing.throwaway import of_kind
from signing.verify import Trust, examine

SURNAMES = "赵钱孙李周吴郑冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜"
NUMERALS = "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥"


def sign(raw: bytes, out: Path, count: int | None, kind: Kind = P256) -> None:
    """Writes OUT.pdf (or OUT-000001.pdf ...) and OUT.trust.pem. BadFacts where the facts are not sound."""
    facts = facts_room.read(raw)
    house = of_kind(facts["office"]["name"], kind)
    write_whole(out.with_suffix(".trust.pem"), house.root.public_bytes(form.Encoding.PEM), 0o644)
    if count is None:
        write_whole(out, checked(deed(facts, kind), house.root), 0o644)
        return
    for no in range(1, count + 1):
        made = checked(deed(vary(facts, no), kind), house.root)
        write_whole(out.with_name(f"{out.stem}-{no:06d}{out.suffix}"), made, 0o644)


def checked(made: bytes, root: x509.Certificate) -> bytes:
    """The deed, verified by our own rules as the office does before a deed leaves it. RuntimeError otherwise."""
    verdict = examine(made, Trust((root,), (root,)))
    if verdict.verdict != "valid":
        raise RuntimeError(f"a deed that does not verify: {verdict.sentence['en']}")
    return made


def deed(facts: Mapping[str, Any], kind: Kind = P256) -> bytes:
    """Rendered, signed, sealed and stamped. Always marked TEST: these keys are nobody's (H14)."""
    marked = {**facts, "test": True}
    house = of_kind(marked["office"]["name"], kind)
    notary = house.notary(marked["notary"]["name"], marked["notary"].get("id"))
    return pades.seal(render.deed(marked), notary, house.seal, house.stamper, house.status)


def vary(facts: Mapping[str, Any], no: int) -> dict[str, Any]:
    """The same facts as another case: number, code, people's names and at least 300 characters of text
    differ."""
    other = copy.deepcopy(dict(facts))
    spread = int.from_bytes(hashlib.sha256(no.to_bytes(8, "big")).digest(), "big")
    other["number"] = f"（2026）渝示证字第{no}号"
    other["code"] = f"2026-{no}-{spread % 36**8:08X}"[:40]
    other["verify_url"] = f"http://localhost:8000/v/{other['code']}"
    people = [p["name"] for p in other["parties"]]
    names = {old: _name(no * len(people) + i) for i, old in enumerate(people)}
    text = "".join(SURNAMES[(spread >> k % 240) % 31] + NUMERALS[(spread >> (k * 7) % 240) % 22] for k in range(150))

    def renamed(node: Any) -> Any:
        if isinstance(node, str):
            for old, new in names.items():
                node = node.replace(old, new)
            return node
        if isinstance(node, dict):
            return {k: renamed(v) for k, v in node.items()}
        return [renamed(v) for v in node] if isinstance(node, list) else node

    for key in ("parties", "certification", "instrument"):
        other[key] = renamed(other[key])
    other["instrument"]["paragraphs"].append(f"附记第{no}号：{text}。")
    shown = hashlib.sha256(render.instrument(other)).hexdigest()
    for signature in other["instrument"]["signatures"]:
        signature["bound_to"] = shown
    return other


def _name(n: int) -> str:
    """A name that no other number has."""
    n, first = divmod(n, len(SURNAMES))
    name = "样本" + SURNAMES[first]
    while n:
        n, digit = divmod(n, len(NUMERALS))
        name += NUMERALS[digit]
    return name
