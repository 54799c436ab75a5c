"""python -m signing verify | sign | tsa | status | monitor | witness, and for keys
request | issue | install | rotate | retire | revoke | ceremony | root"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

from signing import keydesk

USAGE = 64


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(prog="python -m signing", description="Deeds: verify, sign for trying out, stamp.")
    verbs = parser.add_subparsers(dest="verb", required=True, parser_class=Parser)
    v = verbs.add_parser("verify", help="verdict on a file; exit 0 valid, 1 invalid, 2 cannot tell, 64 usage")
    v.add_argument("file", type=Path)
    v.add_argument("--trust", type=Path, metavar="ROOT.pem", help="first certificate: root of the office")
    v.add_argument("--bundle", type=Path, metavar="B", help="evidence zip that came with the deed")
    v.add_argument("--trust-bundle", type=Path, metavar="FILE", help="what the office knew on a later day")
    v.add_argument("--newer-than", type=Path, metavar="FILE", help="a trust bundle of before: an older one is refused")
    v.add_argument("--json", action="store_true")
    s = verbs.add_parser("sign", help="facts in, deed out, with a throw-away authority")
    s.add_argument("facts", type=Path, metavar="IN.json")
    s.add_argument("out", type=Path, metavar="OUT.pdf")
    s.add_argument("--count", type=int, metavar="N", help="N deeds with numbers, names and text of their own")
    s.add_argument("--algorithm", choices=("p-256", "rsa-3072"), default="p-256", help="of every key that signs")
    t = verbs.add_parser("tsa", help="test time-stamp authority on loopback")
    t.add_argument("--keys", type=Path, required=True, metavar="DIR", help="holds tsu.pem and nothing else")
    t.add_argument("--port", type=int, required=True, help="0 takes a free one")
    t.add_argument("--passphrase-file", type=Path, help="else the variable TSA_PASSPHRASE")
    m = verbs.add_parser("monitor", help="look at a public log; exit 0 good, 1 faults, one a line")
    m.add_argument(
        "log", metavar="URL|FOLDER", help="where the log's checkpoint stands, e.g. https://notary.example/log"
    )
    m.add_argument("--key", required=True, metavar="VKEY", help="the log's verifier key")
    m.add_argument(
        "--state", type=Path, required=True, metavar="FILE", help="what was seen last; made by the first look"
    )
    m.add_argument("--witness", action="append", default=[], metavar="VKEY")
    m.add_argument("--quorum", type=int, default=0, metavar="K", help="how many of the witnesses must have signed")
    w = verbs.add_parser("witness", help="cosign checkpoints that continue what was seen before")
    w.add_argument("--name", required=True, help="the witness's name, e.g. its domain")
    w.add_argument("--key", type=Path, required=True, metavar="FILE", help="32 bytes in hex; made when it is not there")
    w.add_argument("--log", action="append", required=True, metavar="VKEY", help="a log that it witnesses")
    w.add_argument("--state", type=Path, required=True, metavar="DIR")
    w.add_argument("--port", type=int, required=True, help="0 takes a free one")
    r = verbs.add_parser("status", help="test status service (OCSP and lists) on loopback")
    r.add_argument("--keys", type=Path, required=True, metavar="DIR", help="holds ocsp.pem and nothing else")
    r.add_argument(
        "--authority", type=Path, required=True, metavar="DIR", help="certificates.json, root.crl, issuing.crl"
    )
    r.add_argument("--port", type=int, required=True, help="0 takes a free one")
    r.add_argument("--passphrase-file", type=Path, help="else the variable STATUS_PASSPHRASE")
    verbs.add_parser("second")  # the child's side of verify
    keydesk.add(verbs)
    args = parser.parse_args(argv)
    try:
        return (ACTS | keydesk.ACTS)[args.verb](args)
    except OSError as wrong:
        print(f"{wrong.filename or ''}: {wrong.strerror or wrong}", file=sys.stderr)
        return USAGE


def _verify(args: Any) -> int:
    from signing.verify import BadTrust, Trust, verify

    data = args.file.read_bytes()
    bundle = args.bundle.read_bytes() if args.bundle else None
    try:
        trust = Trust.from_pem(args.trust.read_bytes()) if args.trust else None
    except BadTrust as wrong:
        print(f"{args.trust}: {wrong}", file=sys.stderr)
        return USAGE
    known = None
    if args.trust_bundle:
        from signing import trustbundle

        try:
            if trust is None:
                raise trustbundle.BadBundle("a trust bundle is believed by a root: give --trust too")
            now = datetime.now(UTC)
            before = trustbundle.read(args.newer_than.read_bytes(), trust, now) if args.newer_than else None
            known = trustbundle.read(
                args.trust_bundle.read_bytes(), trust, now, newer_than=before.made_at if before else None
            )
        except trustbundle.BadBundle as wrong:
            print(f"{args.trust_bundle}: {wrong}", file=sys.stderr)
            return USAGE
    verdict = verify(data, trust, bundle=bundle, known=known)
    if args.json:
        print(json.dumps(verdict.json(), ensure_ascii=False, indent=1))
        return verdict.exit_code
    print(verdict.sentence["zh"])
    print(verdict.sentence["en"])
    for remark in verdict.remarks:
        print(f"  {remark.zh} / {remark.en}")
    for step in verdict.steps:
        print(f"  {step.no}. {step.name}: {step.outcome}" + (f" ({step.detail})" if step.detail else ""))
    for one in verdict.signers:
        print(f"  {one.role}: {one.name}, {one.stamped_at}")
    if verdict.known_at:
        print(f"  certificates good as known on {verdict.known_at}; last document stamp {verdict.archived_at}")
    return verdict.exit_code


def _sign(args: Any) -> int:
    from signing.facts import BadFacts
    from signing.kinds import KINDS
    from signing.specimen import sign

    if args.count is not None and not 1 <= args.count <= 1_000_000:
        print("--count: between 1 and 1000000", file=sys.stderr)
        return USAGE
    try:
        sign(args.facts.read_bytes(), args.out, args.count, KINDS[args.algorithm])
    except BadFacts as wrong:
        for problem in wrong.problems:
            print(problem, file=sys.stderr)
        return 1
    return 0


def _tsa(args: Any) -> int:
    from signing.keyfile import BadKeyFile
    from signing.keys import load_stamp_units
    from signing.tsa import StampUnit, server

    try:
        turns = load_stamp_units(args.keys, keydesk.passphrase(args, "TSA_PASSPHRASE"))
    except BadKeyFile as wrong:
        print(wrong, file=sys.stderr)
        return 1
    return _serve(server(StampUnit(turns.signers[0], later=turns.signers[1:]), args.port))


def _status(args: Any) -> int:
    from signing.keyfile import BadKeyFile
    from signing.responder import load, server

    try:
        responder = load(args.keys, args.authority, keydesk.passphrase(args, "STATUS_PASSPHRASE"))
    except BadKeyFile as wrong:
        print(wrong, file=sys.stderr)
        return 1
    return _serve(server(responder, args.port))


def _serve(door: ThreadingHTTPServer) -> int:
    """Says its address on stdout, then answers until it is told to end."""
    with door:
        print(f"http://127.0.0.1:{door.server_address[1]}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            door.serve_forever()
    return 0


def _monitor(args: Any) -> int:
    from signing.monitor import Seen, look
    from signing.note import BadNote, Verifier

    try:
        known = [Verifier.parse(one) for one in (args.key, *args.witness)]
    except BadNote as wrong:
        print(wrong, file=sys.stderr)
        return USAGE
    seen = Seen.load(args.state)
    faults = look(seen, _fetcher(args.log), known, args.quorum, datetime.now(UTC))
    seen.save(args.state)
    for one in faults:
        print(f"{one.code}: {one.words}")
    if not faults:
        print(f"{known[0].name}: {seen.size} lines, all as they were")
    return 1 if faults else 0


def _fetcher(where: str) -> Any:
    """A folder, or a web server; whatever goes wrong is an OSError."""
    from urllib.request import urlopen

    from signing.tiles import in_folder

    if not where.startswith(("http://", "https://")):
        return in_folder(Path(where))

    def fetch(name: str) -> bytes:
        with urlopen(f"{where.rstrip('/')}/{name}", timeout=20) as answer:  # noqa: S310 (http and https only, as checked above)
            data: bytes = answer.read(1 << 25)
        return data

    return fetch


def _witness(args: Any) -> int:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from signing.keyfile import write_whole
    from signing.note import BadNote, Verifier
    from signing.witness import Witness, server

    if not args.key.exists():
        write_whole(args.key, Ed25519PrivateKey.generate().private_bytes_raw().hex().encode())
    try:
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(args.key.read_text().strip()))
        logs = {one.name: one for one in map(Verifier.parse, args.log)}
    except (BadNote, ValueError) as wrong:
        print(wrong, file=sys.stderr)
        return USAGE
    witness = Witness(args.name, key, logs, args.state)
    with server(witness, args.port) as door:
        print(f"http://127.0.0.1:{door.server_address[1]}  {witness.verifier}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            door.serve_forever()
    return 0


def _second(_args: Any) -> int:
    from signing.second import child_main

    return child_main()


ACTS = {
    "verify": _verify, "sign": _sign, "tsa": _tsa, "status": _status, "monitor": _monitor, "witness": _witness, "second": _second,
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
