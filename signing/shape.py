"""The one shape that `pades.seal` gives a deed; whatever looks otherwise is refused before anything is
trusted.

Signature checks alone let through appended bytes, stripped stamps and padded containers. Here: the number of
revisions, the exact fields, byte ranges that leave out nothing but their own container, containers in one
spelling, and a last revision that changes nothing a reader could see.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any

from asn1crypto import cms
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from signing.pades import NOTARY_FIELD, OFFICE_FIELD, STAMP_FIELD
from signing.verdict import Refused

REVISIONS = 5
FIELDS = [NOTARY_FIELD, OFFICE_FIELD, STAMP_FIELD]
CONTAINER = re.compile(rb"<([0-9A-F]+)>")
NEW_SIGNATURE = {"/Contents", "/ByteRange", "/Type", "/Filter", "/SubFilter"}
NEW_FIELD = {"/FT", "/T", "/TU", "/Type", "/Subtype", "/F", "/Rect", "/P", "/AP", "/V", "/Ff"}


@dataclass(frozen=True)
class Signed:
    """One container. `der`: without padding. `end`: offset after the last byte it covers."""

    field: str
    embedded: Any
    der: bytes
    ranges: tuple[int, int, int, int]

    @property
    def end(self) -> int:
        return self.ranges[2] + self.ranges[3]

    def covered(self, data: bytes) -> bytes:
        _, first, second, length = self.ranges
        return data[:first] + data[second : second + length]


def read(data: bytes) -> tuple[Any, list[Signed]]:
    """-> (pyHanko's reader, notary's, office's and stamp's container). Refused where the shape is another."""
    reader = PdfFileReader(io.BytesIO(data), strict=True)
    if reader.encrypted or reader.xrefs.hybrid_xrefs_present:
        raise _other("encrypted or with two indexes")
    if reader.xrefs.total_revisions != REVISIONS:
        raise _other(f"{reader.xrefs.total_revisions} revisions instead of {REVISIONS}")
    form = reader.root["/AcroForm"]
    names = [f.get_object()["/T"] for f in form["/Fields"]]
    if names != FIELDS or "/XFA" in form:
        raise _other("other form fields")
    found = list(reader.embedded_signatures)
    if [e.field_name for e in found] != FIELDS:
        raise _other("other signatures")
    if [e.signed_revision for e in found] != [2, 3, 4]:
        raise _other("a signature stands in another revision")
    kinds = [(str(e.sig_object["/Type"]), str(e.sig_object["/SubFilter"])) for e in found]
    if kinds != [("/Sig", "/ETSI.CAdES.detached")] * 2 + [("/DocTimeStamp", "/ETSI.RFC3161")]:
        raise _other("another kind of signature")
    signed = [_container(data, e) for e in found]
    if signed[-1].end != len(data):
        raise Refused("shape.appended", "文件末尾有签名未覆盖的内容", "bytes stand behind what was signed")
    if [s.ranges[1] for s in signed] != sorted(s.ranges[1] for s in signed):
        raise _other("containers out of order")
    _check_permissions(reader, found)
    return reader, signed


def _other(what: str) -> Refused:
    return Refused("shape.other", "文件结构与出具时不同", f"not the shape this office issues ({what})")


def _container(data: bytes, embedded: Any) -> Signed:
    """The byte range leaves out exactly one hexadecimal string in capitals, and its padding is zero."""
    ranges = tuple(int(n) for n in embedded.byte_range)
    if len(ranges) != 4 or ranges[0] != 0 or min(ranges) < 0:
        raise _other("byte range")
    _, first, second, length = ranges
    if not first < second <= second + length <= len(data):
        raise _other("byte range")
    match = CONTAINER.fullmatch(data[first:second])
    if match is None:
        raise Refused("shape.container", "签名容器被改写", "a signature container was rewritten")
    raw = bytes.fromhex(match[1].decode("ascii"))
    info, der_end = _der(raw)
    if any(raw[der_end:]):
        raise Refused("shape.padding", "签名容器的填充处被改写", "the padding of a signature was changed")
    if raw != bytes(embedded.pkcs7_content):
        raise _other("two readings of one container")
    _check_cms(info, stamp=embedded.field_name == STAMP_FIELD)
    if not data[: second + length].endswith(b"%%EOF\n") and second + length != len(data):
        raise _other("a revision's end")
    return Signed(embedded.field_name, embedded, raw[:der_end], (0, first, second, length))


def _der(raw: bytes) -> tuple[cms.ContentInfo, int]:
    """-> (container, where its DER ends). Every length must be minimal and add up (X.690 10.1, 8.1.3).

    Parsers are lax here: an outer length that reaches into the zero padding was read as the same container.
    """
    end = _walk(raw, 0, len(raw), 0)
    return cms.ContentInfo.load(raw[:end], strict=True), end


def _walk(raw: bytes, at: int, limit: int, depth: int) -> int:
    """End of the element at `at`, all of its inside checked."""
    if depth > 40 or at + 2 > limit or raw[at] == 0 or raw[at] & 0x1F == 0x1F:
        raise _other("container encoding")
    constructed, size, start = raw[at] & 0x20, raw[at + 1], at + 2
    if size >= 0x80:
        count = size & 0x7F
        size, start = int.from_bytes(raw[start : start + count], "big"), start + count
        if not 1 <= count <= 3 or size < 0x80 or size >> (8 * (count - 1)) == 0:
            raise _other("container encoding")
    end = start + size
    if end > limit:
        raise _other("container encoding")
    while constructed and start < end:
        start = _walk(raw, start, end, depth + 1)
    return end


def _check_cms(info: cms.ContentInfo, *, stamp: bool) -> None:
    """What no signature covers inside a CMS container must be as we write it (RFC 5652 5.1)."""
    if info["content_type"].native != "signed_data":
        raise _other("no signed data")
    signed = info["content"]
    kind = signed["encap_content_info"]["content_type"].native
    signer = signed["signer_infos"][0]
    algorithms = [a["algorithm"].native for a in signed["digest_algorithms"]]
    unsigned = signer["unsigned_attrs"]
    extra = [] if unsigned.native is None else [a["type"].native for a in unsigned]
    wanted: tuple[Any, ...] = ("tst_info", "v3", []) if stamp else ("data", "v1", ["signature_time_stamp_token"])
    if (kind, signed["version"].native, extra) != wanted:
        raise _other("container version or attributes")
    if len(signed["signer_infos"]) != 1 or algorithms != [signer["digest_algorithm"]["algorithm"].native]:
        raise _other("container algorithms")
    if signed["crls"].native is not None or any(c.name != "certificate" for c in signed["certificates"]):
        raise _other("container extras")
    for algorithm in (*signed["digest_algorithms"], signer["digest_algorithm"]):
        if algorithm["parameters"].native is not None:
            raise _other("digest parameters")


def _check_permissions(reader: Any, found: list[Any]) -> None:
    """Notary: certification with P=2. Office: everything locked, P=1 (ISO 32000-2 12.8.2.2, 12.8.2.4)."""
    certified = reader.root["/Perms"].raw_get("/DocMDP").get_object()
    if certified is not found[0].sig_object.get_object() and certified != found[0].sig_object:
        raise _other("another certification")
    if found[0].docmdp_level is None or found[0].docmdp_level.value != 2:
        raise _other("certification level")
    lock = found[1].fieldmdp
    level = found[1].docmdp_level
    if lock is None or lock.action.value != "/All" or level is None or level.value != 1:
        raise _other("the seal's lock")


def check_last_revision(reader: Any) -> None:
    """Who strips the last stamp may append a revision with a stamp of his own: it may hold the stamp alone.

    Changed against the sealed revision: the page that lists the stamp's invisible widget and the form that
    lists its field, each by that one entry; new: field and stamp. Trailer: same root, info, first id.
    """
    last, before = REVISIONS - 1, reader.get_historical_resolver(REVISIONS - 2)
    now = reader.get_historical_resolver(last)
    old_trailer, new_trailer = before.trailer_view, now.trailer_view
    for key in ("/Root", "/Info"):
        if old_trailer.raw_get(key) != new_trailer.raw_get(key):
            raise _changed(f"trailer {key}")
    if old_trailer["/ID"][0] != new_trailer["/ID"][0] or reader.xrefs.refs_freed_in_revision(last):
        raise _changed("trailer or freed objects")
    stamp = reader.embedded_signatures[-1]
    fields = now.get_object(now.root_ref)["/AcroForm"].raw_get("/Fields")
    field_ref = (fields.get_object() if isinstance(fields, generic.IndirectObject) else fields).raw_get(-1)
    field_ref = field_ref.reference
    value_ref = now.get_object(field_ref).raw_get("/V").reference
    for ref in reader.xrefs.explicit_refs_in_revision(last):
        new = now.get_object(ref)
        if reader.xrefs.get_introducing_revision(ref) == last:
            _check_new(ref, new, field_ref, value_ref)
        else:
            _check_same(before.get_object(ref), new, field_ref)
    if stamp.sig_object.get_object().container_ref is None:
        raise _changed("a stamp that is no object")


def _check_new(ref: Any, new: Any, field_ref: Any, value_ref: Any) -> None:
    if ref == value_ref:
        if set(new) - NEW_SIGNATURE:
            raise _changed("the stamp carries more")
    elif ref == field_ref:
        box = [float(n) for n in new["/Rect"]]
        if set(new) - NEW_FIELD or box != [0, 0, 0, 0] or new["/Subtype"] != "/Widget" or new["/FT"] != "/Sig":
            raise _changed("a field that can be seen")
    elif not (isinstance(new, generic.StreamObject) and new.get("/Subtype") == "/Form" and not new.data.strip()):
        raise _changed("a new object")


def _check_same(old: Any, new: Any, field_ref: Any) -> None:
    """Equal but for one list that got the field as its last entry, or the catalogue's unchanged copy."""
    if not isinstance(old, generic.DictionaryObject) or not isinstance(new, generic.DictionaryObject):
        raise _changed("an object")
    if isinstance(new, generic.StreamObject) or set(old) != set(new):
        raise _changed("an object's entries")
    for key in old:
        was, is_now = old.raw_get(key), new.raw_get(key)
        if was == is_now:
            continue
        grown = key in ("/Annots", "/Fields") and isinstance(is_now, generic.ArrayObject)
        if not grown or [*was, generic.IndirectObject(field_ref.idnum, field_ref.generation, None)] != [*is_now]:
            raise _changed(f"{key}")


def _changed(what: str) -> Refused:
    return Refused("changes.after-seal", "盖章之后文件被改动", f"changed after it was sealed ({what})")
