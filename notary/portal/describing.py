"""The OpenAPI document: what the framework makes of the routes, and what it cannot know about them."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from notary.portal import shapes
from notary.settings import CHECKOUT

SECURITY = ["ApiKey"]
SCHEMES = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "MutualTls": {"type": "mutualTLS", "description": "One of the certificates that the bank has registered, if any"},
}
EVERYWHERE = (400, 429, 503)
"""A request that cannot be read, too many of them, and a part of the office that is away: possible at every route."""
REFUSALS = {
    400: "The request cannot be read",
    401: "No key of a bank",
    404: "Nothing there, or nothing there for this bank: the two are not told apart",
    409: "Not now",
    413: "Too large",
    422: "A field is not as described",
    429: "Too many requests",
    503: "A part of the office does not answer; nothing was done",
}
WAITS = {409, 429, 503}
ONCE = {
    "name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "description": "Sent again with the same body within 24 hours: the same answer, and nothing is done twice",
}  # fmt: skip
REPLAYED = {"description": "The answer of before, byte for byte", "schema": {"const": "true"}}
FILE = {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}
MADE = (
    shapes.VerificationIn,
    shapes.Problem,
    shapes.BatchLine,
    shapes.BatchEnd,
    shapes.Revocation,
    shapes.RevocationsEnd,
)


def describe(spec: dict[str, Any]) -> dict[str, Any]:
    """Completes what the framework made of the routes."""
    schemas = spec.setdefault("components", {}).setdefault("schemas", {})
    for foreign in ("HTTPError", "ValidationError"):
        schemas.pop(foreign, None)
    schemas |= _schemas(MADE) | {"MachineReport": _machine()}
    schemas["VerificationOut"]["properties"]["machine"] = {
        "anyOf": [{"$ref": "#/components/schemas/MachineReport"}, {"type": "object", "maxProperties": 0}],
        "description": schemas["VerificationOut"]["properties"]["machine"]["description"],
    }
    spec["info"]["license"] = {"name": "Apache License 2.0", "identifier": "Apache-2.0"}
    spec["info"]["description"] = "Questions about deeds of this office. docs/bank.md walks through it."
    paths = spec["paths"]
    for path, item in paths.items():
        for verb, told in item.items():
            told["operationId"] = _named(verb, path)
            _refusals(told)
            if told.get("security"):
                told["security"] = [{"ApiKey": []}, {"ApiKey": [], "MutualTls": []}]
            if verb == "post":
                told["parameters"] = [*told.get("parameters", []), ONCE]
                told["responses"]["200"]["headers"] = {"Idempotent-Replayed": REPLAYED}
    _body(
        paths["/api/v1/verifications"]["post"],
        {"application/json": _ref("VerificationIn"), "multipart/form-data": FILE},
    )
    batch = paths["/api/v1/verifications/batch"]["post"]
    _body(batch, {"application/x-ndjson": {"type": "string", "x-line": _ref("VerificationIn")}})
    lines = {"type": "string", "x-line": _ref("BatchLine"), "x-last-line": _ref("BatchEnd")}
    _answers(batch, "application/x-ndjson", lines)
    feed = paths["/api/v1/revocations"]["get"]
    lines = {"type": "string", "x-line": _ref("Revocation"), "x-last-line": _ref("RevocationsEnd")}
    _answers(feed, "application/x-ndjson", lines)
    feed["responses"]["200"]["headers"] = {"ETag": {"required": True, "schema": {"type": "string"}}}
    feed["responses"]["304"] = {"description": "Nothing new since the ETag of If-None-Match"}
    _answers(paths["/api/v1/deeds/{code}/file"]["get"], "application/pdf", {"type": "string", "format": "binary"})
    _answers(paths["/api/v1/deeds/{code}/log-proof"]["get"], "application/json", _proof())
    paths["/api/v1/openapi.json"] = {"get": _itself()}
    return spec


def _schemas(models: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    _keys, made = models_json_schema(
        [(one, "serialization") for one in models], ref_template="#/components/schemas/{model}"
    )
    return made["$defs"]


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _named(verb: str, path: str) -> str:
    return verb + "".join(
        part.title() for part in path.replace("/api/v1", "").replace("-", "/").split("/") if "{" not in part
    )


def _refusals(told: dict[str, Any]) -> None:
    answers = told["responses"]
    wanted = {int(status) for status in answers if int(status) >= 400} | set(EVERYWHERE)
    for status in sorted(wanted):
        answers[str(status)] = {
            "description": REFUSALS[status], "content": {"application/problem+json": {"schema": _ref("Problem")}},
        }  # fmt: skip
        if status in WAITS:
            answers[str(status)]["headers"] = {
                "Retry-After": {"description": "Seconds", "schema": {"type": "integer"}, "required": status != 409}
            }


def _body(told: dict[str, Any], content: dict[str, Any]) -> None:
    told["requestBody"] = {"required": True, "content": {kind: {"schema": schema} for kind, schema in content.items()}}


def _answers(told: dict[str, Any], kind: str, schema: dict[str, Any]) -> None:
    answer = told["responses"]["200"]
    answer |= {"description": told["summary"], "content": {kind: {"schema": schema}}}


def _machine() -> dict[str, Any]:
    made = json.loads((CHECKOUT / "docs/formats/verdict.schema.json").read_text("utf-8"))
    return {name: value for name, value in made.items() if name not in ("$schema", "$id")}


def _proof() -> dict[str, Any]:
    """yuanzheng-log-proof/1, docs/formats/log.md."""
    text, number = {"type": "string"}, {"type": "integer", "minimum": 0}
    opening = {
        "type": "object", "additionalProperties": False, "required": ["salt", "private"],
        "properties": {"salt": text, "private": text},
    }  # fmt: skip
    fields = {
        "format": {"const": "yuanzheng-log-proof/1"}, "leaf": text, "index": number, "size": number,
        "path": {"type": "array", "items": text}, "checkpoint": text, "opening": opening,
    }  # fmt: skip
    return {"type": "object", "additionalProperties": False, "required": list(fields), "properties": fields}


def _itself() -> dict[str, Any]:
    return {
        "operationId": "getOpenapi", "summary": "This document", "tags": ["Deeds"], "security": [], "parameters": [],
        "responses": {"200": {"description": "OpenAPI 3.1", "content": {"application/json": {"schema": {"type": "object"}}}}},
    }  # fmt: skip
