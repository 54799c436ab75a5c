"""Facts in, PDF out. typst under PDF/A-3a + PDF/UA-1, byte-deterministic for equal input.

Data reaches the layout only as JSON in `sys_inputs`; nothing is ever pasted into a template's source. The
only faces are those of the wheel `pylopdf_fonts_zh_cn`; the machine's own are not looked at.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from signing import wording
from signing.facts import BadFacts, canonical, check, check_minutes, manifest

LAYOUT = Path(__file__).parent / "layout"
STANDARDS = ["a-3a", "ua-1"]
_lock = Lock()  # typst.Compiler keeps its inputs between calls, so threads take turns
_reading = Lock()  # PDFium keeps state for the whole process: two threads inside it, if only to close, are a crash


class NotRendered(Exception):
    """typst refused; the message names why."""


def deed(facts: Mapping[str, Any]) -> bytes:
    """The unsigned body of a deed, or of a notice about one. BadFacts before anything is drawn."""
    check(facts)
    refuse_missing_glyphs(facts)
    sheet = wording.sheet(facts)
    layout = "notice"
    if facts["format"] != wording.NOTICE:
        layout = "deed"
        files = facts.get("attachments", {}).get("evidence", {}).get("files")
        sheet["evidence"] = manifest(files).decode() if files else ""
        draw_strokes(sheet["instrument"]["signatures"])
    sheet |= {"qr": qr_svg(facts["verify_url"]), "facts": canonical(facts).decode()}
    return _compile(layout, sheet, facts["office"]["name"], facts["issued_on"])


def instrument(facts: Mapping[str, Any]) -> bytes:
    """The instrument alone, unsigned: what is shown page by page and what strokes are bound to by SHA-256.

    Reads only `test`, `instrument` and `office.name`, and of the signatures only party and label, so the
    facts of the later deed give the very same bytes.
    """
    text: Mapping[str, Any] = facts["instrument"]
    labels = [s["label"] for s in text["signatures"]]
    refuse_missing_glyphs([text["title"], text.get("addressee", ""), text["paragraphs"], labels])
    sheet: dict[str, Any] = {"instrument": wording.instrument(facts, signed=False), **_marks(facts)}
    draw_strokes(sheet["instrument"]["signatures"])
    return _compile("instrument", sheet, facts["office"]["name"], text["drawn_on"])


def minutes(data: Mapping[str, Any]) -> bytes:
    """The minutes of an interview (询问笔录), E01-E05."""
    check_minutes(data)
    refuse_missing_glyphs(data)
    sheet = wording.minutes(data)
    draw_strokes(sheet["signatures"])
    sheet["facts"] = canonical(data).decode()
    at = datetime.fromisoformat(data["ended_at"]).date().isoformat()
    return _compile("minutes", sheet, data["office"]["name"], at)


def pages(pdf: bytes, dpi: int = 110) -> list[bytes]:
    """Every page as PNG, in order. ValueError where it is no PDF."""
    pictures = []
    with _open(pdf) as document:
        document.init_forms()  # without the form environment the stamps of signature fields are not drawn
        for number in range(len(document)):
            with closing(document[number]) as page, closing(page.render(scale=dpi / 72, may_draw_forms=True)) as drawn:
                pictures.append(drawn.to_pil().copy())
    return [_png(picture) for picture in pictures]


def page_texts(pdf: bytes) -> list[str]:
    """The words of every page as a reader's clipboard would get them. ValueError where it is no PDF."""
    texts = []
    with _open(pdf) as document:
        for number in range(len(document)):
            with closing(document[number]) as page, closing(page.get_textpage()) as words:
                texts.append(words.get_text_range())
    return texts


@contextmanager
def _open(pdf: bytes) -> Iterator[Any]:
    """A document that no other thread reads meanwhile. Whatever is taken out of it is closed before it is left."""
    import pypdfium2 as pdfium

    with _reading:
        try:
            document = pdfium.PdfDocument(pdf)
        except pdfium.PdfiumError as wrong:
            raise ValueError(f"not a PDF: {wrong}") from None
        with document:
            yield document


