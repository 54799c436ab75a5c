"""The one shape that `pades` gives a deed; whatever looks otherwise is refused before anything is trusted.

Signature checks alone let through appended bytes, stripped stamps and padded containers. Here: the number of
revisions, the exact fields, byte ranges that leave out nothing but their own container, containers in one
spelling, and of every revision exactly the objects that this house writes there. Who strips the last stamp may
append what he likes and buy a new stamp from a trusted authority; these rules leave him nothing to append but
long-term data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from signing import der, pdf
from signing.evidence import Evidence
from signing.pdfvalue import BadPdf, Ref, Stream
from signing.verdict import Refused, Remark

NOTARY_FIELD, OFFICE_FIELD, STAMP_FIELD = "NotarySig", "OfficeSeal", "DocumentStamp"
CERTIFIED, SEALED = 2, 3
"""The revisions that end with the notary's signature and the office's seal; every later one ends with a document stamp."""
CONTAINER = re.compile(rb"<([0-9A-F]+)>")
NEW_STAMP = {"Contents", "ByteRange", "Type", "Filter", "SubFilter"}
NEW_FIELD = {"FT", "T", "TU", "Type", "Subtype", "F", "Rect", "P", "V"}
DSS_LISTS = ("Certs", "OCSPs", "CRLs")


@dataclass(frozen=True)
class Signed:
    """One container. `der`: without padding. `ranges`: as in the file, (0, first, second, length)."""

    field: str
    ref: Ref
    der: bytes
    ranges: tuple[int, int, int, int]

    @property
    def end(self) -> int:
        return self.ranges[2] + self.ranges[3]

    def pieces(self, data: bytes) -> tuple[memoryview, memoryview]:
        """What it covers: before and behind its own container."""
        _, first, second, length = self.ranges
        whole = memoryview(data)
        return whole[:first], whole[second : second + length]


@dataclass(frozen=True)
class Shape:
    """`kept`: the long-term data that each document stamp is the first to cover. `certified`, `sealed`: the revisions
    that end with the notary's signature and the office's seal. `remark`: says that another writer laid it out."""

    file: pdf.File
    notary: Signed
    office: Signed
    stamps: tuple[Signed, ...]
    kept: tuple[Evidence, ...]
    certified: int = CERTIFIED
    sealed: int = SEALED
    remark: Remark | None = None


def stamp_field(no: int) -> str:
    """Name of the document stamp `no`, from 0."""
    return STAMP_FIELD if no == 0 else f"{STAMP_FIELD}{no + 1}"


def read(data: bytes) -> Shape:
    """Everything but what later revisions change, which `check_changes` sees to. Refused for another shape."""
    try:
        return _read(data)
    except BadPdf as wrong:
        raise other(str(wrong)) from None
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as wrong:
        raise other(f"{type(wrong).__name__} where something else is expected") from None


def _read(data: bytes) -> Shape:
    file = pdf.read(data)
    stamps = len(file.revisions) - 1 - SEALED
    if stamps < 1:
        raise other(f"{len(file.revisions)} revisions")
    names = [NOTARY_FIELD, OFFICE_FIELD, *(stamp_field(n) for n in range(stamps))]
    form = file.get(file.catalogue()["AcroForm"])
    fields = [file.get(f) for f in form["Fields"]]
    if [f["T"] for f in fields] != [n.encode() for n in names] or set(form) != {"Fields", "SigFlags"}:
        raise other("other form fields")
    signed = [signed_in(file, f, CERTIFIED + no, stamp=no > 1) for no, f in enumerate(fields)]
    if signed[-1].end != len(data):
        raise Refused("shape.appended")
    check_permissions(file, fields, signed)
    kept = tuple(_kept(file, SEALED + 1 + n) for n in range(stamps))
    return Shape(file, signed[0], signed[1], tuple(signed[2:]), kept)


def other(what: str) -> Refused:
    return Refused("shape.other", why=what)


def signed_in(file: pdf.File, field: dict[str, Any], revision: int, *, stamp: bool) -> Signed:
    """The container stands in its own revision and covers the file up to that revision's end.

    Its byte range leaves out exactly one hexadecimal string in capitals, and the padding in it is zero.
    """
    ref, one = field["V"], file.revisions[revision]
    if not isinstance(ref, Ref) or [ref.number in r.places for r in file.revisions].count(True) != 1:
        raise other("a signature was written twice")
    if field["FT"] != "Sig" or ref.number not in one.places:
        raise other("a signature stands in another revision")
    value, end = file.object_at(one.places[ref.number], ref.number)
    kind = ("DocTimeStamp", "ETSI.RFC3161") if stamp else ("Sig", "ETSI.CAdES.detached")
    if (value["Type"], value["SubFilter"]) != kind:
        raise other("another kind of signature")
    zero, first, second, length = value["ByteRange"]
    if (
        {type(n) for n in value["ByteRange"]} != {int}
        or zero != 0
        or not one.places[ref.number] < first < second < end
        or second + length != one.end
    ):
        raise other("byte range")
    match = CONTAINER.fullmatch(file.data, first, second)
    if match is None:
        raise Refused("shape.container")
    raw = bytes.fromhex(match[1].decode("ascii"))
    if raw != value["Contents"]:
        raise other("two readings of one container")
    stop = der.end_of(raw)
    if any(raw[stop:]):
        raise Refused("shape.padding")
    return Signed(field["T"].decode("latin-1"), ref, raw[:stop], (0, first, second, length))


def check_permissions(file: pdf.File, fields: list[dict[str, Any]], signed: list[Signed]) -> None:
    """Notary: certification with P=2. Office: everything locked, P=1 (ISO 32000-2 12.8.2.2, 12.8.2.4)."""
    if file.catalogue()["Perms"] != {"DocMDP": signed[0].ref}:
        raise other("another certification")
    (certified,) = file.get(signed[0].ref)["Reference"]
    params = file.get(certified["TransformParams"])
    if (certified["TransformMethod"], params["P"]) != ("DocMDP", 2):
        raise other("certification level")
    (locked,) = file.get(signed[1].ref)["Reference"]
    params, lock = file.get(locked["TransformParams"]), file.get(fields[1]["Lock"])
    said = (locked["TransformMethod"], params["Action"], params["P"], lock["Action"], lock["P"])
    if said != ("FieldMDP", "All", 1, "All", 1):
        raise other("the seal's lock")


def _kept(file: pdf.File, revision: int) -> Evidence:
    """What this revision adds to the long-term data; what stood there stays, in order."""
    now = _dss(file, revision)
    before = _dss(file, revision - 1) if revision > SEALED + 1 else {}
    found = []
    for name in DSS_LISTS:
        refs, old = now.get(name, []), before.get(name, [])
        if refs[: len(old)] != old:
            raise changed(f"long-term data: {name}")
        new = refs[len(old) :]
        if len(set(refs)) != len(refs) or any(r.number not in file.revisions[revision].places for r in new):
            raise changed(f"long-term data: {name}")
        streams = [file.get(r, revision) for r in new]
        if any(not isinstance(s, Stream) or set(s.head) != {"Length"} for s in streams):
            raise changed(f"long-term data: {name}")
        found.append(tuple(s.raw for s in streams))
    return Evidence(*found)


def _dss(file: pdf.File, revision: int) -> dict[str, list[Ref]]:
    ref = file.catalogue(revision).get("DSS")
    if not isinstance(ref, Ref):
        raise changed("no long-term data")
    found = file.get(ref, revision)
    if set(found) - set(DSS_LISTS) or any(not isinstance(r, Ref) for refs in found.values() for r in refs):
        raise changed("long-term data of another form")
    return dict(found)


# ---- what each revision may change


def check_changes(shape: Shape) -> None:
    """Every revision writes what this house writes in it and nothing else. Refused `changes.…`.

    Up to the seal the office's own signature covers what is new; from there on nobody's of ours does.
    """
    file = shape.file
    try:
        _check_trailers(file)
        form = file.catalogue()["AcroForm"]
        fields = file.get(form)["Fields"]
        _check_certified(file, form, fields[:2])
        _check(file, SEALED, {fields[1]: {"V", "AP"}})
        for no, stamp in enumerate(shape.stamps):
            _check_stamp(file, SEALED + 1 + no, stamp, form, fields[2 + no])
    except BadPdf as wrong:
        raise changed(str(wrong)) from None
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as wrong:
        raise changed(type(wrong).__name__) from None


def written_here(file: pdf.File) -> bool:
    """What the notary signed was written by this house. It cannot be taken back: whatever follows, its own layout
    binds a deed that began so."""
    if not file.data.startswith(b"%PDF-1.7\n"):
        return False
    try:
        begun = pdf.File(file.data, file.revisions[: CERTIFIED + 1])
        if any(r.index for r in begun.revisions):
            return False
        ref = begun.catalogue()["AcroForm"]
        form = begun.get(ref)
        names = [begun.get(f)["T"] for f in form["Fields"]]
        if set(form) != {"Fields", "SigFlags"} or names != [NOTARY_FIELD.encode(), OFFICE_FIELD.encode()]:
            return False
        _check_trailers(begun)
        _check_certified(begun, ref, form["Fields"])
    except (Refused, KeyError, TypeError, AttributeError, IndexError, ValueError):
        return False
    return True


def _check_certified(file: pdf.File, form: Ref, fields: list[Ref]) -> None:
    """Revision 1 brings both fields, revision 2 the notary's signature."""
    _check(file, 1, {file.root: {"AcroForm"}}, annotated=fields)
    may = {file.root: {"Extensions", "Version", "Perms"}, form: {"SigFlags"}, fields[0]: {"V", "AP"}}
    _check(file, CERTIFIED, may)


