"""The verbs of `python -m signing` that handle keys. Each says in one line what it did; 1: refused, in words."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

REASONS = ("key-compromise", "superseded", "cessation", "affiliation-changed")
FOR = ("notary", "seal", "tsu", "status")


def add(verbs: Any) -> None:
    """Adds the verbs to the command line's parser. Nothing heavy is imported before one of them is chosen."""
    r = _verb(verbs, "request", "make a key where it stays, and a request for its certificate (PKCS#10)")
    _whose(r)
    r.add_argument("--name", help="the notary's name, as it stands in his deeds")
    r.add_argument("--algorithm", choices=("p-256", "rsa-3072"), default="p-256")
    r.add_argument("--module", metavar="URI", help="pkcs11:…: make it in this module instead of a file")
    r.add_argument("out", type=Path, metavar="OUT.csr")
    i = _verb(verbs, "issue", "answer a request by the office's own issuing authority")
    i.add_argument("--for", dest="role", choices=FOR, required=True)
    i.add_argument("--from", dest="begins", type=_day, metavar="DAY", help="first day, e.g. 2027-01-15; else at once")
    i.add_argument("request", type=Path, metavar="IN.csr")
    i.add_argument("out", type=Path, metavar="OUT.pem")
    n = _verb(verbs, "install", "lay a chain beside the key that asked for it, after a look at both")
    _whose(n)
    n.add_argument("chain", type=Path, metavar="CHAIN.pem")
    t = _verb(verbs, "rotate", "a new key by the office's own authority, to take over from the one that signs")
    _whose(t)
    t.add_argument("--from", dest="begins", type=_day, metavar="DAY", help="when it takes over; else at once")
    t.add_argument("--algorithm", choices=("p-256", "rsa-3072"), default="p-256")
    t.add_argument("--module", metavar="URI", help="pkcs11:…: make it in this module instead of a file")
    e = _verb(verbs, "retire", "let the key go from which another has taken over")
    _whose(e)
    v = _verb(verbs, "revoke", "take a certificate back; what was signed before stays signed")
    _whose(v)
    v.add_argument("--serial", type=lambda t: int(t, 16), help="hexadecimal; else the key that signs now")
    v.add_argument("--reason", choices=tuple(REASONS), required=True)
    v.add_argument("--lost-since", type=_day, metavar="TIME", help="the key may have been another's since then")
    _verb(verbs, "list", "the issuing authority's revocation list anew, for another year")
    b = _verb(verbs, "trust-bundle", "what the office knows today, signed, for who verifies offline")
    b.add_argument(
        "--log", action="append", default=[], metavar="VKEY", help="verifier keys: the log's, then its witnesses'"
    )
    b.add_argument("--out", type=Path, required=True, metavar="FILE")
    c = verbs.add_parser("ceremony", help="make an office's authority before witnesses, with a transcript")
    c.add_argument("folder", type=Path, metavar="FOLDER", help="root/, shares/ and keys/ are made in it")
    c.add_argument("--office", required=True, metavar="NAME")
    c.add_argument(
        "--base-url", required=True, metavar="URL", help="where OCSP and lists will be, e.g. https://notary.example/pki"
    )
    c.add_argument("--custodian", action="append", required=True, metavar="NAME", help="one share each; five are usual")
    c.add_argument("--needed", type=int, default=3, metavar="K", help="how many of them open the root; 3 unless said")
    c.add_argument("--algorithm", choices=("p-256", "rsa-3072"), default="p-256", help="of the keys that sign")
    c.add_argument("--rehearsal", action="store_true", help="every certificate says TEST")
    c.add_argument("--passphrase-file", type=Path, help="of the office's keys; else the variable KEYS_PASSPHRASE")
    o = verbs.add_parser("root", help="use the root by its custodians' shares")
    o.add_argument("act", choices=("list", "issuing"), help="list: next year's; issuing: another issuing authority")
    o.add_argument("--root", type=Path, required=True, metavar="DIR", help="the root's folder")
    o.add_argument("--share", action="append", type=Path, metavar="FILE", help="else shares are typed, one a line")
    o.add_argument("--revoke", type=lambda t: int(t, 16), metavar="SERIAL", help="of an authority; hexadecimal")
    o.add_argument("--passphrase-file", type=Path, help="of the office's keys; else the variable KEYS_PASSPHRASE")


