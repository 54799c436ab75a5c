"""The verbs of `python -m signing` that handle keys. Each says in one line what it did; 1: refused, in words."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
    name: _refusing(act) for name, act in {"request": _request, "issue": _issue, "install": _install}.items()
}