def changed(what: str) -> Refused:
    return Refused("changes.after-seal", why=what)


def _check_trailers(file: pdf.File) -> None:
    for old, new in pairwise(r.trailer for r in file.revisions):
        same = (old["Root"], old["Info"], old["ID"][0]) == (new["Root"], new["Info"], new["ID"][0])
        if not same or new["Size"] < old["Size"] or len(new["ID"]) != 2:
            raise changed("trailer")


def _check(file: pdf.File, revision: int, may: dict[Ref, set[str]], annotated: list[Ref] | None = None) -> list[int]:
    """Objects that stood before differ in the keys of `may` alone, or are pages that got `annotated` as their
    last annotations. -> numbers of the objects that are new."""
    new = []
    for number in file.revisions[revision].places:
        ref = Ref(number)
        if file.is_new(number, revision):
            new.append(number)
            continue
        was, now = file.get(ref, revision - 1), file.get(ref, revision)
        keys = set(may.get(ref, ()))
        if annotated and ref not in may and was["Type"] == "Page":
            if now["Annots"] != [*was.get("Annots", []), *annotated]:
                raise changed("annotations")
            keys = {"Annots"}
        rest = [{k: v for k, v in d.items() if k not in keys} for d in (was, now)]
        if not isinstance(was, dict) or not isinstance(now, dict) or rest[0] != rest[1]:
            raise changed(f"object {number} in revision {revision}")
    return new


