"""
How long it takes to issue and to verify a deed, and how much signing adds to it.

    python benchmarks/signing.py [--deeds N]

Everything is measured in one run on this machine, in this process but for what is named otherwise: CPU seconds of the
process (`time.process_time`) and, beside them, wall seconds, warm after 20 deeds, medians and worst of N. Each deed has
its own number, names and at least 300 characters of its own text (`signing.specimen.vary`). Time-stamp and status
service answer in process. "Stock" is the same work by WeasyPrint and pyHanko as they come (`benchmarks/stock.py`), in a child
process that takes turns with this one, twenty deeds of ours and five of its.
"""

import argparse
import asyncio
import io
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from signing import facts as facts_room
from signing import pades, render, second, shape, specimen, steps
from signing.case import Case
from signing.keyfile import write_whole
from signing.kinds import KINDS, P256, Kind
from signing.throwaway import of_kind
from signing.verify import Trust, examine, verify

WARM = 20
FACTS = facts_room.read((Path(facts_room.__file__).parent / "examples" / "facts.json").read_bytes())


class Clock:
    """CPU and wall milliseconds of what was called, one entry a call."""

    def __init__(self) -> None:
        self.cpu: list[float] = []
        self.wall: list[float] = []

    def of(self, work: Callable[[], object]) -> object:
        cpu, wall = time.process_time(), time.perf_counter()
        out = work()
        self.cpu.append(1000 * (time.process_time() - cpu))
        self.wall.append(1000 * (time.perf_counter() - wall))
        return out

    def figures(self) -> dict[str, float]:
        named = {"cpu": statistics.median(self.cpu), "wall": statistics.median(self.wall)}
        named |= {"worst cpu": max(self.cpu), "worst / median cpu": max(self.cpu) / named["cpu"]}
        return {k: round(v, 2) for k, v in named.items()}


class Stock:
    """The child that makes stock deeds, and what its deeds took."""

    def __init__(self) -> None:
        command = [sys.executable, str(Path(__file__).with_name("stock.py"))]
        self.child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.made: list[dict[str, list[float]]] = []
        self.made_so_far = 0

    def make(self, count: int) -> None:
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        print(self.made_so_far + 1, count, file=self.child.stdin, flush=True)
        self.made += json.loads(self.child.stdout.readline())
        self.made_so_far += count

    def figures(self) -> dict[str, dict[str, float]]:
        parts = {name: Clock() for name in (*self.made[0], "whole")}
        for one in self.made:
            for name, (cpu, wall) in (one | {"whole": [sum(x) for x in zip(*one.values(), strict=True)]}).items():
                parts[name].cpu.append(cpu)
                parts[name].wall.append(wall)
        return {name: clock.figures() for name, clock in parts.items()}


def issue(
    count: int, stock: Stock | None = None, kind: Kind = P256
) -> tuple[dict[str, dict[str, float]], list[tuple[bytes, bytes]], Trust]:
    """-> (figures, (body, deed) of each, trust)."""
    house = of_kind(FACTS["office"]["name"], kind)
    trust = Trust((house.root,), (house.root,))
    clocks = {name: Clock() for name in ("render", "sign, seal, stamp", "re-validate", "durable write")}
    made = []
    with tempfile.TemporaryDirectory(prefix="yz-bench-") as folder:
        for no in range(1, WARM + count + 1):
            if no == WARM + 1:
                clocks, made = {name: Clock() for name in clocks}, []
                if stock:
                    stock.make(WARM)
                    stock.made = []
            if stock and no > WARM and (no - WARM) % 20 == 0:
                stock.make(5)
            facts = {**specimen.vary(FACTS, no), "test": True}
            notary = house.notary(facts["notary"]["name"], facts["notary"].get("id"))
            body = clocks["render"].of(lambda facts=facts: render.deed(facts))
            deed = clocks["sign, seal, stamp"].of(
                lambda body=body, notary=notary: pades.seal(body, notary, house.seal, house.stamper, house.status)
            )
            verdict = clocks["re-validate"].of(lambda deed=deed: examine(deed, trust))
            assert verdict.verdict == "valid", verdict.reasons
            path = Path(folder) / f"{no}.pdf"
            clocks["durable write"].of(lambda path=path, deed=deed: write_whole(path, deed))
            made.append((body, deed))
    whole = Clock()
    whole.cpu = [sum(parts) for parts in zip(*(c.cpu for c in clocks.values()), strict=True)]
    whole.wall = [sum(parts) for parts in zip(*(c.wall for c in clocks.values()), strict=True)]
    return {name: c.figures() for name, c in (clocks | {"whole": whole}).items()}, made, trust


