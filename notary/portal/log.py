"""The public log as static files. Any web server can serve the same folder; this is for offices that have none in front."""

from __future__ import annotations

import re

from flask import Blueprint
from werkzeug.wrappers import Response as AnyResponse

from notary.errors import NotFound
from notary.office import publishing
from notary.portal.doors import PUBLIC, only, parts

public_log = Blueprint("log", __name__)
TILE = re.compile(r"tile/(\d{1,2}|entries)/(x\d{3}/)*\d{3}(\.p/\d{1,3})?")
FOR_EVER = "public, max-age=31536000, immutable"


@public_log.get("/log/<path:name>")
@only(PUBLIC)
def file(name: str) -> AnyResponse:
    """checkpoint, tile/… and tile/entries/… (C2SP tlog-tiles). A tile never changes; the checkpoint is always asked anew."""
    if name != "checkpoint" and not TILE.fullmatch(name):
        raise NotFound
    try:
        data = (publishing.folder(parts()) / name).read_bytes()
    except OSError:
        raise NotFound from None
    kind = "text/plain; charset=utf-8" if name == "checkpoint" else "application/octet-stream"
    response = AnyResponse(data, content_type=kind)
    response.headers["Cache-Control"] = "no-cache" if name == "checkpoint" else FOR_EVER
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


@public_log.get("/.well-known/yuanzheng/log.vkey")
@only(PUBLIC)
def key() -> AnyResponse:
    """The log's verifier key, for monitors and witnesses."""
    return AnyResponse(publishing.checkpoint_key(parts()) + "\n", content_type="text/plain; charset=utf-8")
