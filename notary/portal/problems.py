"""A refusal as problem+json (RFC 9457), whole or as one line of many."""

from __future__ import annotations

from typing import Any

from notary.errors import Refusal


def problem_of(error: Refusal) -> dict[str, Any]:
    return {
        "type": f"/problems/{error.code}",
        "title": error.title(),
        "status": error.status,
        "detail": error.meaning(),
        "code": error.code,
        **error.detail,
    }
