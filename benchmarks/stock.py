"""
The same deed as an integrator would make it today: WeasyPrint for the page, pyHanko as it comes for everything else.

A child of `benchmarks/signing.py`. It reads lines of `FIRST COUNT` from stdin and answers each with one JSON line, lists of
milliseconds by part. Same facts, same keys' kinds (P-256 under P-384), same seal drawings, time-stamp unit and responder in this
process, PAdES B-LTA, both signatures validated again (the cheaper `async_validate_pdf_signature`), written durably.
WeasyPrint stands in `benchmarks/requirements.txt` and is installed beside the office, not into it: `make var/stock`.
"""

import asyncio
import io
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
sys.path.append(str(ROOT / "var" / "stock"))

from signing import asn1_repair

asn1_repair._applied = True  # `apply` then does nothing: asn1crypto as it comes

import jinja2
import weasyprint
from asn1crypto import crl as asn1_crl
from asn1crypto import keys as asn1_keys
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import tsp
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import serialization as form
from pyhanko.pdf_utils.content import RawContent
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.layout import BoxConstraints
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import signers
from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.fields import append_signature_field as append_field
from pyhanko.sign.timestamps import TimeStamper
from pyhanko.sign.validation import DocumentSecurityStore, async_validate_pdf_signature
from pyhanko.stamp import StaticStampStyle
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore
from weasyprint.text.fonts import FontConfiguration

from signing import appearance, render, specimen, wording
from signing import facts as facts_room
from signing.keyfile import write_whole
from signing.throwaway import authority

FACTS = facts_room.read((ROOT / "signing" / "examples" / "facts.json").read_bytes())
HOUSE = authority(FACTS["office"]["name"])
FONTS = FontConfiguration()
STYLE = weasyprint.CSS(
    string=f"""
    @font-face {{ font-family: Deed; src: url(file://{render.font_file()}) }}
    @page {{ size: A4; margin: 30mm 30mm 36mm; @bottom-right {{ content: counter(page) " / " counter(pages); font-size: 8.5pt }} }}
    body {{ font: 15pt/1.9 Deed; color: #1d1b17; text-align: justify }}
    h1 {{ font-size: 34pt; text-align: center; letter-spacing: 14pt; font-weight: normal }}
    h2 {{ font-size: 22pt; text-align: center; font-weight: normal }} p {{ text-indent: 2em }}
    .qr {{ width: 30mm }} .deed-instrument {{ break-before: page }} .deed-note {{ font-size: 8pt; color: #5a5346 }}
    """,
    font_config=FONTS,
)
PAGE = jinja2.Environment(loader=jinja2.FileSystemLoader(ROOT / "templates"), autoescape=True).get_template(
    "deed/twin.html"
)


def loaded(certificate):
    return asn1_x509.Certificate.load(certificate.public_bytes(form.Encoding.DER))


ROOTS = [loaded(HOUSE.root)]


class Unit(TimeStamper):
    """The in-process time-stamp unit behind pyHanko's own client."""

    async def async_request_tsa_response(self, req):
        return tsp.TimeStampResp.load(HOUSE.stamper.unit.respond(req.dump()))


def simple(signer):
    key = signer._key.private_bytes(form.Encoding.DER, form.PrivateFormat.PKCS8, form.NoEncryption())
    leaf, *others = map(loaded, signer.chain)
    store = SimpleCertificateStore()
    store.register_multiple(others)
    return signers.SimpleSigner(leaf, asn1_keys.PrivateKeyInfo.load(key), store)


OFFICE, STAMPS = simple(HOUSE.seal), Unit()


def rendered(facts):
    html = (
        PAGE.render(sheet=wording.deed(facts))
        + f'<img class="qr" src="data:image/svg+xml;utf8,{_quoted(facts)}" alt="QR">'
    )
    attached = weasyprint.Attachment(string=facts_room.canonical(facts), name="facts.json", relationship="Data")
    return weasyprint.HTML(string=html).write_pdf(
        stylesheets=[STYLE], font_config=FONTS, pdf_variant="pdf/a-3a", attachments=[attached]
    )


