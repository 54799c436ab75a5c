"""Whether a file is a deed of a trusted office, unchanged: numbered steps, one verdict, never an exception.

`verify` runs the steps in a child process with limits on time and memory, because a crafted file may stall or
blow up a parser. `examine` is the same in this process, for tests and for whoever brings his own limits.
Sources: ISO 32000-2 12.8; ETSI EN 319 102-1 and 319 142-1; RFC 3161, 5280, 5652.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization as form
from cryptography.x509.oid import NameOID

from signing.keys import DOCUMENT_SIGNING, NOTARY, OFFICE, policies
from signing.verdict import STEPS, Outcome, Reason, Refused, Signature, Step, Verdict, Word, sentence

LARGEST = 30_000_000
SECONDS, MEMORY = 20, 1 << 30
"""Limits of the child: CPU seconds and address space in bytes."""


class BadTrust(ValueError):
    """The given roots are no certificates."""


@dataclass(frozen=True)
class Trust:
    """`signers`: roots for notary and office. `stamps`: roots for time stamps."""

    signers: tuple[x509.Certificate, ...]
    stamps: tuple[x509.Certificate, ...]

    @classmethod
    def from_pem(cls, pem: bytes) -> Trust:
        """The first certificate is the root for signers; all of them may vouch for time stamps.

        So an outside time-stamp authority's root can stand in the file and still make no notary.
        """
        try:
            found = x509.load_pem_x509_certificates(pem)
        except ValueError:
            raise BadTrust("no certificate in PEM form") from None
        return cls(signers=(found[0],), stamps=tuple(found))

    def pem(self) -> bytes:
        first = list(self.signers)
        return b"".join(c.public_bytes(form.Encoding.PEM) for c in first + [s for s in self.stamps if s not in first])


@dataclass
class _Case:
    """What the steps learn from each other."""

    data: bytes
    trust: Trust | None
    now: datetime
    bundle: bytes | None
    reader: Any = None
    signed: list[Any] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)
    signers: list[Signature] = field(default_factory=list)
    leaves: list[x509.Certificate] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    roots: Trust | None = None


def verify(
    data: bytes, trust: Trust | None = None, *, bundle: bytes | None = None, now: datetime | None = None
) -> Verdict:
    """The verdict on one file, by the file alone. `trust` None: never valid, only not invalid.

    `bundle`: the evidence zip that came with it. `now`: aware, for tests. Costs about a second, most of it
    the start of the child.
    """
    now = now or datetime.now(UTC)
    if len(data) > LARGEST:
        return _broken(data, now, Reason("file.size", "文件过大", "larger than any deed"))
    call = {
        "trust": trust.pem().decode() if trust else None,
        "now": now.isoformat(),
        "data": base64.b64encode(data).decode(),
        "bundle": base64.b64encode(bundle).decode() if bundle is not None else None,
    }
    room = str(Path(__file__).parents[1])
    try:
        child = subprocess.run(
            [sys.executable, "-s", "-m", "signing", "examine"],
            input=json.dumps(call).encode(),
            capture_output=True,
            timeout=SECONDS * 3,
            env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": room, "PYTHONIOENCODING": "utf-8"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _broken(data, now, _LIMITS)
    except OSError as wrong:
        return _broken(
            data,
            now,
            Reason("verifier.failed", "核验程序未能运行", f"the verifier did not run: {wrong.strerror}"),
            "unknown",
        )
    if child.returncode != 0:
        return _broken(data, now, _LIMITS)
    from signing.verdict import from_json

    return from_json(json.loads(child.stdout))


_LIMITS = Reason(
    "file.limits", "文件无法在限定的时间和内存内读完", "it cannot be read within limits of time and memory"
)


def child_main() -> int:
    """The child's side of `verify`: limits first, then read the call from stdin, answer on stdout."""
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    call = json.loads(sys.stdin.buffer.read())
    trust = Trust.from_pem(call["trust"].encode()) if call["trust"] else None
    bundle = base64.b64decode(call["bundle"]) if call["bundle"] is not None else None
    out = examine(base64.b64decode(call["data"]), trust, bundle=bundle, now=datetime.fromisoformat(call["now"]))
    sys.stdout.write(json.dumps(out.json(), ensure_ascii=False))
    return 0


