"""Long-term data and document stamp of a deed, and their yearly renewal (ETSI EN 319 142-1 5.4, 5.5)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign import signers

from signing import cms, shape
from signing.body import BadBody
from signing.evidence import Evidence, certificates
from signing.hanko import Stamps, Writer
from signing.path import BadPath, Path, build
from signing.stamp import NoStamp, Stamper
from signing.status import Status
from signing.verdict import Refused

UNITS = 3
"""So many stamp units may take over from each other while one deed is stamped."""
NO_NEWS = Evidence()


def renew(deed: bytes, roots: Sequence[x509.Certificate], stamper: Stamper, status: Status) -> bytes:
    """The same deed with one more pair of long-term data and document time stamp, so that it outlives the last one.

    Today's word on both signers goes in as well, good or revoked: what they signed stays signed, and who reads the
    file later knows more. Verify it before and after; nothing is checked here. `roots`: those for time stamps. Raises BadBody (not a deed
    of ours), NoStamp, NoStatus, Revoked (the last stamp's unit was revoked: a matter for a person).
    """
    try:
        found = shape.read(deed)
        pool = certificates(raw for kept in found.kept for raw in kept.certs)
        last = cms.read(found.stamps[-1].der, cms.TST_INFO)
        unit = build(last.leaf, (*last.others, *pool), roots)
        signed = [cms.read(one.der, cms.DATA) for one in (found.notary, found.office)]
        above = {c.subject: c for c in pool}
        news = status.news([(one.leaf, above[one.leaf.issuer]) for one in signed])
        return long_term(deed, [unit], stamper, status, shape.stamp_field(len(found.stamps)), news)
    except (PdfError, Refused, cms.BadContainer, BadPath, KeyError) as wrong:
        raise BadBody(str(wrong)[:200]) from None


def long_term(
    pdf: bytes, paths: list[Path], stamper: Stamper, status: Status, field: str, news: Evidence = NO_NEWS
) -> bytes:
    """One revision with the status of every chain and a stamp over all of it.

    The stamp's own unit must be among the chains; when another one takes over, it is all done again with it.
    """
    for _ in range(UNITS):
        known = {path[0] for path in paths}
        stamps = Stamps(stamper)
        writer = Writer(io.BytesIO(pdf))
        first = stamps.measured()
        if first.signer not in known:
            paths = [*paths, first.path]
            known.add(first.signer)
        write_dss(writer, status.gather(paths).with_(news))
        out = signers.PdfTimeStamper(stamps, field_name=field).timestamp_pdf(
            writer, "sha256", tight_size_estimates=True
        )
        last = stamps.given[-1]
        if last.signer in known:
            data: bytes = out.getvalue()
            return data
        paths = [*paths, last.path]
    raise NoStamp("the time-stamp authorities take over from each other all the time")


def write_dss(writer: Any, kept: Evidence) -> None:
    """ISO 32000-2 12.8.4.3, without VRI; what stands there already is not written again."""
    if "/DSS" in writer.root:
        dss = writer.root["/DSS"]
        writer.mark_update(writer.root.raw_get("/DSS"))
    else:
        dss = generic.DictionaryObject()
        writer.root[generic.pdf_name("/DSS")] = writer.add_object(dss)
        writer.update_root()
    for name, items in (("/Certs", kept.certs), ("/OCSPs", kept.ocsps), ("/CRLs", kept.crls)):
        held = dss.setdefault(generic.pdf_name(name), generic.ArrayObject()) if items else []
        before = {one.get_object().data for one in held}
        for raw in items:
            if raw not in before:
                held.append(writer.add_object(generic.StreamObject(stream_data=raw)))
