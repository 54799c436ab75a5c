"""The API's own description: valid OpenAPI 3.1, and every answer is as described, in both directions."""

import json
import re
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import pytest
from bank_world import digest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from notary.models import Bank, Standing
from notary.office import once
from notary.portal import shapes
from tests.conftest import NOON

ROOT = Path(__file__).parents[2]


class Described:
    """Holds every answer against the document, and remembers what was seen of it."""

    def __init__(self, http):
        self.spec = http.get("/api/v1/openapi.json").json
        self.answers, self.fields = set(), defaultdict(set)

    def take(self, method, path, reply):
        template = self.template(path.partition("?")[0])
        told = self.spec["paths"][template][method.lower()]["responses"]
        assert str(reply.status_code) in told, (method, template, reply.status_code, reply.text[:300])
        self.answers.add((method.lower(), template, str(reply.status_code)))
        answer = told[str(reply.status_code)]
        for name, head in answer.get("headers", {}).items():
            assert name in reply.headers or not head.get("required"), (template, name)
        if not answer.get("content"):
            assert not reply.data
            return reply
        assert reply.mimetype in answer["content"], (template, reply.mimetype)
        schema = answer["content"][reply.mimetype]["schema"]
        if reply.mimetype == "application/x-ndjson":
            *lines, last = [json.loads(one) for one in reply.text.splitlines()]
            for line in lines:
                self.holds(line, schema["x-line"])
            self.holds(last, schema["x-last-line"])
        elif reply.mimetype != "application/pdf":
            self.holds(json.loads(reply.data), schema)
        return reply

    def template(self, path):
        found = [one for one in self.spec["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", one), path)]
        assert found, f"{path} is not described"
        return min(found, key=lambda one: one.count("{"))

    def holds(self, value, schema):
        whole = {**schema, "components": self.spec["components"]}
        faults = list(Draft202012Validator(whole).iter_errors(value))
        assert not faults, "\n".join(f"{one.json_path}: {one.message[:300]}" for one in faults)
        self.see(value, schema)

    def see(self, value, schema):
        """Which fields of the named shapes came."""
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[-1]
            self.fields[name] |= set(value) if isinstance(value, dict) else set()
            schema = self.spec["components"]["schemas"][name]
        for choice in schema.get("anyOf", ()):
            if Draft202012Validator({**choice, "components": self.spec["components"]}).is_valid(value):
                self.see(value, choice)
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in schema.get("properties", {}):
                    self.see(inner, schema["properties"][key])
        if isinstance(value, list):
            for inner in value:
                self.see(inner, schema.get("items", {}))


def test_the_description_is_valid_openapi(world):
    spec = world.http.get("/api/v1/openapi.json").json

    validate(spec, cls=OpenAPIV31SpecValidator)
    assert spec["openapi"].startswith("3.1")
    assert "HTTPError" not in json.dumps(spec)


def test_every_route_is_described_and_nothing_else_is(world):
    spec = world.http.get("/api/v1/openapi.json").json
    there = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in world.app.url_map.iter_rules() if rule.rule.startswith("/api/")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }  # fmt: skip
    told = {(method, path) for path, item in spec["paths"].items() for method in item}

    assert there == told


@pytest.mark.req("I04")
def test_every_answer_is_as_described_and_everything_described_is_answered(world, monkeypatch):
    seen = Described(world.http)
    walk(world, seen, monkeypatch)

    described = {
        (method, path, status)
        for path, item in seen.spec["paths"].items() for method, told in item.items() for status in told["responses"]
    }  # fmt: skip
    assert described - seen.answers == set()
    shapes_there = seen.spec["components"]["schemas"]
    missing = {
        f"{name}.{field}"
        for name, shape in shapes_there.items() if name != "VerificationIn"
        for field in shape.get("properties", {}) if field not in seen.fields[name]
    }  # fmt: skip
    assert missing == set()
    assert all(one.get("additionalProperties") is False for one in shapes_there.values())


@pytest.mark.req("K06")
def test_a_problem_has_one_of_the_described_codes(world):
    codes = world.http.get("/api/v1/openapi.json").json["components"]["schemas"]["Problem"]["properties"]["code"][
        "enum"
    ]

    assert tuple(codes) == shapes.CODES
    page = (ROOT / "docs" / "bank.md").read_text()
    assert [one for one in codes if f"`{one}`" not in page] == []