def _quoted(facts):
    from urllib.parse import quote

    return quote(render.qr_svg(facts["verify_url"]))


def status(notary):
    """OCSP answers and lists made now, and what validates with them."""
    given = HOUSE.status.gather([notary.chain, HOUSE.seal.chain, HOUSE.stamper.unit.signer.chain])
    return ValidationContext(
        trust_roots=ROOTS, other_certs=[loaded(c) for c in (*notary.chain, *HOUSE.seal.chain)], allow_fetching=False,
        ocsps=[asn1_ocsp.OCSPResponse.load(raw) for raw in given.ocsps],
        crls=[asn1_crl.CertificateList.load(raw) for raw in given.crls], revocation_mode="require",
    )  # fmt: skip


def style(drawn, wide, high):
    return StaticStampStyle(border_width=0, background=RawContent(drawn, box=BoxConstraints(width=wide, height=high)))


def signed(body, facts, notary):
    writer = IncrementalPdfFileWriter(io.BytesIO(body))
    append_field(writer, SigFieldSpec("NotarySig", on_page=0, box=(250, 150, 324, 178)))
    lock = FieldMDPSpec(FieldMDPAction.ALL)
    box = (400, 120, 519, 239)
    append_field(
        writer,
        SigFieldSpec("OfficeSeal", on_page=0, box=box, field_mdp_spec=lock, doc_mdp_update_value=MDPPerm.NO_CHANGES),
    )
    first = signers.PdfSigner(
        signers.PdfSignatureMetadata(
            field_name="NotarySig", md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES, certify=True,
            docmdp_permissions=MDPPerm.FILL_FORMS,
        ),
        simple(notary), timestamper=STAMPS,
        stamp_style=style(appearance.name_stamp(facts["notary"]["name"], 74, 28), 74, 28),
    )  # fmt: skip
    out = first.sign_pdf(writer)
    second = signers.PdfSigner(
        signers.PdfSignatureMetadata(
            field_name="OfficeSeal", md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES,
            docmdp_permissions=MDPPerm.NO_CHANGES, embed_validation_info=True, use_pades_lta=True,
            validation_context=status(notary),
        ),
        OFFICE, timestamper=STAMPS,
        stamp_style=style(appearance.round_seal(facts["office"]["name"], "样例测试", 119), 119, 119),
    )  # fmt: skip
    return second.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(out.getvalue()))).getvalue()


def validated(deed):
    reader = PdfFileReader(io.BytesIO(deed))
    others = list(DocumentSecurityStore.read_dss(reader).load_certs())
    for one in reader.embedded_regular_signatures:
        context = ValidationContext(
            trust_roots=ROOTS, other_certs=others, allow_fetching=False, revocation_mode="soft-fail"
        )
        assert asyncio.run(async_validate_pdf_signature(one, context)).bottom_line


def make(no, folder):
    """-> CPU and wall milliseconds of each part."""
    facts = {**specimen.vary(FACTS, no), "test": True}
    notary = HOUSE.notary(facts["notary"]["name"], facts["notary"].get("id"))
    times, held = {}, {}

    def timed(name, work):
        cpu, wall = time.process_time(), time.perf_counter()
        held[name] = work()
        times[name] = [1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - wall)]

    timed("render", lambda: rendered(facts))
    timed("sign, seal, stamp", lambda: signed(held["render"], facts, notary))
    timed("re-validate", lambda: validated(held["sign, seal, stamp"]))
    timed("durable write", lambda: write_whole(Path(folder) / f"{no}.pdf", held["sign, seal, stamp"]))
    return times


def main():
    with tempfile.TemporaryDirectory(prefix="yz-stock-") as folder:
        for line in sys.stdin:
            first, count = map(int, line.split())
            print(json.dumps([make(no, folder) for no in range(first, first + count)]), flush=True)


if __name__ == "__main__":
    main()
