"""The numbered steps of a verification, each one rule or a few that belong together.

A step returns a detail, None where there was nothing to do, or raises Refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from cryptography import x509
from cryptography.x509.oid import NameOID

from signing import evidence, foreign, shape, signatures
from signing.case import Case, attribute, utc
from signing.pdfvalue import BadPdf, Stream
from signing.shape import Shape
from signing.trust import Trust
from signing.verdict import Refused
from signing.wording import NOTICE

LARGEST = 30_000_000
HEADER = re.compile(rb"%PDF-(?:1\.[4-7]|2\.0)(?=[\r\n])")
FORMATS = ("yuanzheng-facts/1", NOTICE)
NOTICES = {kind: kind for kind in ("correction", "revocation")}
LONGEST_ISSUE = timedelta(days=31)
"""Between the notary's stamp and the first document stamp: far more than any recovery takes. ours"""


def file(case: Case) -> str:
    if HEADER.match(case.data) is None or len(case.data) > LARGEST:
        raise Refused("file.not-pdf")
    return f"{len(case.data)} bytes"


def the_shape(case: Case) -> str:
    case.shape, case.ours = _shape(case.data)
    case.pool = evidence.certificates(raw for kept in case.shape.kept for raw in kept.certs)
    own = tuple(c for c in case.pool if c.issuer == c.subject)
    # without a given root the file's own, so that the arithmetic is checked all the same
    case.roots = case.trust or Trust(own, own)
    return f"{len(case.shape.file.revisions)} revisions, {2 + len(case.shape.stamps)} signatures"


def _shape(data: bytes) -> tuple[Shape, bool]:
    """Our own layout first; another's only where another program laid out what the notary signed."""
    try:
        found = shape.read(data)
    except Refused as strict:
        found = foreign.read(data, strict.why)
        if _ours(found):
            raise strict from None
    return found, _ours(found)


def _ours(one: Shape) -> bool:
    return shape.written_here(one.file) and foreign.is_format(one.file, one.certified)


def changes(case: Case) -> str:
    """Our own layout binds for our own bodies; what is asked of every deed is asked of the others."""
    try:
        if case.shape.remark is None:
            shape.check_changes(case.shape)
    except Refused as strict:
        if case.ours:
            raise
        case.shape = foreign.read(case.data, strict.why)
    if case.shape.remark is not None:
        foreign.check_changes(case.shape)
        case.remarks.append(case.shape.remark)
    return "nothing that a reader could see"


def times(case: Case) -> str:
    if case.times != sorted(case.times):
        raise Refused("stamp.order")
    if case.times[2] - case.times[0] > LONGEST_ISSUE:
        # what a stripped and renewed stamp looks like
        raise Refused("stamp.order")
    return ", ".join(map(utc, case.times))


def the_facts(case: Case) -> str:
    from signing.facts import BadFacts, load_json

    if not foreign.is_format(case.shape.file, case.shape.certified) and not _carries_facts(case.shape):
        # another office's document names nobody in our format: then those who signed speak for it
        case.remark("layout.facts")
        case.found = {"office": _named(case.leaves[1])}
        return "none of our format"
    try:
        facts = load_json(attached(case.shape, b"facts.json"))
        named = facts["notary"]["name"], facts["office"]["name"]
        found = {"test": facts["test"] is True, "office": named[1]}
        found |= {k: str(facts[k]) for k in ("number", "issued_on")}
        found |= {"kind": "deed"}
        if facts.get("format") == NOTICE:
            found |= {"kind": NOTICES[facts["kind"]], "concerns": str(facts["concerns"]["number"])}
    except (BadFacts, BadPdf, KeyError, TypeError, AttributeError, IndexError, RecursionError) as wrong:
        raise Refused("facts.missing", why=str(wrong)) from None
    subjects = [leaf.subject for leaf in case.leaves]
    agree = all(n in attribute(s, NameOID.COMMON_NAME) for n, s in zip(named, subjects, strict=True))
    agree = agree and attribute(subjects[0], NameOID.ORGANIZATION_NAME) == named[1]
    ident = facts["notary"].get("id")
    if not agree or (ident is not None and attribute(subjects[0], NameOID.SERIAL_NUMBER) != ident):
        raise Refused("facts.signer")
    case.facts, case.found = facts, found
    return str(found["number"])


def _carries_facts(one: Shape) -> bool:
    from signing.facts import BadFacts, load_json

    try:
        return load_json(attached(one, b"facts.json")).get("format") in FORMATS
    except (BadFacts, BadPdf, KeyError, TypeError, AttributeError, IndexError, ValueError):
        return False


def _named(leaf: x509.Certificate) -> str:
    return attribute(leaf.subject, NameOID.ORGANIZATION_NAME) or attribute(leaf.subject, NameOID.COMMON_NAME)


def attached(one: Shape, name: bytes) -> bytes:
    """A file that the sealed revision carries, by its name. KeyError, BadPdf."""
    pdf, specs = one.file, foreign.attachments(one.file, one.sealed)
    found = pdf.get(pdf.get(pdf.get(specs[name], one.sealed)["EF"], one.sealed)["F"], one.sealed)
    if not isinstance(found, Stream):
        raise KeyError(name.decode())
    return found.inflated()


def pages(case: Case) -> str | None:
    """Only of a file whose signatures are trusted: the reader of pages is no parser for hostile bytes. And only of our
    own format: in which order another's pages say what the facts say, nobody told us."""
    try:
        import pypdfium2  # noqa: F401
    except ImportError:
        return None
    if case.trust is None or not foreign.is_format(case.shape.file, case.shape.certified):
        return None
    from signing.lint import page_problems

    problems = page_problems(case.data, case.facts)
    if problems:
        raise Refused("facts.disagree", why=problems[0])
    return "word by word"


def the_bundle(case: Case) -> str | None:
    if case.bundle is None:
        return None
    from signing.bundle import check

    return check(case.bundle, case.data, case.facts)


ACTS: tuple[Callable[[Case], str | None], ...] = (
    file,
    the_shape,
    changes,
    signatures.document_stamps,
    signatures.notary,
    signatures.office,
    times,
    the_facts,
    pages,
    the_bundle,
)
