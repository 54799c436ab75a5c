#!/usr/bin/env python3
"""Writes tests/vectors/vectors.json: files that every edition of the verifier must judge alike, and how.

`--check`: only says whether what is checked in is what this program makes (exit 1 where not). `--new`: makes the files
that the others are derived from anew, with keys that nobody keeps; signing is random, so every one of them changes.
"""

import argparse
import hashlib
import json
import lzma
import random
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "signing")]
HOME = ROOT / "tests" / "vectors"
LIST, TOLD, TAILS, ROOTS = HOME / "vectors.json", HOME / "bases.json", HOME / "bases.xz", HOME / "roots"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256 (SEC 2, 2.4.2)."""
Edit = tuple[int, int, bytes]
"""At which offset of the base, how many bytes go, what comes instead. Later offsets are those of the base too."""


# ---- reading


def bases() -> dict[str, bytes]:
    """Every base whole: a parent's beginning and its own tail. The tails stand one behind another."""
    found: dict[str, bytes] = {}
    tails, at = lzma.decompress(TAILS.read_bytes()), 0
    for name, told in json.loads(TOLD.read_text("utf-8")).items():
        start = found[told["parent"]][: told["cut"]] if told["parent"] else b""
        found[name] = start + tails[at : at + told["tail"]]
        at += told["tail"]
    return found


def edited(base: bytes, edits: list[Edit]) -> bytes:
    out, at = [], 0
    for place, gone, put in edits:
        out += [base[at:place], put]
        at = place + gone
    return b"".join((*out, base[at:]))


def files() -> Iterator[tuple[dict[str, Any], bytes]]:
    """Every vector and its file."""
    known = bases()
    for one in json.loads(LIST.read_text("utf-8"))["vectors"]:
        edits = [(at, gone, bytes.fromhex(put)) for at, gone, put in one["edits"]]
        yield one, edited(known[one["base"]], edits)


# ---- deriving


class Deriving:
    def __init__(self) -> None:
        self.files, self.told = bases(), json.loads(TOLD.read_text("utf-8"))
        self.out: list[dict[str, Any]] = []

    def add(
        self, name: str, kind: str, base: str, *edits: Edit, verdict: str = "invalid", why: str = "",
        trust: str | None = "", days: float = 0,
    ) -> None:  # fmt: skip
        """`trust` "": the base's own; None: no root is given. `days`: later than the base is asked about."""
        from signing.trust import Trust
        from signing.verify import examine

        data = edited(self.files[base], list(edits))
        assert edits == () or data != self.files[base], name
        trust = self.told[base]["trust"] if trust == "" else trust
        now = datetime.fromisoformat(self.told[base]["now"]) + timedelta(days=days)
        roots = None if trust is None else Trust.from_pem((ROOTS / f"{trust}.pem").read_bytes())
        said = examine(data, roots, now=now)
        reason = said.reasons[0] if said.reasons else None
        assert said.verdict == verdict, (name, said.verdict, reason)
        one = {
            "name": name, "class": kind, "base": base, "edits": [[at, gone, put.hex()] for at, gone, put in edits],
            "sha256": hashlib.sha256(data).hexdigest(), "trust": trust, "now": now.isoformat(), "expect": verdict,
            "code": reason and reason.code, "etsi": reason and reason.etsi, "remarks": [r.code for r in said.remarks],
        }  # fmt: skip
        if reason and reason.code == "facts.disagree":
            one["needs"] = "pages"  # who cannot read the words of a page calls it valid
        if why:
            one["why"] = why
        self.out.append(one)


def derive() -> str:
    it = Deriving()
    for name, told in it.told.items():
        it.add(name, told["class"], name, verdict=told["expect"])
    _times_and_roots(it)
    for base in ("genuine", "renewed", "other-genuine", "other-packed"):
        _structure(it, base)
    for base, count in (("genuine", 60), ("renewed", 30), ("other-genuine", 50), ("other-packed", 30), ("rsa", 25)):
        _flips(it, base, count)
    head = {"format": "yuanzheng-vectors/1", "vectors": it.out}
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in it.out)
    return json.dumps(head | {"vectors": "@"}, ensure_ascii=False).replace('"@"', f"[\n{lines}\n]") + "\n"