def _verb(verbs: Any, name: str, says: str) -> Any:
    made = verbs.add_parser(name, help=says, description=says)
    made.add_argument("--keys", type=Path, required=True, metavar="DIR", help="the office's keys")
    made.add_argument("--passphrase-file", type=Path, help="else the variable KEYS_PASSPHRASE")
    return made


def _whose(verb: Any) -> None:
    verb.add_argument("--for", dest="role", choices=FOR, required=True)
    verb.add_argument("--notary", metavar="ID", help="the notary's id, with --for notary")


def _day(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def passphrase(args: Any, variable: str = "KEYS_PASSPHRASE") -> bytes:
    if args.passphrase_file:
        raw: bytes = args.passphrase_file.read_bytes()
        return raw.strip()
    return os.environ.pop(variable, "").encode()


def _place(args: Any) -> Any:
    from signing.places import place
    from signing.profile import ROLES

    return place(args.keys, ROLES[args.role], args.notary)


def _roots(args: Any) -> Any:
    from cryptography import x509

    return tuple(x509.load_pem_x509_certificates((args.keys / "trust.pem").read_bytes()))


def _request(args: Any) -> int:
    from signing import kinds, profile, request
    from signing.keyfile import write_whole

    where, root = _place(args), _roots(args)[0]
    if (args.role == "notary") != bool(args.name):
        return _no("--name goes with --for notary, and only with it")
    subject = profile.subject(root, where.role, args.name, args.notary)
    made = request.ask(where, passphrase(args), subject, kind=kinds.KINDS[args.algorithm], module=args.module)
    write_whole(args.out, made, 0o644)
    print(f"{where.asked}: waits for the certificate that {args.out} asks for")
    return 0


def _issue(args: Any) -> int:
    from cryptography.hazmat.primitives import serialization as form

    from signing import request
    from signing.keyfile import write_whole
    from signing.profile import ROLES

    begins = args.begins or datetime.now(UTC)
    chain = request.issue(args.keys, passphrase(args), args.request.read_bytes(), ROLES[args.role], begins=begins)
    write_whole(args.out, b"".join(c.public_bytes(form.Encoding.PEM) for c in chain), 0o644)
    print(f"{args.out}: {said(chain[0])}")
    return 0


def _install(args: Any) -> int:
    from signing import request
    from signing.places import chain_in

    where = _place(args)
    path = request.install(where, passphrase(args), args.chain.read_bytes(), _roots(args))
    print(f"{path}: {said(chain_in(path)[0])}")
    return 0


def _rotate(args: Any) -> int:
    from signing import kinds, rotation
    from signing.places import chain_in

    now = datetime.now(UTC)
    kind = kinds.KINDS[args.algorithm]
    path = rotation.rotate(
        args.keys, passphrase(args), _place(args), begins=args.begins or now, now=now, kind=kind, module=args.module
    )
    print(f"{path}: {said(chain_in(path)[0])}")
    print("Start whoever uses it again before that day: seal, tsa or status.")
    return 0


def _retire(args: Any) -> int:
    from signing import rotation

    kept, module = rotation.retire(args.keys, _place(args), datetime.now(UTC))
    print(f"{kept}: the chain of the key that was retired")
    if module:
        print(f"destroy the key in its module: {module}")
    return 0


def _revoke(args: Any) -> int:
    from signing import keys
    from signing.places import chain_in

    serial = args.serial or chain_in(_place(args).path)[0].serial_number
    keys.revoke(args.keys, passphrase(args), serial, reason=args.reason, lost_since=args.lost_since)
    print(f"{args.keys / 'issuing.crl'}: serial {serial:x} is revoked, {args.reason}")
    return 0


def _list(args: Any) -> int:
    from signing import keys

    keys.renew_list(args.keys, passphrase(args), datetime.now(UTC))
    print(f"{args.keys / 'issuing.crl'}: good for another year")
    return 0


def _trust_bundle(args: Any) -> int:
    import hashlib

    from signing import keys, trustbundle
    from signing.evidence import Evidence
    from signing.keyfile import write_whole
    from signing.places import chain_in, places

    key = keys.load_attest(args.keys, passphrase(args))["trust-bundle"]
    signer, root = chain_in(args.keys / "attest" / "trust-bundle.pem")
    known = Evidence(crls=tuple((args.keys / f"{name}.crl").read_bytes() for name in ("root", "issuing")))
    held = [cert for where in places(args.keys) for path in where.held for cert in chain_in(path)[:-1]]
    made = trustbundle.make(root, signer, dict.fromkeys(held), known, args.log, key.sign, datetime.now(UTC))
    write_whole(args.out, made, 0o644)
    print(f"{args.out}: {len(made)} bytes, SHA-256 {hashlib.sha256(made).hexdigest()}")
    return 0


def _ceremony(args: Any) -> int:
    from signing import ceremony, kinds

    plan = ceremony.Plan(
        args.office, args.base_url.rstrip("/"), tuple(args.custodian), args.needed, kinds.KINDS[args.algorithm],
        args.rehearsal,
    )  # fmt: skip
    digest = ceremony.hold(args.folder, passphrase(args), plan)
    print((args.folder / "keys" / ceremony.TRANSCRIPT).read_text(), end="")
    print(f"SHA-256 of the transcript: {digest}")
    print(
        f"Now hand out {args.folder / 'shares'}, destroy what is left of it, and take {args.folder / 'root'} to a safe."
    )
    return 0


def _root(args: Any) -> int:
    from signing import ceremony, issued, shares

    texts = [path.read_text() for path in args.share] if args.share else sys.stdin.read().strip().split("\n")
    key, root = ceremony.open_root(args.root, map(shares.parse, texts))
    now = datetime.now(UTC)
    if args.revoke is not None:
        issued.revoke(args.root, args.revoke, now)
    if args.act == "issuing":
        made = ceremony.new_issuing(args.root, key, root, passphrase(args), now)
        print(f"{made}: carry it to the office")
    ceremony.new_list(args.root, key, root, now)
    print(f"{args.root / 'root.crl'}: carry it to the office")
    return 0


def said(cert: Any) -> str:
    """A certificate in one line."""
    from cryptography.hazmat.primitives import hashes

    days = f"{cert.not_valid_before_utc:%F} to {cert.not_valid_after_utc:%F}"
    return f"{cert.subject.rfc4514_string()}, {days}, SHA-256 {cert.fingerprint(hashes.SHA256()).hex()}"


def _no(words: object) -> int:
    print(words, file=sys.stderr)
    return 1


def _refusing(act: Callable[[Any], int]) -> Callable[[Any], int]:
    """Refusals are said in words, not as a trace. Damaged files are OSError or of the same families."""

    def run(args: Any) -> int:
        from signing.hsm import BadToken
        from signing.keyfile import BadKeyFile
        from signing.profile import BadCertificate
        from signing.request import BadRequest

        try:
            return act(args)
        except (BadToken, BadKeyFile, BadCertificate, BadRequest) as wrong:
            return _no(wrong)
        except FileExistsError as there:
            return _no(f"{there.filename or there}: {there.strerror or 'is there already'}")
        except KeyError as wrong:
            return _no(f"no such certificate was issued: {wrong}")
        except ValueError as wrong:
            return _no(wrong)

    return run


ACTS: dict[str, Callable[[Any], int]] = {
    name: _refusing(act)
    for name, act in {
        "request": _request,
        "issue": _issue,
        "install": _install,
        "rotate": _rotate,
        "retire": _retire,
        "revoke": _revoke,
        "list": _list,
        "trust-bundle": _trust_bundle,
        "ceremony": _ceremony,
        "root": _root,
    }.items()
}
