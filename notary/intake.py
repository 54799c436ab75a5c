"""What people hand in: looked at by content, re-encoded, never kept as it came.

The parsing runs in a child process with little memory and time, since a picture or a PDF may be made to
break its reader: `python -m notary.redraw KIND < upload > clean`.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass

import puremagic
from flask_babel import gettext as _

from notary.errors import BadInput
from notary.redraw import LARGEST, MOST_PAGES, PICTURES, SECONDS


@dataclass(frozen=True)
class Clean:
    """`data` is a JPEG, or a PDF made of page pictures. `editor`: the program that says in the file that it changed it."""

    media_type: str
    data: bytes
    pages: int
    editor: str = ""


def clean(data: bytes, accepts: tuple[str, ...], *, whole: bool = False) -> Clean:
    """The upload as the office keeps it. `accepts` holds `photo`, `pdf`; `whole`: a phone's picture is not scaled.

    Raises BadInput in the uploader's words.
    """
    if not data:
        raise BadInput({"file": _("文件是空的，可能没传完。请再传一次。")})
    if len(data) > LARGEST:
        raise BadInput({"file": _("文件太大了（最多 %(mb)d MB）。请重拍一张，或者分几次交。", mb=LARGEST // 2**20)})
    kind = sniff(data)
    if kind == "application/pdf" and "pdf" not in accepts:
        raise BadInput({"file": _("这里要照片，不要 PDF。请用手机拍一张。")})
    if kind not in ("application/pdf", *PICTURES):
        raise BadInput({"file": _("这个文件不是照片也不是 PDF。请用手机拍照，或者交 PDF。")})
    try:
        child = subprocess.run(
            [sys.executable, "-m", "notary.redraw", kind, *(["whole"] if whole else [])],
            input=data, capture_output=True, check=False, timeout=SECONDS + 20,
            env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )  # fmt: skip
    except subprocess.TimeoutExpired as slow:
        raise BadInput({"file": _why(b"")}) from slow
    if child.returncode != 0:
        raise BadInput({"file": _why(child.stderr)})
    head, _sep, body = child.stdout.partition(b"\n")
    said = json.loads(head)
    return Clean(said["media_type"], body, said["pages"], said["editor"])


def sniff(data: bytes) -> str:
    """The media type by content; the name that came with it counts for nothing."""
    try:
        return str(puremagic.from_string(data[:4096], mime=True))
    except (puremagic.PureError, ValueError):
        return ""


def _why(stderr: bytes) -> str:
    last = stderr.strip().rsplit(b"\n", 1)[-1].decode(errors="replace")
    if last.startswith("pages:"):
        return _("这个 PDF 有 %(n)s 页，一次最多 %(most)d 页。请分几次交。", n=last[6:].strip(), most=MOST_PAGES)
    if last.startswith("locked"):
        return _("这个 PDF 上了密码，我们打不开。请去掉密码再交，或者拍照片。")
    if last.startswith("xfa"):
        return _("这个 PDF 是动态表单，别的程序看不到里面填的字。请打印成 PDF 再交，或者拍照片。")
    if last.startswith("small"):
        return _("这张照片太小，字看不清。请用手机原图再拍一张。")
    return _("这个文件打不开，可能没传完或者坏了。请再传一次，或者重新拍照。")


def small(jpeg: bytes, side: int = 480) -> bytes:
    """A preview of a picture that `clean` made."""
    from PIL import Image

    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as picture:
        picture.draft("RGB", (side, side))
        picture.thumbnail((side, side))
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=80)
    return out.getvalue()
