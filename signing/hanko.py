"""Our things in pyHanko's clothes: key, stamper, writer, drawing. What it would do slowly or too much, they do not."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from asn1crypto import cms as asn1_cms
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import serialization as form
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.timestamps import TimeStamper
from pyhanko.stamp import StaticContentStamp, StaticStampStyle
from pyhanko_certvalidator.registry import SimpleCertificateStore

from signing import asn1_repair, kinds
from signing.cms import one_spelling
from signing.keys import Signer
from signing.stamp import Stamper
from signing.token import Token

asn1_repair.apply()
SPARE = 24
"""Bytes that a container may grow between measuring and signing: ECDSA values and serial numbers vary in length."""


class Drawn(StaticStampStyle):  # type: ignore[misc] # pyHanko is not followed by mypy
    """Our drawing, compressed: outlines of a round seal are 10 KB plain."""

    def create_stamp(self, writer: Any, box: Any, _text_params: Any) -> Any:
        return Compressed(writer=writer, style=self, box=box)


class Compressed(StaticContentStamp):  # type: ignore[misc]
    def as_form_xobject(self) -> Any:
        drawn = super().as_form_xobject()
        drawn.compress()
        return drawn


class Writer(IncrementalPdfFileWriter):  # type: ignore[misc] # pyHanko is not followed by mypy
    """Leaves title and XMP as rendered, so that a verifier may refuse every change to them."""

    def _update_meta(self) -> None:
        pass


class Key(signers.Signer):  # type: ignore[misc] # pyHanko is not followed by mypy
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
            return bytes(kinds.longest(self._signer.chain[0].public_key()))
        if digest_algorithm != "sha256":
            raise ValueError("this house signs over SHA-256")
        return self._signer.sign(hashlib.sha256(data).digest())


class Stamps(TimeStamper):  # type: ignore[misc]
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
        held = asn1_cms.ContentInfo.load(token.der)
        # as a document stamp nothing covers it: of the two spellings of its value a verifier takes only this one
        signer = held["content"]["signer_infos"][0]
        signer["signature"] = one_spelling(token.signer.public_key(), signer["signature"].native)
        return held
