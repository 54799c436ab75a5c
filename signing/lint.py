"""Is a body fit to be signed? Everything that can be wrong is found with a throw-away key, before a real
one is used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from signing import wording
from signing.body import BadBody, Inside, inside
from signing.render import page_texts, pages, refuse_missing_glyphs
from signing.wording import NOTICE

AGE = re.compile(r"\d+\s*周?岁|现年")
ADDED = {"qr", "notary", "seal"}


def lint(body: bytes, *, number: str | None = None, on: str | None = None, trial: bool = True) -> list[str]:
    """Problems of a body in plain words; empty means fit to sign.

    `number`, `on` (ISO date): what the approved case says. `trial`: also sign it with a throw-away authority
    and verify the result, about 300 ms.
    """
    try:
        within = inside(body)
    except BadBody as wrong:
        return [f"body: {wrong}"]
    facts = within.facts
    problems = _glyph_problems(facts) + _words_of_law(facts) + _areas(within) + _structure(body)
    problems += page_problems(body, facts)
    if number is not None and facts["number"] != number:
        problems.append("number: not the one reserved for the case")
    if on is not None and facts["issued_on"] != on:
        problems.append("issued_on: not the date of approval")
    if not problems:
        problems += _qr(body, within)
    if not problems and trial:
        problems += _trial(body, facts)
    return problems


def words(text: str) -> str:
    """Text without white space: line breaks and the gap between Chinese and Latin are layout."""
    return re.sub(r"\s+", "", text)


def page_problems(pdf: bytes, facts: Mapping[str, Any]) -> list[str]:
    """Every word of the facts stands on the pages, in order, and no other word does."""
    sheet = wording.sheet(facts)
    foot = words(facts["number"] + (" · " + sheet["foot_mark"] if sheet["foot_mark"] else ""))
    texts = [words(t) for t in page_texts(pdf)]
    total = len(texts)
    said = ""
    for no, text in enumerate(texts, 1):
        end = f"{foot}第{no}页共{total}页"
        mark = words(sheet["mark"])
        if not text.endswith(end) or not text.startswith(mark):
            return [f"page {no}: foot or mark is missing"]
        said += text[len(mark) : len(text) - len(end)]
    wanted = words("".join(sheet_words(facts)))
    if said != wanted:
        at = next(
            (i for i, (a, b) in enumerate(zip(said, wanted, strict=False)) if a != b),
            min(len(said), len(wanted)),
        )
        return [f"text of the pages differs from the facts at character {at}"]
    return []


def sheet_words(facts: Mapping[str, Any]) -> list[str]:
    """Every piece of text of a deed or notice, in reading order; without foot and mark."""
    sheet = wording.sheet(facts)
    return _order_of_notice(sheet) if facts["format"] == NOTICE else _order_of_deed(sheet)


def _order_of_deed(sheet: Mapping[str, Any]) -> list[str]:
    i, t = sheet["instrument"], sheet["translation"]
    return [
        sheet["title"],
        sheet["number"],
        *sheet["parties"],
        sheet["matter"],
        *sheet["certification"],
        sheet["qr_words"],
        sheet["code"],
        sheet["office"],
        sheet["notary_label"],
        sheet["notary"],
        sheet["date"],
        i["title"],
        i["addressee"],
        *i["paragraphs"],
        *(s["label"] for s in i["signatures"]),
        i["date"],
        *(s["note"] for s in i["signatures"]),
        *sheet["notes"],
        *([t["title"], *t["paragraphs"], t["translator"]] if t else []),
    ]


def _order_of_notice(sheet: Mapping[str, Any]) -> list[str]:
    closing = [sheet[k] for k in ("qr_words", "code", "office", "notary_label", "notary", "date")]
    return [sheet["title"], sheet["number"], *sheet["paragraphs"], *sheet["notes"], *closing]


def _glyph_problems(facts: Mapping[str, Any]) -> list[str]:
    from signing.facts import BadFacts

    try:
        refuse_missing_glyphs(facts)
    except BadFacts as wrong:
        return list(wrong.problems)
    return []


def _words_of_law(facts: Mapping[str, Any]) -> list[str]:
    """H01, H04, H07: what a deed must say and must not say."""
    if facts["format"] == NOTICE:
        return []
    text = "".join(facts["certification"])
    problems = []
    if "视频" not in text:
        problems.append("certification: does not say that the act used remote video (H04)")
    if not text.startswith("兹证明"):
        problems.append("certification: does not begin with 兹证明 (H01)")
    if AGE.search(text):
        problems.append("certification: gives an age, not a birth date (H07)")
    problems += [
        f"instrument.signatures: {s['party']} has not signed"
        for s in facts["instrument"]["signatures"]
        if not s.get("strokes") or "signed_at" not in s or "bound_to" not in s
    ]
    return problems


def _areas(within: Inside) -> list[str]:
    qr, notary, seal = (within.areas[n] for n in ("qr", "notary", "seal"))
    problems = [f"the {n} would cover the QR code" for n, a in (("signature", notary), ("seal", seal)) if a.meets(qr)]
    for name, area in within.areas.items():
        if area.x < 0 or area.y < 0 or area.y + area.h > within.heights[area.page] or area.page != qr.page:
            problems.append(f"the area for {name} is off the page")
    return problems


def _structure(body: bytes) -> list[str]:
    """PDF/A-3a as far as it can be told without a validator: fonts inside, marks, no active content."""
    import io

    import pikepdf

    problems = []
    with pikepdf.open(io.BytesIO(body)) as pdf:
        root = pdf.Root
        problems += [
            f"catalogue: {k} is missing"
            for k in ("/OutputIntents", "/StructTreeRoot", "/Metadata", "/Lang")
            if k not in root
        ]
        problems += [
            f"catalogue: {k} is not allowed"
            for k in ("/OpenAction", "/AA", "/AcroForm", "/OCProperties", "/Perms")
            if k in root
        ]
        for thing in pdf.objects:
            if not isinstance(thing, pikepdf.Dictionary):
                continue
            if thing.get("/Type") == "/FontDescriptor" and not {
                "/FontFile",
                "/FontFile2",
                "/FontFile3",
            } & set(thing.keys()):
                problems.append("a font is not embedded")
            if thing.get("/S") in ("/JavaScript", "/Launch", "/URI", "/SubmitForm", "/GoToR"):
                problems.append("active content")
    return problems


def _qr(body: bytes, within: Inside) -> list[str]:
    """The code is read back from the rendered page, as a bank's telephone would read it (H05)."""
    import io

    import zxingcpp
    from PIL import Image

    page = Image.open(io.BytesIO(pages(body, 150)[within.areas["qr"].page]))
    read = zxingcpp.read_barcodes(page, formats=zxingcpp.BarcodeFormat.QRCode)
    said = [one.text for one in read]
    return [] if said == [within.facts["verify_url"]] else ["the QR code does not read back as verify_url"]


def _trial(body: bytes, facts: Mapping[str, Any]) -> list[str]:
    """Sign with keys that nobody trusts and verify with their root: what fails here never meets a real
    key."""
    from signing import keys, pades
    from signing.throwaway import authority
    from signing.verify import Trust, examine

    office = authority(facts["office"]["name"])
    notary = office.notary(facts["notary"]["name"], facts["notary"].get("id"))
    try:
        deed = pades.seal(body, notary, office.seal, office.stamper, office.status)
    except (BadBody, ValueError) as wrong:
        return [f"trial signature: {wrong}"]
    assert isinstance(office.seal, keys.FileSigner)
    verdict = examine(deed, Trust((office.root,), (office.root,)))
    return [] if verdict.verdict == "valid" else [f"trial signature: {verdict.sentence['en']}"]