def walk(world, seen, monkeypatch):
    """Every route, every answer of it."""
    deed, other = world.held[0], world.held[1]
    single, batch = "/api/v1/verifications", "/api/v1/verifications/batch"

    def post(path, head=None, **more):
        return seen.take("post", path, world.http.post(path, headers=world.head if head is None else head, **more))

    def get(path, head=None):
        return seen.take("get", path, world.http.get(path, headers=world.head if head is None else head))

    get("/api/v1/openapi.json", {})
    assert post(single, json={"number": deed.number, "code": deed.code}).json["verdict"] == "valid"
    assert post(single, json={"sha256": deed.sha256}).json["way"] == "hash"
    assert post(single, **world.file(deed.data)).json["machine"]["verdict"] == "valid"
    spoiled = bytearray(deed.data)
    spoiled[len(spoiled) // 2] ^= 1
    changed = post(single, **world.file(bytes(spoiled))).json
    assert (changed["verdict"], changed["machine"]["verdict"]) == ("changed", "invalid")
    assert post(single, **world.file(b"%PDF-1.7 nothing")).json["facts"] == {}
    world.stand(other, Standing.REVOKED)
    assert post(single, json={"sha256": other.sha256}).json["reasons"] == ["样本理由"]
    post(single, json={"sha256": "0" * 64})
    post(single, json={"number": deed.number})
    post(single, head={}, json={})
    lines = [{"sha256": deed.sha256}, {"number": deed.number, "code": "2026-1-AAAAAAAAA"}, {"number": "x"}]
    assert post(batch, data="\n".join(map(json.dumps, lines))).status_code == 200
    post(batch, data=b"")
    post(batch, head={})

    base = f"/api/v1/deeds/{deed.code}"
    for path in (base, f"{base}/file", f"{base}/log-proof"):
        assert get(path).status_code == 200
        get(path, {})
        get(path.replace(deed.code, "2026-9-XXXXXXXXX"))
        get(path + "?x=%00")
    assert post(f"{base}/receipt").status_code == 200
    get(base)
    post(f"{base}/receipt", {})
    post("/api/v1/deeds/2026-9-XXXXXXXXX/receipt")
    for path in (single, batch, f"{base}/receipt", "/api/v1/events"):
        take = get if path.endswith("events") else post
        take(path + "?x=%00")
    with world.parts.db() as db:
        once.take(db, db.get_one(Bank, world.bank_id), "busy", "", NOON)
        for path, body in (
            (single, {"json": {"sha256": deed.sha256}}),
            (batch, {"data": b"{}"}),
            (f"{base}/receipt", {}),
        ):
            assert post(path, world.head | {"Idempotency-Key": "busy"}, **body).status_code == 409
    post(f"{base}/receipt", world.head | {"Idempotency-Key": "a b"})
    assert get("/api/v1/events").json["events"][-1]["type"] == "deed.revoked"
    get("/api/v1/events", {})
    get("/api/v1/events?after=-1")
    feed = "/api/v1/revocations"
    etag = get(feed).headers["ETag"]
    assert get(feed, world.head | {"If-None-Match": etag}).status_code == 304
    get(feed, {})
    get(feed + "?after=x")
    get(feed + "?x=%00")
    away(
        world,
        seen,
        monkeypatch,
        (single, batch, f"{base}/receipt"),
        (base, f"{base}/file", f"{base}/log-proof", "/api/v1/events", feed),
    )


def away(world, seen, monkeypatch, posts, gets):
    """Too large, too many, not yet, and the register away."""
    import notary.app
    from notary.office import limits

    deed = world.held[0]
    monkeypatch.setattr(notary.app, "LARGEST_DEED", 1000)
    world.app.config["MAX_CONTENT_LENGTH"] = 1000
    for path in posts[:2]:
        seen.take("post", path, world.http.post(path, headers=world.head, **world.file(b"%PDF" + b"x" * 2000)))
    with world.parts.db.begin() as db:
        from notary import ledger

        case_id = world.held[2].case_id
        ledger.append(db, "deed.renewed", ledger.SYSTEM, NOON, case_id=case_id, number="1", before="", sha256="")
    world.seal.down = True
    path = f"/api/v1/deeds/{world.held[2].code}/log-proof"
    assert seen.take("get", path, world.get(path.removeprefix("/api/v1"))).json["unmet"]
    assert digest(deed.data) == deed.sha256
    world.seal.down = False
    with monkeypatch.context() as slow:
        slow.setitem(limits.PACES, "bank", limits.Rate(timedelta(hours=1), timedelta()))
        for path in posts:
            seen.take("post", path, world.http.post(path, headers=world.head, json={}))
        for path in gets:
            assert seen.take("get", path, world.http.get(path, headers=world.head)).status_code == 429
    broken(world, monkeypatch)
    for path in posts:
        seen.take("post", path, world.http.post(path, headers=world.head, json={}))
    for path in gets:
        seen.take("get", path, world.http.get(path, headers=world.head))


def broken(world, monkeypatch):
    """From here on the database does not answer."""
    from sqlalchemy.exc import OperationalError

    from notary.portal import doors

    def gone(*_a, **_k):
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(doors, "visitor", gone)
