"""Body in, deed out: PAdES B-LTA (ETSI EN 319 142-1 6.3; ISO 32000-2 12.8), and its yearly renewal.

One shape only, so that a verifier can insist on it:
  revision 0  the body as rendered
  revision 1  both signature fields, NotarySig and OfficeSeal, empty
  revision 2  the notary certifies (DocMDP P=2) with a signature time stamp
  revision 3  the office seals (approval; lock on everything, P=1) with a signature time stamp
  revision 4  long-term data: every certificate with the root, OCSP answers, revocation list; and in the same
              revision a document time stamp, DocumentStamp, which ends at the last byte
  revision 5, 6 ...  a renewal each: more long-term data and a stamp, DocumentStamp2, DocumentStamp3 ...
"""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Sequence
from typing import Any

from asn1crypto import cms as asn1_cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import serialization as form
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.content import RawContent
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.layout import AxisAlignment, BoxConstraints, Margins, SimpleBoxLayoutRule
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign import signers
from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.fields import append_signature_field as append_field
from pyhanko.sign.timestamps import TimeStamper
from pyhanko.stamp import StaticContentStamp, StaticStampStyle
from pyhanko_certvalidator.registry import SimpleCertificateStore

from signing import appearance, asn1_repair, cms, shape
from signing.body import BadBody, inside
from signing.evidence import Evidence, certificates
from signing.keys import Signer
from signing.path import BadPath, Path, build
from signing.shape import NOTARY_FIELD, OFFICE_FIELD, STAMP_FIELD
from signing.stamp import NoStamp, Stamper
from signing.status import Status
from signing.token import Token
from signing.verdict import Refused

asn1_repair.apply()
SPARE = 24
"""Bytes that a container may grow between measuring and signing: ECDSA values and serial numbers vary in length."""
UNITS = 3
"""So many stamp units may take over from each other while one deed is stamped."""
NO_NEWS = Evidence()
SEAL_FOOT = {True: "样例测试", False: "公证专用章"}


def seal(body: bytes, notary: Signer, office: Signer, stamper: Stamper, status: Status) -> bytes:
    """Signs, seals and stamps a body of `render.deed`.

    Lint it first: nothing is checked here but that facts and areas are inside. Raises BadBody, NoStamp, NoStatus,
    Revoked, OSError (a key's device). Takes no lock and leaves nothing behind: on any failure there is simply no
    deed.
    """
    within = inside(body)
    stamps = _Stamps(stamper)
    test = bool(within.facts["test"])
    notary_area, seal_area = within.areas["notary"], within.areas["seal"]
    try:
        out = _with_fields(body, within)
        out = _sign(
            out,
            notary,
            stamps,
            signers.PdfSignatureMetadata(
                field_name=NOTARY_FIELD,
                md_algorithm="sha256",
                subfilter=SigSeedSubFilter.PADES,
                tight_size_estimates=True,
                certify=True,
                docmdp_permissions=MDPPerm.FILL_FORMS,
                name=within.facts["notary"]["name"],
                reason=f"公证员签名 {within.facts['number']}",
            ),
            appearance.name_stamp(within.facts["notary"]["name"], notary_area.w, notary_area.h),
            notary_area,
        )
        out = _sign(
            out,
            office,
            stamps,
            signers.PdfSignatureMetadata(
                field_name=OFFICE_FIELD,
                md_algorithm="sha256",
                subfilter=SigSeedSubFilter.PADES,
                tight_size_estimates=True,
                docmdp_permissions=MDPPerm.NO_CHANGES,
                name=within.facts["office"]["name"],
                reason=f"公证处盖章 {within.facts['number']}",
            ),
            appearance.round_seal(within.facts["office"]["name"], SEAL_FOOT[test], seal_area.w),
            seal_area,
        )
        signed = [token.path for token in stamps.given]
        done = _long_term(out, [notary.chain, office.chain, *signed], stamper, status, STAMP_FIELD)
    except PdfError as wrong:
        raise BadBody(str(wrong)[:200]) from None
    return done


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
        return _long_term(deed, [unit], stamper, status, shape.stamp_field(len(found.stamps)), news)
    except (PdfError, Refused, cms.BadContainer, BadPath, KeyError) as wrong:
        raise BadBody(str(wrong)[:200]) from None


def _long_term(
    pdf: bytes, paths: list[Path], stamper: Stamper, status: Status, field: str, news: Evidence = NO_NEWS
) -> bytes:
    """One revision with the status of every chain and a stamp over all of it.

    The stamp's own unit must be among the chains; when another one takes over, it is all done again with it.
    """
    for _ in range(UNITS):
        known = {path[0] for path in paths}
        stamps = _Stamps(stamper)
        writer = _Writer(io.BytesIO(pdf))
        first = stamps.measured()
        if first.signer not in known:
            paths = [*paths, first.path]
            known.add(first.signer)
        _write_dss(writer, status.gather(paths).with_(news))
        out = signers.PdfTimeStamper(stamps, field_name=field).timestamp_pdf(
            writer, "sha256", tight_size_estimates=True
        )
        last = stamps.given[-1]
        if last.signer in known:
            data: bytes = out.getvalue()
            return data
        paths = [*paths, last.path]
    raise NoStamp("the time-stamp authorities take over from each other all the time")


