"""The child process of `intake`: one upload in, the same thing drawn anew out. It imports nothing of the office.

A PDF is drawn page by page, as a viewer first shows it, and put together anew: no script, form, layer or embedded file
survives. What is filled into a form is drawn; a form that only one maker's program can show (XFA) is refused.
"""

from __future__ import annotations

import io
import json
import re
import resource
import sys

LARGEST = 25 * 1024 * 1024
LARGEST_SIDE = 3000
"""Pixels; a phone's photograph of a card stays readable well below it."""
LARGEST_WHOLE = 4200
"""Of a card's: a phone of twelve million pixels is not scaled, for scaling wipes out the signs of a change to the picture."""
EDITORS = (
    "photoshop", "lightroom", "gimp", "snapseed", "picsart", "meitu", "美图", "醒图", "pixelmator", "affinity", "paint.net", "canva",
    "facetune", "inshot", "krita", "photopea", "稿定", "faceapp",
)  # fmt: skip
"""Programs that change pictures, as they write themselves into a file; a phone's own program is none of them."""
MOST_PAGES = 40
MEMORY = 1024 * 1024 * 1024
SECONDS = 40
DPI = 144
PICTURES = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}


def _limit() -> None:
    """Binds this very process; a limit set between fork and exec could deadlock in a server of many threads."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


class Unfit(Exception):
    """Ends the child; its text is for `_why`."""


def _picture(data: bytes, kind: str, largest: int = LARGEST_SIDE) -> tuple[bytes, int]:
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = 60_000_000
    with Image.open(io.BytesIO(data), formats=[PICTURES[kind]]) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    if min(upright.size) < 200:
        raise Unfit("small")
    upright.thumbnail((largest, largest))
    out = io.BytesIO()
    upright.save(out, "JPEG", quality=90)
    return out.getvalue(), 1


def editor(data: bytes, kind: str) -> str:
    """The name of the program of `EDITORS` that says in the file that it wrote it, or ''. At most 60 printable characters."""
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=[PICTURES[kind]]) as opened:
        exif = opened.getexif()
        said = [exif.get(tag, "") for tag in (0x000B, 0x0131)]  # ProcessingSoftware, Software (Exif 2.32, 4.6.5)
        said += [opened.info.get("Software", "")]
        xmp = opened.info.get("xmp", b"")
    found = re.search(rb"CreatorTool(?:>|=\")([^<\"]{1,60})", xmp) if isinstance(xmp, bytes) else None
    said += [found[1].decode("utf-8", "replace")] if found else []
    for name in map(str, said):
        if any(one in name.casefold() for one in EDITORS):
            return "".join(letter for letter in name if letter.isprintable())[:60]
    return ""


def _pdf(data: bytes) -> tuple[bytes, int]:
    import pypdfium2
    import pypdfium2.raw as pdfium_c
    from PIL import Image

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as bad:
        raise Unfit("locked" if "password" in str(bad).lower() else "broken") from bad
    if document.get_formtype() in (pdfium_c.FORMTYPE_XFA_FULL, pdfium_c.FORMTYPE_XFA_FOREGROUND):
        raise Unfit("xfa")
    document.init_forms()
    if len(document) > MOST_PAGES:
        raise Unfit(f"pages: {len(document)}")
    pictures = []
    for page in document:
        width, height = page.get_size()
        scale = min(DPI / 72, LARGEST_SIDE / max(width, height, 1))
        bitmap = page.render(scale=scale, may_draw_forms=True)
        out = io.BytesIO()
        bitmap.to_pil().convert("RGB").save(out, "JPEG", quality=85)
        bitmap.close()
        page.close()
        pictures.append(Image.open(out))
    if not pictures:
        raise Unfit("broken")
    made = io.BytesIO()
    pictures[0].save(made, "PDF", save_all=True, append_images=pictures[1:], resolution=DPI)
    return made.getvalue(), len(pictures)


def main() -> int:
    _limit()
    kind, data = sys.argv[1], sys.stdin.buffer.read(LARGEST + 1)
    largest = LARGEST_WHOLE if "whole" in sys.argv[2:] else LARGEST_SIDE
    wrote = ""
    try:
        body, pages = _pdf(data) if kind == "application/pdf" else _picture(data, kind, largest)
        if kind != "application/pdf":
            wrote = editor(data, kind)
    except Unfit as unfit:
        print(unfit, file=sys.stderr)
        return 1
    media_type = kind if kind == "application/pdf" else "image/jpeg"
    sys.stdout.buffer.write(
        json.dumps({"media_type": media_type, "pages": pages, "editor": wrote}).encode() + b"\n" + body
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