def _check_stamp(file: pdf.File, revision: int, stamp: Signed, form: Ref, field: Ref) -> None:
    """New: the stamp, its invisible field, long-term data. Changed: the lists that name these."""
    dss = file.catalogue(revision)["DSS"]
    may = {form: {"Fields"}, dss: set(DSS_LISTS)}
    if revision == SEALED + 1:
        may[file.root] = {"DSS"}
    fields = [file.get(form, r)["Fields"] for r in (revision - 1, revision)]
    if fields[1] != [*fields[0], field]:
        raise changed("fields")
    new = set(_check(file, revision, may, annotated=[field]))
    kept = {r.number for refs in _dss(file, revision).values() for r in refs}
    if not {field.number, stamp.ref.number} <= new or new - kept - {field.number, stamp.ref.number, dss.number}:
        raise changed("a new object")
    check_unseen(file, revision, stamp, field)


def check_unseen(file: pdf.File, revision: int, stamp: Signed, field: Ref) -> dict[str, Any]:
    """A stamp's field has no place on a page, and the stamp carries nothing beside. -> the field."""
    seen: dict[str, Any] = file.get(field, revision)
    value = file.get(stamp.ref, revision)
    place = [float(n) for n in seen["Rect"]]
    if set(seen) - NEW_FIELD or place != [0, 0, 0, 0] or seen["Subtype"] != "Widget" or seen["V"] != stamp.ref:
        raise changed("a field that can be seen")
    if set(value) - NEW_STAMP:
        raise changed("the stamp carries more")
    return seen
