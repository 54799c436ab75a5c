"""Body in, deed out: PAdES B-LTA (ETSI EN 319 142-1 6.3; ISO 32000-2 12.8). Renewals: `signing.archive`.

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

import io
from typing import Any

from pyhanko.pdf_utils.content import RawContent
from pyhanko.pdf_utils.layout import AxisAlignment, BoxConstraints, Margins, SimpleBoxLayoutRule
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign import signers
from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.fields import append_signature_field as append_field

from signing import appearance
from signing.archive import long_term
from signing.body import BadBody, inside
from signing.hanko import Drawn, Key, Stamps, Writer
from signing.keys import Signer
from signing.shape import NOTARY_FIELD, OFFICE_FIELD, STAMP_FIELD
from signing.stamp import Stamper
from signing.status import Status

SEAL_FOOT = {True: "样例测试", False: "公证专用章"}


def seal(body: bytes, notary: Signer, office: Signer, stamper: Stamper, status: Status) -> bytes:
    """Signs, seals and stamps a body of `render.deed`.

    Lint it first: nothing is checked here but that facts and areas are inside. Raises BadBody, NoStamp, NoStatus,
    Revoked, OSError (a key's device). Takes no lock and leaves nothing behind: on any failure there is simply no
    deed.
    """
    within = inside(body)
    stamps = Stamps(stamper)
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
        done = long_term(out, [notary.chain, office.chain, *signed], stamper, status, STAMP_FIELD)
    except PdfError as wrong:
        raise BadBody(str(wrong)[:200]) from None
    return done


def _with_fields(body: bytes, within: Any) -> bytes:
    writer = Writer(io.BytesIO(body))
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
    stamps: Stamps,
    meta: signers.PdfSignatureMetadata,
    drawn: bytes,
    area: Any,
) -> bytes:
    # a style is stateful: reused for a second document, it drags the first one's resources in
    style = Drawn(
        border_width=0,
        background=RawContent(drawn, box=BoxConstraints(width=area.w, height=area.h)),
        background_opacity=1.0,
        background_layout=SimpleBoxLayoutRule(
            x_align=AxisAlignment.ALIGN_MID, y_align=AxisAlignment.ALIGN_MID, margins=Margins.uniform(0)
        ),
    )
    writer = Writer(io.BytesIO(pdf))
    out = signers.PdfSigner(meta, signer=Key(signer), timestamper=stamps, stamp_style=style).sign_pdf(writer)
    data: bytes = out.getvalue()
    return data