def _write_dss(writer: Any, kept: Evidence) -> None:
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


def _with_fields(body: bytes, within: Any) -> bytes:
    writer = _Writer(io.BytesIO(body))
    for name, area, words, lock in (
        (NOTARY_FIELD, within.areas["notary"], f"公证员签名：{within.facts['notary']['name']}", None),
        (
            OFFICE_FIELD,
            within.areas["seal"],
            f"公证处印章：{within.facts['office']['name']}",
            MDPPerm.NO_CHANGES,
        ),
    ):
        append_field(
            writer,
            SigFieldSpec(
                sig_field_name=name,
                on_page=area.page,
                box=area.box(within.heights[area.page]),
                readable_field_name=words,
                field_mdp_spec=FieldMDPSpec(FieldMDPAction.ALL) if lock else None,
                doc_mdp_update_value=lock,
            ),
        )
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _sign(
    pdf: bytes,
    signer: Signer,
    stamps: TimeStamper,
    meta: signers.PdfSignatureMetadata,
    drawn: bytes,
    area: Any,
) -> bytes:
    # a style is stateful: reused for a second document, it drags the first one's resources in
    style = _Drawn(
        border_width=0,
        background=RawContent(drawn, box=BoxConstraints(width=area.w, height=area.h)),
        background_opacity=1.0,
        background_layout=SimpleBoxLayoutRule(
            x_align=AxisAlignment.ALIGN_MID, y_align=AxisAlignment.ALIGN_MID, margins=Margins.uniform(0)
        ),
    )
    writer = _Writer(io.BytesIO(pdf))
    out = signers.PdfSigner(meta, signer=_Key(signer), timestamper=stamps, stamp_style=style).sign_pdf(writer)
    data: bytes = out.getvalue()
    return data


class _Drawn(StaticStampStyle):  # type: ignore[misc] # pyHanko is not followed by mypy
    """Our drawing, compressed: outlines of a round seal are 10 KB plain."""

    def create_stamp(self, writer: Any, box: Any, _text_params: Any) -> Any:
        return _Compressed(writer=writer, style=self, box=box)


class _Compressed(StaticContentStamp):  # type: ignore[misc]
    def as_form_xobject(self) -> Any:
        drawn = super().as_form_xobject()
        drawn.compress()
        return drawn


class _Writer(IncrementalPdfFileWriter):  # type: ignore[misc] # pyHanko is not followed by mypy
    """Leaves title and XMP as rendered, so that a verifier may refuse every change to them."""

    def _update_meta(self) -> None:
        pass


class _Key(signers.Signer):  # type: ignore[misc] # pyHanko is not followed by mypy
    """Our Signer in pyHanko's clothes. SimpleSigner would parse the private key anew for every signature."""

    def __init__(self, signer: Signer) -> None:
        # without the root: it stands in the long-term data, and who trusts it has it
        leaf, *others = [asn1_x509.Certificate.load(c.public_bytes(form.Encoding.DER)) for c in signer.chain[:-1]]
        store = SimpleCertificateStore()
        store.register_multiple(others)
        super().__init__(signing_cert=leaf, cert_registry=store, embed_roots=True)
        self._signer = signer

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        if dry_run:
            return bytes(72)  # longest DER form of a P-256 signature
        if digest_algorithm != "sha256":
            raise ValueError("this house signs over SHA-256")
        return self._signer.sign(hashlib.sha256(data).digest())


class _Stamps(TimeStamper):  # type: ignore[misc]
    """Our Stamper in pyHanko's clothes. One extra token measures the room to reserve. `given`: the others."""

    def __init__(self, stamper: Stamper) -> None:
        super().__init__()
        self._stamper = stamper
        self._measured: Token | None = None
        self.given: list[Token] = []

    def measured(self) -> Token:
        """A token over nothing, asked for once."""
        if self._measured is None:
            self._measured = self._stamper.stamp(hashlib.sha256(b"").digest())
        return self._measured

    async def async_dummy_response(self, md_algorithm: str) -> asn1_cms.ContentInfo:
        token = await asyncio.to_thread(self.measured)
        longer = asn1_cms.ContentInfo.load(token.der)
        signer = longer["content"]["signer_infos"][0]
        signer["signature"] = signer["signature"].native + bytes(SPARE)
        return longer

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> asn1_cms.ContentInfo:
        if md_algorithm != "sha256":
            raise ValueError("this house stamps over SHA-256")
        token = await asyncio.to_thread(self._stamper.stamp, message_digest)
        self.given.append(token)
        return asn1_cms.ContentInfo.load(token.der)