def examine(
    data: bytes, trust: Trust | None = None, *, bundle: bytes | None = None, now: datetime | None = None
) -> Verdict:
    """All steps in this process. Raises nothing but MemoryError and what kills a process."""
    case = _Case(data, trust, now or datetime.now(UTC), bundle)
    steps: list[Step] = []
    reason: Reason | None = None
    word: Word = "valid"
    for no, (name, act) in enumerate(zip(STEPS, _ACTS, strict=True), 1):
        if reason is not None and word == "invalid":
            steps.append(Step(no, name, "not done"))
            continue
        outcome: Outcome
        try:
            detail = act(case)
            outcome = "not done" if detail is None else "passed"
        except Refused as refused:
            outcome = "cannot tell" if refused.cannot_tell else "failed"
            word = "unknown" if refused.cannot_tell else "invalid"
            reason, detail = refused.reason, refused.reason.en
        except MemoryError:
            raise
        except Exception as wrong:  # noqa: BLE001 - parsers of hostile bytes may raise anything at all
            outcome, word = "failed", "invalid"
            reason = Reason("file.unreadable", "文件损坏或不是公证书", "damaged, or not a deed")
            detail = type(wrong).__name__
        steps.append(Step(no, name, outcome, detail or ""))
    if word == "valid" and trust is None:
        word = "unknown"
        reason = Reason(
            "trust.not-given",
            "文件未被改动，但没有给出用来核对签发机构的根证书",
            "the file is unchanged, but no root certificate was given to tell who made it",
        )
    return Verdict(
        verdict=word,
        sentence=sentence(word, reason, case.found),
        reasons=(reason,) if reason else (),
        steps=tuple(steps),
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        checked_at=_utc(case.now),
        signers=tuple(case.signers) if word != "invalid" else (),
        stamped_at=_utc(case.times[0]) if case.times and word != "invalid" else None,
        **(case.found if word != "invalid" else {}),
    )


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _broken(data: bytes, now: datetime, reason: Reason, word: Word = "invalid") -> Verdict:
    steps = tuple(Step(no, name, "not done") for no, name in enumerate(STEPS, 1))
    return Verdict(
        verdict=word,
        sentence=sentence(word, reason, {}),
        reasons=(reason,),
        steps=steps,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        checked_at=_utc(now),
    )


# ---- the steps: each returns a detail, None where there was nothing to do, or raises Refused


def _file(case: _Case) -> str:
    if not case.data.startswith(b"%PDF-1.7") or len(case.data) > LARGEST:
        raise Refused("file.not-pdf", "不是公证书文件", "not a PDF as offices issue it")
    return f"{len(case.data)} bytes"


def _shape(case: _Case) -> str:
    from signing import shape

    case.reader, case.signed = shape.read(case.data)
    case.roots = case.trust or _embedded_roots(case.signed)
    return f"{shape.REVISIONS} revisions, {len(case.signed)} signatures"


def _embedded_roots(signed: Sequence[Any]) -> Trust:
    """Without a given root: the file's own, so that the arithmetic is checked all the same."""
    roots: dict[bytes, x509.Certificate] = {}
    for one in signed:
        for cert in one.embedded.signed_data["certificates"]:
            if cert.chosen.self_issued:
                roots[cert.chosen.dump()] = x509.load_der_x509_certificate(cert.chosen.dump())
    return Trust(tuple(roots.values()), tuple(roots.values()))


def _changes(case: _Case) -> str:
    from signing import shape

    shape.check_last_revision(case.reader)
    return "nothing that a reader could see"


def _document_stamp(case: _Case) -> str:
    from signing import stamp

    one = case.signed[2]
    digest = hashlib.sha256(one.covered(case.data)).digest()
    token = _token(case, one.der, digest, "document stamp")
    extra = {c.chosen.dump() for c in one.embedded.signed_data["certificates"]} - token.path
    if extra:
        # nothing signs this list, so nothing may stand in it that is not needed
        raise Refused("stamp.extra", "时间戳中夹带了别的证书", "the document stamp carries other certificates")
    assert isinstance(token, stamp.Token)
    case.times.append(token.time)
    return _utc(token.time)


def _token(case: _Case, der: bytes, digest: bytes, what: str) -> Any:
    from signing import stamp

    assert case.roots is not None
    try:
        return stamp.check(der, digest, case.roots.stamps, case.now, near=False)
    except stamp.BadToken as wrong:
        if str(wrong).startswith("chain") or "no root" in str(wrong):
            raise Refused(
                "trust.stamp",
                "时间戳不是由受信任的机构签发",
                f"the {what} is not from a trusted authority ({wrong})",
            ) from None
        raise Refused("stamp.wrong", "时间戳不成立", f"the {what} does not hold ({wrong})") from None


def _notary(case: _Case) -> str:
    return _signature(case, 0, NOTARY, "notary", "公证员签名")


def _office(case: _Case) -> str:
    detail = _signature(case, 1, OFFICE, "office", "公证处印章")
    if case.leaves[0].public_key() == case.leaves[1].public_key():
        raise Refused("role.same", "签名和印章出自同一密钥", "one key made both signatures")
    return detail


