"""A deed that another office's programs laid out: what must hold all the same.

Free is only what the notary's signature covers already: how the body was written, in how many revisions the fields
came. From there on nothing that a reader could see may change; the seal, long-term data and document stamps may come,
in as many revisions as that office's writer takes, and the date of the last change in title data, which every writer
sets. Index and objects are read by `pdf` as strictly as ever; an index may be compressed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from signing import pdf
from signing.evidence import Evidence
from signing.pdfvalue import BadPdf, Ref, Stream
from signing.shape import (
    DSS_LISTS,
    NOTARY_FIELD,
    OFFICE_FIELD,
    Shape,
    Signed,
    changed,
    check_permissions,
    check_unseen,
    other,
    signed_in,
)
from signing.verdict import Refused, remark

ACTIVE = {"AA", "OCProperties"}
"""Keys of a catalogue by which pages may look differently on another day."""
INFO_DATE = re.compile(rb"D:\d{14}(?:Z|[+-]\d\d'\d\d'?)?")
XMP_DATE = re.compile(
    rb"((?:ModifyDate|MetadataDate)(?:=\"|>))\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)(?=[\"<])"
)


def read(data: bytes, why: str) -> Shape:
    """As `shape.read`, for whatever writer. `why`: what our own layout had against it. Refused."""
    try:
        return _read(data, why)
    except BadPdf as wrong:
        raise other(str(wrong)) from None
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as wrong:
        raise other(f"{type(wrong).__name__} where something else is expected") from None


def _read(data: bytes, why: str) -> Shape:
    file = pdf.read(data, compressed=True)
    form = file.get(file.catalogue()["AcroForm"])
    fields = [file.get(f) for f in file.get(form["Fields"])]
    names = [f["T"] for f in fields]
    if names[:2] != [NOTARY_FIELD.encode(), OFFICE_FIELD.encode()] or len(names) < 3 or len(set(names)) != len(names):
        raise other("other form fields")
    homes = [_home(file, f["V"]) for f in fields]
    if homes != sorted(set(homes)):
        raise other("signatures in another order")
    signed = [signed_in(file, f, home, stamp=no > 1) for no, (f, home) in enumerate(zip(fields, homes, strict=True))]
    if signed[-1].end != len(data):
        raise Refused("shape.appended")
    check_permissions(file, fields, signed)
    _refuse_active(file, form, homes[0])
    kept = tuple(_kept(file, begin, end) for begin, end in zip([-1, *homes[2:]], homes[2:], strict=False))
    said = remark("layout.other", why=why)
    return Shape(file, signed[0], signed[1], tuple(signed[2:]), kept, homes[0], homes[1], said)


def is_format(file: pdf.File, certified: int) -> bool:
    """The body that the notary signed says that it is one of our format; nobody can take that from it."""
    try:
        names = attachments(file, certified)
    except (BadPdf, KeyError, TypeError, AttributeError, IndexError, ValueError):
        return False
    return {b"facts.json", b"layout.json"} <= set(names)


def attachments(file: pdf.File, revision: int) -> dict[bytes, Any]:
    """What a revision carries, by name; empty where it carries nothing. KeyError, TypeError, BadPdf."""
    held = file.get(file.catalogue(revision).get("Names"), revision)
    tree = file.get((held or {}).get("EmbeddedFiles"), revision)
    names = file.get((tree or {}).get("Names", []), revision)
    return dict(zip(names[::2], names[1::2], strict=True))


def _home(file: pdf.File, value: Any) -> int:
    homes = [no for no, r in enumerate(file.revisions) if isinstance(value, Ref) and value.number in r.places]
    if len(homes) != 1:
        raise other("a signature was written twice")
    return homes[0]


def _refuse_active(file: pdf.File, form: dict[str, Any], certified: int) -> None:
    """A signed page must look the same on every day: no layers, no scripts, no form behind the form."""
    catalogue = file.catalogue(certified)
    names = file.get(catalogue.get("Names"), certified) or {}
    opening = file.get(catalogue.get("OpenAction"), certified)
    acts = isinstance(opening, dict) and opening.get("S") != "GoTo"
    if ACTIVE & set(catalogue) or "XFA" in form or "JavaScript" in names or acts:
        raise other("active content")


# ---- long-term data


def _dss(file: pdf.File, revision: int) -> dict[str, Any]:
    return file.get(file.catalogue(revision).get("DSS"), revision) or {}


def _lists(file: pdf.File, revision: int) -> dict[str, list[Any]]:
    held = _dss(file, revision)
    if set(held) - {*DSS_LISTS, "VRI", "Type"}:
        raise changed("long-term data of another form")
    return {name: list(file.get(held.get(name, []), revision)) for name in DSS_LISTS}


def _kept(file: pdf.File, begin: int, end: int) -> Evidence:
    """What came between two stamps. `begin` -1: since ever."""
    now = _lists(file, end)
    before = _lists(file, begin) if begin >= 0 else {}
    found = []
    for name in DSS_LISTS:
        new = now[name][len(before.get(name, [])) :]
        streams = [file.get(r, end) for r in new]
        if len(set(now[name])) != len(now[name]) or any(set(s.head) - {"Length", "Filter"} for s in streams):
            raise changed(f"long-term data: {name}")
        found.append(tuple(s.inflated() for s in streams))
    return Evidence(*found)


def _reached(file: pdf.File, value: Any, revision: int, seen: set[int]) -> Iterator[int]:
    """Numbers of everything that hangs on `value`: streams of data, lists and dictionaries, nothing that is drawn."""
    if isinstance(value, Ref):
        if value.number in seen:
            return
        seen.add(value.number)
        yield value.number
        value = file.get(value, revision)
    if isinstance(value, Stream) and set(value.head) - {"Length", "Filter"}:
        raise changed("long-term data of another form")
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in parts:
        yield from _reached(file, one, revision, seen)


# ---- what came after the notary's signature


def check_changes(shape: Shape) -> None:
    """Refused `changes.…` where a revision behind the notary's signature changes what a reader could see."""
    try:
        _check_changes(shape)
    except BadPdf as wrong:
        raise changed(str(wrong)) from None
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as wrong:
        raise changed(type(wrong).__name__) from None


