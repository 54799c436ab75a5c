"""Another office: other roots, certificates that know nothing of our policies, other programs that write its deeds."""

import io
import zlib
from dataclasses import dataclass
from functools import cache

from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import (
    FieldMDPAction,
    FieldMDPSpec,
    MDPPerm,
    SigFieldSpec,
    SigSeedSubFilter,
    append_signature_field,
)

from signing import archive, hanko, throwaway
from signing.keys import name_of
from signing.trust import Trust

OFFICE = "河边公证处"
POLICIES = ("1.3.6.1.4.1.32473.1", "1.3.6.1.4.1.32473.2")
"""Of an enterprise number that is set aside for examples (RFC 5612)."""


@dataclass(frozen=True)
class Other:
    house: throwaway.Throwaway
    notary: object
    office: object

    @property
    def trust(self):
        return Trust((self.house.root,), (self.house.root,))

    @property
    def chains(self):
        return [self.notary.chain, self.office.chain, self.house.stamper.unit.signer.chain]


@cache
def other(policies=POLICIES):
    house = throwaway.authority.__wrapped__(OFFICE)
    above = (house.issuing, house.root)
    leaves = [
        throwaway._leaf(name_of(OFFICE, common), policy, above, house._issuing_key, house.book)
        for common, policy in zip(("李河 公证员", "河边公证处 印章"), policies, strict=True)
    ]
    return Other(house, *leaves)


def plain_body(pages=3, header=b"%PDF-1.4", eol=b"\n", info=True):
    """A body as a small report writer makes it: standard fonts, compressed pages, objects in its own order."""
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R/PageMode/UseNone>>",
        2: b"<</Type/Pages/Count %d/Kids[%s]>>" % (pages, b" ".join(b"%d 0 R" % (10 + n) for n in range(pages))),
        3: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        4: b"<</Title(Deed 7)/Producer(another)/CreationDate(D:20260101000000+08'00')>>",
    }
    for n in range(pages):
        drawn = zlib.compress(b"BT /F1 12 Tf 72 720 Td (page %d) Tj ET" % n)
        objects[10 + n] = (
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>/Contents %d 0 R>>"
            % (50 + n)
        )
        objects[50 + n] = b"<</Length %d/Filter/FlateDecode>>\nstream\r\n" % len(drawn) + drawn + b"\nendstream"
    out, places = header + eol + b"%\xe2\xe3\xcf\xd3" + eol, {}
    for number in (4, 50, 3, *sorted(set(objects) - {4, 50, 3}, reverse=True)):
        places[number] = len(out)
        out += b"%d 0 obj\n" % number + objects[number] + b"\nendobj\n\n"
    index = len(out)
    out += b"xref\n0 1\n0000000000 65535 f \n"
    for number, place in sorted(places.items()):
        out += b"%d 1\n%010d 00000 n \n" % (number, place)
    said = b"/Info 4 0 R" if info else b""
    return out + b"trailer\n<</Size 60/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF" % (said, index)


def packed_body(**how):
    """The same with a compressed index and its objects in streams."""
    import pikepdf

    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(plain_body())) as pdf:
        pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate, **how)
    return out.getvalue()


def with_fields(body, names=("NotarySig", "OfficeSeal")):
    writer = IncrementalPdfFileWriter(io.BytesIO(body))
    for name, box in zip(names, ((50, 50, 150, 100), (250, 50, 350, 100)), strict=True):
        lock = name == "OfficeSeal"
        append_signature_field(
            writer,
            SigFieldSpec(
                name, on_page=-1, box=box,
                field_mdp_spec=FieldMDPSpec(FieldMDPAction.ALL) if lock else None,
                doc_mdp_update_value=MDPPerm.NO_CHANGES if lock else None,
            ),
        )  # fmt: skip
    return written(writer)


def written(writer):
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def meta(**told):
    return signers.PdfSignatureMetadata(
        md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES, tight_size_estimates=True, **told
    )


def sign(pdf, who, key, **told):
    """By stock pyHanko, which also sets the date of the last change in title data."""
    signer = signers.PdfSigner(meta(**told), signer=hanko.Key(key), timestamper=hanko.Stamps(who.house.stamper))
    return signer.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf))).getvalue()


def signed(body, who, names=("NotarySig", "OfficeSeal")):
    """Certified and sealed, not yet stamped."""
    out = with_fields(body, names)
    out = sign(out, who, who.notary, field_name="NotarySig", certify=True, docmdp_permissions=MDPPerm.FILL_FORMS)
    return sign(out, who, who.office, field_name="OfficeSeal", docmdp_permissions=MDPPerm.NO_CHANGES)


def stamped(pdf, who, *, attack=None, apart=False, kept=None, field=None):
    """Long-term data and a document stamp; `apart`: in two revisions. `attack`: changes more in the first of them."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    archive.write_dss(writer, kept or who.house.status.gather(who.chains))
    if attack:
        attack(writer)
    if apart:
        writer = IncrementalPdfFileWriter(io.BytesIO(written(writer)))
    last = signers.PdfTimeStamper(hanko.Stamps(who.house.stamper), field_name=field)
    return last.timestamp_pdf(writer, "sha256").getvalue()