def _signature(case: _Case, index: int, role: str, plain: Any, zh: str) -> str:
    """Arithmetic and differences by pyHanko, the time stamp by us, the role by the certificate's policy."""
    from asn1crypto import x509 as asn1_x509
    from pyhanko.sign.validation import async_validate_pdf_signature
    from pyhanko.sign.validation.settings import KeyUsageConstraints
    from pyhanko_certvalidator import ValidationContext

    one = case.signed[index]
    assert case.roots is not None
    attr = next(a for a in one.embedded.signer_info["unsigned_attrs"])
    if len(attr["values"]) != 1:
        raise Refused("stamp.wrong", "时间戳不成立", f"the {plain}'s signature has not one time stamp")
    value = one.embedded.signer_info["signature"].native
    token = _token(case, attr["values"][0].dump(), hashlib.sha256(value).digest(), f"{plain}'s time stamp")

    def context(roots: Sequence[x509.Certificate], at: datetime) -> Any:
        return ValidationContext(
            trust_roots=[asn1_x509.Certificate.load(r.public_bytes(form.Encoding.DER)) for r in roots],
            moment=at,
            allow_fetching=False,
            revocation_mode="soft-fail",
            weak_hash_algos={"md2", "md5", "sha1"},
        )

    status = asyncio.run(
        async_validate_pdf_signature(
            one.embedded,
            signer_validation_context=context(case.roots.signers, token.time),
            ts_validation_context=context(case.roots.stamps, token.time),
            key_usage_settings=KeyUsageConstraints(key_usage={"non_repudiation"}),
        )
    )
    if not status.intact or not status.valid:
        raise Refused("signature.wrong", f"{zh}不成立，文件被改动", f"the {plain}'s signature does not hold")
    if not status.trusted:
        raise Refused(
            "trust.foreign",
            f"{zh}不是由所信任的机构签发",
            f"the {plain}'s certificate does not come from the trusted root",
        )
    if not status.docmdp_ok or status.modification_level is None:
        raise Refused("changes.forbidden", "签名之后文件被改动", f"changed after the {plain} signed")
    if status.md_algorithm != "sha256":
        raise Refused("signature.weak", f"{zh}所用算法不被接受", f"the {plain} signed over another digest")
    leaf = x509.load_der_x509_certificate(one.embedded.signer_cert.dump())
    _check_role(leaf, role, plain, zh)
    case.leaves.append(leaf)
    case.times.insert(index, token.time)
    case.signers.append(
        Signature(
            plain,
            _attribute(leaf.subject, NameOID.COMMON_NAME),
            _attribute(leaf.issuer, NameOID.COMMON_NAME),
            hashlib.sha256(leaf.public_bytes(form.Encoding.DER)).hexdigest(),
            _utc(token.time),
        )
    )
    return f"{case.signers[-1].name}, {_utc(token.time)}"


def _check_role(leaf: x509.Certificate, role: str, plain: str, zh: str) -> None:
    try:
        uses = set(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        uses = set()
    if policies(leaf) != {role} or DOCUMENT_SIGNING not in uses:
        raise Refused("role.other", f"{zh}的证书不是为此签发的", f"the certificate is not one of a {plain}")


def _attribute(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    found = name.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""


def _times(case: _Case) -> str:
    notary, office, last = case.times
    if not notary <= office <= last:
        raise Refused("stamp.order", "时间戳的先后不对", "the time stamps are out of order")
    if last - notary > timedelta(days=31):
        # a month is far more than any recovery takes; a stripped and renewed stamp looks like this
        raise Refused("stamp.order", "时间戳相隔过久", "the time stamps lie too far apart")
    return f"{_utc(notary)}, {_utc(office)}, {_utc(last)}"


def _facts(case: _Case) -> str:
    from signing.body import BadBody, inside
    from signing.lint import page_problems

    sealed = case.data[: case.signed[1].end]
    try:
        within = inside(sealed)
    except BadBody as wrong:
        raise Refused("facts.missing", "文件中没有可读的公证事实", f"no readable facts inside ({wrong})") from None
    facts = within.facts
    wrong_names = []
    for leaf, name in zip(case.leaves, (facts["notary"]["name"], facts["office"]["name"]), strict=True):
        if name not in _attribute(leaf.subject, NameOID.COMMON_NAME):
            wrong_names.append(name)
    if _attribute(case.leaves[0].subject, NameOID.ORGANIZATION_NAME) != facts["office"]["name"]:
        wrong_names.append(facts["office"]["name"])
    serial = _attribute(case.leaves[0].subject, NameOID.SERIAL_NUMBER)
    if wrong_names or ("id" in facts["notary"] and serial != facts["notary"]["id"]):
        raise Refused(
            "facts.signer", "签名人与文件所载不一致", "those who signed are not those whom the document names"
        )
    problems = page_problems(case.data, facts)
    if problems:
        raise Refused("facts.disagree", "页面文字与所附事实不一致", f"pages and facts differ ({problems[0]})")
    case.found = {
        "test": facts["test"],
        "number": facts["number"],
        "office": facts["office"]["name"],
        "issued_on": facts["issued_on"],
    }
    return str(facts["number"])


def _bundle(case: _Case) -> str | None:
    if case.bundle is None:
        return None
    from signing.body import inside
    from signing.bundle import check

    return check(case.bundle, case.data, inside(case.data).facts)


_ACTS: tuple[Callable[[_Case], str | None], ...] = (
    _file,
    _shape,
    _changes,
    _document_stamp,
    _notary,
    _office,
    _times,
    _facts,
    _bundle,
)