def verifying(made: list[tuple[bytes, bytes]], trust: Trust) -> dict[str, dict[str, float]]:
    """Our rules with and without the pages, pyHanko's validation of both signatures, its long-term validation."""
    acts = {
        "our rules": lambda deed: examine(deed, trust),
        "our rules without reading the pages": lambda deed: _without_pages(deed, trust),
        "pyHanko, both signatures": lambda deed: _pyhanko(deed, trust),
        "second opinion, in process": lambda deed: second.opinion(deed, trust, TIMES[deed[-4000:]]),
    }
    found = {}
    for _, deed in made:
        stamped(deed, trust)
    for name, act in acts.items():
        clock = Clock()
        for _, deed in made[: max(WARM, len(made) // 4)]:
            act(deed)
        for _, deed in made:
            clock.of(lambda act=act, deed=deed: act(deed))
        found[name] = clock.figures()
    clock = Clock()
    for _, deed in made[:5]:
        clock.of(lambda deed=deed: verify(deed, trust))
    found["verify with the second opinion in its child (5 deeds)"] = clock.figures()
    return found


def _without_pages(deed: bytes, trust: Trust) -> None:
    case = Case(deed, trust, datetime.now(UTC), None)
    for act in steps.ACTS:
        if act is not steps.pages:
            act(case)


def stamped(deed: bytes, trust: Trust) -> datetime:
    """Time of the last document stamp, found beforehand, outside what is measured."""
    if deed[-4000:] not in TIMES:
        TIMES[deed[-4000:]] = datetime.fromisoformat(examine(deed, trust).archived_at)
    return TIMES[deed[-4000:]]


def _pyhanko(deed: bytes, trust: Trust) -> None:
    from asn1crypto import x509 as asn1_x509
    from cryptography.hazmat.primitives import serialization as form
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import DocumentSecurityStore, async_validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    roots = [asn1_x509.Certificate.load(c.public_bytes(form.Encoding.DER)) for c in trust.stamps]
    reader = PdfFileReader(io.BytesIO(deed))
    others = list(DocumentSecurityStore.read_dss(reader).load_certs())
    for one in reader.embedded_regular_signatures:
        context = ValidationContext(
            trust_roots=roots, other_certs=others, allow_fetching=False, revocation_mode="soft-fail"
        )
        status = asyncio.run(async_validate_pdf_signature(one, context))
        assert status.bottom_line


def overhead(made: list[tuple[bytes, bytes]]) -> dict[str, float]:
    sizes = [len(deed) - len(body) for body, deed in made]
    revisions = shape.read(made[0][1]).file.revisions
    parts = {f"revision {n}": r.end - r.start for n, r in enumerate(revisions) if n}
    return {
        "median": statistics.median(sizes),
        "worst": max(sizes),
        "body, median": statistics.median(len(b) for b, _ in made),
        **parts,
    }


def flips(deed: bytes, trust: Trust, count: int) -> tuple[int, int]:
    """Every bit of the last container, and `count` bits anywhere -> (tried, accepted) by our own rules."""
    first, second_ = shape.read(deed).stamps[-1].ranges[1:3]
    dice = random.Random(7)
    places = [(at, bit) for at in range(first, second_) for bit in range(8)]
    places += [(dice.randrange(len(deed)), dice.randrange(8)) for _ in range(count)]
    accepted = 0
    for at, bit in places:
        changed = bytearray(deed)
        changed[at] ^= 1 << bit
        accepted += examine(bytes(changed), trust).verdict != "invalid"
    return len(places), accepted


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deeds", type=int, default=200)
    parser.add_argument("--alone", action="store_true", help="without stock")
    parser.add_argument("--algorithm", choices=KINDS, default="p-256", help="of every key that signs")
    parser.add_argument(
        "--flips", type=int, metavar="N", help="only this: flip single bits of one deed, N beside the last container's"
    )
    args = parser.parse_args()
    if args.flips is not None:
        _, made, trust = issue(1)
        tried, accepted = flips(made[0][1], trust, args.flips)
        print(
            f"{tried} single bits flipped, every one of the last container and {args.flips} anywhere: {accepted} accepted"
        )
        return 0
    stock = None if args.alone else Stock()
    figures, made, trust = issue(args.deeds, stock, KINDS[args.algorithm])
    cores = len(os.sched_getaffinity(0))
    print(
        f"{args.deeds} deeds, warm after {WARM}, Python {platform.python_version()}, {cores} cores, load {os.getloadavg()[0]:.1f}"
    )
    _print("issue, ms a deed (CPU of this process; TSA and OCSP in process on the same key sizes)", figures)
    if stock:
        _print(
            f"stock WeasyPrint and pyHanko, ms a deed ({len(stock.made)} deeds, in turns)", theirs := stock.figures()
        )
        for kind in ("cpu", "wall"):
            print(
                f"\nwhole, stock against ours, medians of {kind}: {theirs['whole'][kind] / figures['whole'][kind]:.2f}"
            )
    _print("verify, ms a deed (CPU of this process, warm)", found := verifying(made, trust))
    share = found["our rules"]["cpu"] / found["pyHanko, both signatures"]["cpu"]
    bare = found["our rules without reading the pages"]["cpu"] / found["pyHanko, both signatures"]["cpu"]
    print(
        f"\nour rules against pyHanko's validation of both signatures, medians of CPU: {share:.2f}; without pages {bare:.2f}"
    )
    print("\nbytes that signing adds over the body (length of deed minus length of body)")
    for name, value in overhead(made).items():
        print(f"  {name:20} {value:10.0f}")
    return 0


def _print(title: str, rows: dict[str, dict[str, float]]) -> None:
    print(f"\n{title}")
    for name, row in rows.items():
        print(f"  {name:55}" + "  ".join(f"{k} {v:.2f}" for k, v in row.items()))


TIMES: dict[bytes, datetime] = {}

if __name__ == "__main__":
    sys.exit(main())
