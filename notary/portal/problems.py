"""A refusal as problem+json (RFC 9457), whole or as one line of many."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from flask import Response

from notary.errors import Refusal, TooMany


def problem_of(error: Refusal) -> dict[str, Any]:
    return {
        "type": f"/problems/{error.code}",
        "title": error.title(),
        "status": error.status,
        "detail": error.meaning(),
        "code": error.code,
        **error.detail,
    }


def response_of(error: Refusal) -> Response:
    text = json.dumps(problem_of(error), ensure_ascii=False)
    return waiting(Response(text, error.status, mimetype="application/problem+json"), error)


def waiting(response: Response, error: Refusal) -> Response:
    """Says when to ask again, where that is known."""
    if isinstance(error, TooMany):
        response.headers["Retry-After"] = str(error.after)
    elif error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = "30"
    return response
