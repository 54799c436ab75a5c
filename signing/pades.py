"""Body in, deed out: PAdES B-T twice, then a document time stamp (ETSI EN 319 142-1; ISO 32000-2 12.8).

One shape only, so that a verifier can insist on it:
  revision 0  the body as rendered
  revision 1  both signature fields, NotarySig and OfficeSeal, empty
  revision 2  the notary certifies (DocMDP P=2) with a signature time stamp
  revision 3  the office seals (approval; lock on everything, P=1) with a signature time stamp
  revision 4  document time stamp; it ends at the last byte
"""

from __future__ import annotations

import asyncio
import hashlib
import io
from typing import Any

from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import serialization as form
from pyhanko.pdf_utils.content import RawContent
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.layout import AxisAlignment, BoxConstraints, Margins, SimpleBoxLayoutRule
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign import signers
from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.fields import append_signature_field as append_field
from pyhanko.sign.timestamps import TimeStamper
from pyhanko.stamp import StaticStampStyle
from pyhanko_certvalidator.registry import SimpleCertificateStore

from signing import appearance, asn1_repair
from signing.body import BadBody, inside
from signing.keys import Signer
from signing.stamp import Stamper

asn1_repair.apply()
NOTARY_FIELD, OFFICE_FIELD, STAMP_FIELD = "NotarySig", "OfficeSeal", "DocumentStamp"
SEAL_FOOT = {True: "样例测试", False: "公证专用章"}


def seal(body: bytes, notary: Signer, office: Signer, stamper: Stamper) -> bytes:
    """Signs, seals and stamps a body of `render.deed`.

    Lint it first: nothing is checked here but that facts and areas are inside. Raises BadBody, NoStamp,
    OSError (a key's device). Takes no lock and leaves nothing behind: on any failure there is simply no deed.
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
                docmdp_permissions=MDPPerm.NO_CHANGES,
                name=within.facts["office"]["name"],
                reason=f"公证处盖章 {within.facts['number']}",
            ),
            appearance.round_seal(within.facts["office"]["name"], SEAL_FOOT[test], seal_area.w),
            seal_area,
        )
        writer = _Writer(io.BytesIO(out))
        last = signers.PdfTimeStamper(stamps, field_name=STAMP_FIELD)
        done: bytes = last.timestamp_pdf(writer, "sha256").getvalue()
    except PdfError as wrong:
        raise BadBody(str(wrong)[:200]) from None
    return done


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
    style = StaticStampStyle(
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


class _Writer(IncrementalPdfFileWriter):  # type: ignore[misc] # pyHanko is not followed by mypy
    """Leaves title and XMP as rendered, so that a verifier may refuse every change to them."""

    def _update_meta(self) -> None:
        pass


class _Key(signers.Signer):  # type: ignore[misc] # pyHanko is not followed by mypy
    """Our Signer in pyHanko's clothes. SimpleSigner would parse the private key anew for every signature."""

    def __init__(self, signer: Signer) -> None:
        leaf, *others = [asn1_x509.Certificate.load(c.public_bytes(form.Encoding.DER)) for c in signer.chain]
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
    """Our Stamper in pyHanko's clothes. One extra token per deed measures the room to reserve."""

    def __init__(self, stamper: Stamper) -> None:
        super().__init__()
        self._stamper = stamper

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        if md_algorithm != "sha256":
            raise ValueError("this house stamps over SHA-256")
        token = await asyncio.to_thread(self._stamper.stamp, message_digest)
        return cms.ContentInfo.load(token.der)