def _times_and_roots(it: Deriving) -> None:
    add = it.add
    add("genuine-no-root", "trust", "genuine", verdict="unknown", trust=None)
    add("genuine-strangers-root", "trust", "genuine", trust="stranger")
    add(
        "genuine-root-for-stamps-only",
        "trust",
        "genuine",
        trust="outside-and-office",
        why="the first certificate is for signers",
    )
    add(
        "look-alike-no-root",
        "trust",
        "look-alike-chain",
        trust=None,
        verdict="unknown",
        why="whose it is, only a root tells",
    )
    add("changed-no-root", "trust", "genuine", (5000, 1, bytes((it.files["genuine"][5000] ^ 1,))), trust=None)
    add("other-no-root", "trust", "other-genuine", verdict="unknown", trust=None)
    add("outside-stamps-unknown", "trust", "outside-stamps", trust="office")
    add("genuine-leaf-expired", "time", "genuine", days=1500, verdict="valid", why="its stamp is older")
    add("genuine-stamp-expired", "time", "genuine", days=3600, verdict="unknown")
    add("genuine-before-its-stamp", "time", "genuine", days=-3)
    add("renewed-years-later", "time", "renewed", days=2000, verdict="valid")
    add(
        "revoked-later-cut-back",
        "time",
        "revoked-later",
        (_ends(it.files["revoked-later"])[2], 10**7, b""),
        verdict="valid",
    )
    data = it.files["renewed"]
    for no, end in enumerate(_ends(data)[2:-1]):
        add(
            f"renewed-cut-to-stamp-{no + 1}",
            "time",
            "renewed",
            (end, len(data) - end, b""),
            verdict="valid",
            why="the deed of that day",
        )


def _ends(data: bytes) -> list[int]:
    found = _read(data)
    return [s.end for s in (found.notary, found.office, *found.stamps)]


def _read(data: bytes) -> Any:
    from signing import foreign, shape
    from signing.verdict import Refused

    try:
        return shape.read(data)
    except Refused:
        return foreign.read(data, "")


# ---- every structural class