def _check_changes(shape: Shape) -> None:
    file = shape.file
    form = file.get(file.catalogue()["AcroForm"])
    fields = file.get(form["Fields"])
    stamps = {_home(file, s.ref): (s, fields[2 + no]) for no, s in enumerate(shape.stamps)}
    for revision in range(shape.certified + 1, len(file.revisions)):
        if file.revisions[revision].inside:
            raise changed("objects in a stream")
        _check_trailer(file, revision)
        _check_lists(file, revision)
        held = file.catalogue(revision).get("DSS")
        may: dict[Ref, set[str]] = {file.root: {"DSS"}}
        if isinstance(held, Ref):
            may[held] = {*DSS_LISTS, "VRI"}
        hanging = {*_reached(file, held, revision, set()), file.revisions[revision].index}
        if revision == shape.sealed:
            may[fields[1]] = {"V", "AP"}
            _check_old(file, revision, may, hanging)
        elif revision in stamps:
            stamp, field = stamps[revision]
            _check_stamp(file, revision, stamp, field, may, hanging)
        elif _check_old(file, revision, may, hanging) - hanging:
            raise changed("a new object")


def _check_trailer(file: pdf.File, revision: int) -> None:
    old, new = (r.trailer for r in file.revisions[revision - 1 : revision + 1])
    same = (
        all(old.get(k) == new.get(k) for k in ("Root", "Info")) and old.get("ID", [None])[0] == new.get("ID", [None])[0]
    )
    if not same or new["Size"] < old["Size"]:
        raise changed("trailer")


def _check_lists(file: pdf.File, revision: int) -> None:
    """Long-term data that stood there stays, in order."""
    was, now = _lists(file, revision - 1), _lists(file, revision)
    if any(now[name][: len(was[name])] != was[name] for name in DSS_LISTS):
        raise changed("long-term data")


def _check_stamp(
    file: pdf.File, revision: int, stamp: Signed, field: Ref, may: dict[Ref, set[str]], hanging: set[int]
) -> None:
    """New: the stamp, its invisible field, long-term data. Changed: the lists that name these."""
    form = file.catalogue(revision)["AcroForm"]
    lists = [file.get(file.get(form, r)["Fields"], r) for r in (revision - 1, revision)]
    if lists[1] != [*lists[0], field]:
        raise changed("fields")
    seen = check_unseen(file, revision, stamp, field)
    may[form] = {"Fields"}
    fields, page = file.get(form, revision)["Fields"], seen.get("P")
    listed = [fields] if isinstance(fields, Ref) else []
    if isinstance(page, Ref):
        before, after = (file.get(page, r).get("Annots", []) for r in (revision - 1, revision))
        if isinstance(before, Ref) and before == after:
            listed.append(before)
        else:
            may[page] = {"Annots"}
        if file.get(after, revision) not in (now := file.get(before, revision - 1), [*now, field]):
            raise changed("annotations")
    new = _check_old(file, revision, may, hanging, listed)
    if not {field.number, stamp.ref.number} <= new or new - hanging - {field.number, stamp.ref.number}:
        raise changed("a new object")


def _check_old(
    file: pdf.File, revision: int, may: dict[Ref, set[str]], hanging: set[int], listed: list[Ref] | None = None
) -> set[int]:
    """What stood before differs in the keys of `may` alone, or in its date. `listed`: lists that were compared
    already. -> numbers of the objects that are new."""
    info = file.revisions[revision].trailer.get("Info")
    metadata = file.catalogue(revision).get("Metadata")
    new = set()
    for number in file.revisions[revision].places:
        ref = Ref(number)
        if file.is_new(number, revision):
            new.add(number)
            continue
        was, now = file.get(ref, revision - 1), file.get(ref, revision)
        keys = may.get(ref, set())
        if ref == info:
            was, now = _undated(was), _undated(now)
        elif ref == metadata:
            was, now = _undated_text(was), _undated_text(now)
        elif ref in (listed or ()) or (isinstance(now, list) and number in hanging):
            continue  # long-term data's lists are compared on their own
        if isinstance(was, dict) and isinstance(now, dict):
            was, now = ({k: v for k, v in d.items() if k not in keys} for d in (was, now))
        if was != now:
            raise changed(f"object {number} in revision {revision}")
    return new


def _undated(info: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in info.items() if k != "ModDate" or INFO_DATE.fullmatch(v) is None}


def _undated_text(metadata: Stream) -> tuple[dict[str, Any], bytes]:
    if "Filter" in metadata.head:
        return metadata.head, metadata.raw
    head = {k: v for k, v in metadata.head.items() if k != "Length"}
    return head, XMP_DATE.sub(rb"\1", metadata.raw)