def _png(picture: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def missing_glyphs(text: str) -> list[str]:
    """Characters of `text` that the deed's face cannot draw, each once, in order of appearance."""
    have = glyphs()
    return [c for c in dict.fromkeys(text) if ord(c) not in have and c != "\n"]


def refuse_missing_glyphs(data: Any) -> None:
    """BadFacts naming every character that would print as an empty box: a tofu in a name is a void deed."""
    gone = missing_glyphs("".join(_strings(data)))
    if gone:
        raise BadFacts(tuple(f"the deed's font has no glyph for {c} (U+{ord(c):04X})" for c in gone))


@cache
def glyphs() -> frozenset[int]:
    """Code points that the face maps."""
    from fontTools.ttLib import TTFont

    with TTFont(font_file(), lazy=True) as font:
        return frozenset(font.getBestCmap())


def font_file() -> str:
    import pylopdf_fonts_zh_cn as wheel

    return str(wheel.serif_path())


def qr_svg(url: str) -> str:
    """QR code as SVG, error correction M, with the quiet zone of four modules (ISO/IEC 18004)."""
    import segno

    out = io.BytesIO()
    segno.make(url, error="m", micro=False).save(
        out, kind="svg", border=4, scale=4, dark="#000", light="#fff", nl=False
    )
    return out.getvalue().decode()


def draw_strokes(signatures: list[dict[str, Any]]) -> None:
    """Puts `svg` beside `strokes`: the signer's own points as one vector path, times left to the facts."""
    for s in signatures:
        strokes = s.pop("strokes")
        s["svg"] = strokes_svg(strokes) if strokes else ""


def strokes_svg(strokes: list[list[list[float]]]) -> str:
    """Points (x right, y down, t in ms) -> SVG. Only numbers get into the markup."""
    xs = [float(p[0]) for stroke in strokes for p in stroke]
    ys = [float(p[1]) for stroke in strokes for p in stroke]
    wide, high = max(max(xs) - min(xs), 1.0), max(max(ys) - min(ys), 1.0)
    pen = max(wide, high) / 70
    left, top = min(xs) - 2 * pen, min(ys) - 2 * pen

    def path(stroke: list[list[float]]) -> str:
        points = [f"{float(p[0]) - left:.2f} {float(p[1]) - top:.2f}" for p in stroke]
        return "M" + "L".join(points if len(points) > 1 else points * 2)

    d = "".join(path(s) for s in strokes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide + 4 * pen:.2f}" height="{high + 4 * pen:.2f}" '
        f'viewBox="0 0 {wide + 4 * pen:.2f} {high + 4 * pen:.2f}"><path d="{d}" fill="none" stroke="#1b2038" '
        f'stroke-width="{pen:.2f}" stroke-linecap="round" stroke-linejoin="round"/></svg>'
    )


def _strings(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for value in node.values():
            yield from _strings(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _strings(value)


def _marks(facts: Mapping[str, Any]) -> dict[str, str]:
    return {"mark": wording.MARK, "foot_mark": wording.FOOT_MARK} if facts["test"] else {"mark": "", "foot_mark": ""}


@cache
def _compiler(layout: str) -> Any:
    import typst

    return typst.Compiler(
        str(LAYOUT / f"{layout}.typ"),
        font_paths=[str(Path(font_file()).parent)],
        ignore_system_fonts=True,
        sys_inputs={"sheet": "{}"},
    )


def _compile(layout: str, sheet: dict[str, Any], author: str, day: str) -> bytes:
    import typst

    on = date.fromisoformat(day)
    sheet |= {"author": author, "day": [on.year, on.month, on.day]}
    text = json.dumps(sheet, ensure_ascii=False, sort_keys=True)
    try:
        with _lock:
            pdf: bytes = _compiler(layout).compile(
                format="pdf",
                sys_inputs={"sheet": text},
                pdf_standards=STANDARDS,
                timestamp=datetime(on.year, on.month, on.day, tzinfo=UTC),
            )
    except typst.TypstError as wrong:
        raise NotRendered(re.sub(r"\s+", " ", str(wrong))[:500]) from None
    return pdf