def _structure(it: Deriving, base: str) -> None:
    data = it.files[base]
    found = _read(data)
    end = len(data)
    last, notary, office = found.stamps[-1], found.notary, found.office

    def add(name: str, *edits: Edit, verdict: str = "invalid") -> None:
        it.add(f"{base}-{name}", "structure", base, *edits, verdict=verdict)

    for name, tail in (
        ("newline", b"\n"),
        ("zero", b"\0"),
        ("eof", b"%%EOF\n"),
        ("comment", b"% note\n%%EOF\n"),
        ("kilobytes", b"x" * 2000),
    ):
        add(f"appended-{name}", (end, 0, tail))
    add("prepended", (0, 0, b"\n"))
    add("header-comment", (data.index(b"\n") + 1, 0, b"% note\n"))
    add("header-version", (7, 1, b"9"))
    add("cut-last-byte", (end - 1, 1, b""))
    add("cut-half", (end // 2, end, b""))
    add("cut-to-the-notary", (notary.end, end, b""))
    add("cut-to-the-seal", (office.end, end, b""))
    for name, one in (("notary", notary), ("office", office), ("last", last)):
        first, second = one.ranges[1:3]
        stop = first + 1 + 2 * len(one.der)
        add(f"{name}-small-letters", (first, second - first, data[first:second].lower()))
        add(f"{name}-padding", (second - 2, 1, b"1"))
        add(f"{name}-white-space", (stop, 2, b"  "))
        add(f"{name}-longer-frame", (first + 1, 8, _longer(data[first + 1 : first + 9])))
        add(f"{name}-empty", (first + 1, second - first - 2, b"0" * (second - first - 2)))
        add(f"{name}-null", (first, second - first, b"null".ljust(second - first)))
        key = (
            data.rindex(b"/ByteRange", 0, first)
            if b"/ByteRange" in data[first - 4000 : first]
            else data.index(b"/ByteRange", second)
        )
        there = re.compile(rb"/ByteRange\s*\[([^\]]*)\]").match(data, key)
        assert there is not None
        span = there.end(1) - there.start(1)
        for how, numbers in (
            ("zeros", b"0 0 0 0"), ("negative", b"0 %d -1 1" % first), ("short", b"0 10 20 10"), ("null", b"null"),
            ("boolean", b"false %d %d %d" % one.ranges[1:]), ("five", b"0 %d %d %d 0" % one.ranges[1:]), ("empty", b""),
            ("wider", b"0 %d %d %d" % (first - 1, second + 1, one.ranges[3] - 1)),
        ):  # fmt: skip
            if len(numbers) <= span:
                add(f"{name}-range-{how}", (there.start(1), span, numbers.ljust(span)))
        add(f"{name}-range-renamed", (key, 10, b"/ByteRangX"))
        other_end = second
        if len(b"%d" % (second + 6)) == len(b"%d" % second) and there.start(1) > second:
            moved = b"0 %d %d %d" % (first, second + 6, one.ranges[3])
            if len(moved) <= span:
                add(f"{name}-wrapped", (other_end, 0, b"/X 12 "), (there.start(1), span, moved.ljust(span)))
    held = data[notary.ranges[1] : notary.ranges[2]]
    size = office.ranges[2] - office.ranges[1] - 2
    add("swapped-containers", (office.ranges[1] + 1, size, held[1:-1][:size].ljust(size, b"0")))
    add(
        "other-spelling-of-the-last-value",
        *_other_spelling(data, last),
        verdict="valid" if base.startswith("other") else "invalid",
    )
    for key, new in (
        (b"/SigFlags", b"/SigFlagX"),
        (b"/DocMDP", b"/DocMDX"),
        (b"/FieldMDP", b"/FieldMDX"),
        (b"/OCSPs", b"/OCSPX"),
        (b"/Lock", b"/Lok "),
    ):
        at = data.rindex(key)
        add(f"renamed-{key[1:].decode()}", (at, len(key), new.ljust(len(key))))
    add("digest-of-another-type", *_other_type(last))
    for no, place in enumerate(m.start() for m in re.finditer(rb"startxref\n", data)):
        add(f"startxref-{no}", (place + 10, 1, b"7" if data[place + 10 : place + 11] != b"7" else b"8"))
    if b" 00000 n" in data:
        at = data.rindex(b" 00000 n")
        add("index-elsewhere", (at - 1, 1, b"0" if data[at - 1 : at] != b"0" else b"1"))
        add("index-freed", (at, 8, b" 00001 f"))
    _unsigned_revisions(it, base, found)


def _longer(head: bytes) -> bytes:
    """The first four bytes of a container, in hex: its length two more, so that it takes in padding."""
    raw = bytes.fromhex(head.decode())
    return (raw[:2] + (int.from_bytes(raw[2:4], "big") + 2).to_bytes(2, "big")).hex().upper().encode()


def _other_spelling(data: bytes, last: Any) -> list[Edit]:
    """s becomes n - s in the last container; lengths of everything around follow."""
    from asn1crypto import cms as asn1_cms
    from cryptography.hazmat.primitives.asymmetric import utils

    held = asn1_cms.ContentInfo.load(last.der)
    r, s = utils.decode_dss_signature(held["content"]["signer_infos"][0]["signature"].native)
    held["content"]["signer_infos"][0]["signature"] = utils.encode_dss_signature(r, ORDER - s)
    raw = held.dump().hex().upper().encode()
    first, second = last.ranges[1:3]
    return [(first + 1, second - first - 2, raw.ljust(second - first - 2, b"0"))]


def _other_type(last: Any) -> list[Edit]:
    """Both names of the digest that nothing signs become integers of the same bytes."""
    from signing import cms, der

    named, other = (der.wrap(tag, der.oid("2.16.840.1.101.3.4.2.1")) for tag in (der.OID, der.INTEGER))
    content = cms.read(last.der, cms.TST_INFO).content or b""
    raw = last.der.replace(named, other).replace(content.replace(named, other), content)
    return [(last.ranges[1] + 1, 2 * len(raw), raw.hex().upper().encode())]


def _unsigned_revisions(it: Deriving, base: str, found: Any) -> None:
    """Who has no key writes behind the deed, or behind what is left of it."""
    data, file = it.files[base], found.file
    root = file.root.number
    pages = file.get(file.catalogue()["Pages"])
    page = pages["Kids"][0]
    page = file.get(page)["Kids"][0] if "Kids" in file.get(page) else page
    content = file.get(page)["Contents"]
    info = file.revisions[-1].trailer.get("Info")
    overlay = b"<</Type/XObject/Subtype/Form/BBox[0 0 600 800]/Length 3>>\nstream\n0 g\nendstream"
    stream = b"<</Length 15>>\nstream\n0 0 600 800 re f\nendstream"
    changes: dict[str, dict[int, bytes]] = {
        "content": {content.number if hasattr(content, "number") else content[0].number: stream},
        "title": {info.number: b"<</Title(other)>>"} if info else {},
        "catalogue": {root: b"<</Type/Catalog/Pages %d 0 R>>" % file.catalogue()["Pages"].number},
        "hidden": {900: overlay},
        "data-emptied": {file.catalogue()["DSS"].number: b"<</Certs[]/OCSPs[]/CRLs[]>>"},
        "form-emptied": {file.catalogue()["AcroForm"].number: b"<</Fields[]/SigFlags 3>>"},
        "page": {page.number: b"<</Type/Page/Parent 1 0 R/MediaBox[0 0 9 9]>>"},
    }
    for name, objects in changes.items():
        if objects:
            it.add(f"{base}-unsigned-{name}", "structure", base, (len(data), 0, _revision(data, objects, root)))
            for part, end in (("seal", found.office.end), ("notary", found.notary.end)):
                tail = _revision(data[:end], objects, root)
                it.add(f"{base}-unsigned-{name}-on-{part}", "structure", base, (end, len(data) - end, tail))
    it.add(f"{base}-hybrid", "structure", base, (len(data), 0, _revision(data, {900: b"1"}, root, more=b"/XRefStm 9")))
    it.add(f"{base}-loop", "structure", base, (len(data), 0, _revision(data, {900: b"1"}, root, loop=True)))
    it.add(f"{base}-unfinished", "structure", base, (len(data), 0, _revision(data, {900: b"1"}, root)[:-30]))
    it.add(f"{base}-nothing-new", "structure", base, (len(data), 0, _revision(data, {}, root)))


def _revision(data: bytes, objects: dict[int, bytes], root: int, more: bytes = b"", *, loop: bool = False) -> bytes:
    before = int(re.findall(rb"startxref\n(\d+)", data)[-1])
    out, lines = b"", b"xref\n0 1\n0000000000 65535 f \n"
    for number, thing in objects.items():
        lines += b"%d 1\n%010d 00000 n \n" % (number, len(data) + len(out))
        out += b"%d 0 obj\n" % number + thing + b"\nendobj\n"
    index = len(data) + len(out)
    told = b"trailer\n<</Size 901/Root %d 0 R/Prev %d%s>>\n" % (root, index if loop else before, more)
    return out + lines + told + b"startxref\n%d\n%%%%EOF\n" % index


def _flips(it: Deriving, base: str, count: int) -> None:
    """Single bits: a third in the last container, which nothing signs, the others anywhere."""
    data, dice = it.files[base], random.Random(f"flips of {base}")
    last = _read(data).stamps[-1]
    first = last.ranges[1]
    used = range(first, first + 2 * len(last.der) + 1)
    for no in range(count):
        at = dice.choice(used) if no % 3 == 0 else dice.randrange(len(data))
        bit = dice.randrange(8)
        it.add(f"{base}-flip-{no:02d}", "flip", base, (at, 1, bytes((data[at] ^ 1 << bit,))))


# ---- making anew


def make_new() -> None:
    import vector_bases

    made = vector_bases.make()
    ROOTS.mkdir(parents=True, exist_ok=True)
    for old in ROOTS.iterdir():
        old.unlink()
    for name, pem in made.roots.items():
        (ROOTS / f"{name}.pem").write_bytes(pem)
    told: dict[str, Any] = {}
    tails = b""
    for name, one in made.files.items():
        shared = [(_shared(one.data, made.files[n].data), n) for n in told]
        cut, parent = max(shared, default=(0, ""))
        tails += one.data[cut:]
        told[name] = {
            "parent": parent if cut else "", "cut": cut, "tail": len(one.data) - cut, "trust": one.trust, "now": one.now.isoformat(),
            "class": one.kind, "expect": one.expect,
        }  # fmt: skip
    TAILS.write_bytes(lzma.compress(tails, preset=9))
    TOLD.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


def _shared(one: bytes, other: bytes) -> int:
    """Length of their common beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--new", action="store_true")
    args = parser.parse_args()
    if args.new:
        make_new()
    text = derive()
    if args.check:
        same = LIST.exists() and LIST.read_text("utf-8") == text
        print("as checked in" if same else f"{LIST.relative_to(ROOT)} is not what tools/vectors.py makes")
        return not same
    LIST.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
