"""Every miss is the same: status, headers, bytes, statements and digests, on the page, in the API and in a batch."""

import hashlib
import json
import re
from contextlib import contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa
from tls_gate import Identity

from notary.ledger import Actor
from notary.lifecycle import Role
from notary.models import Failure, Person, Standing
from notary.office import banks, limits

TYPED = re.compile(r'(name="(?:number|code)" type="text" value=")[^"]*')
"""What a page gives back to whoever typed it: the only thing in which two misses may differ."""
AT = re.compile(r'"line": \d+')


def misses(world):
    """Number and code: unknown, wrong beside a right one, not yet issued, revoked, and what no office ever printed."""
    one, two, gone = world.held
    world.stand(gone, Standing.REVOKED)
    return {
        "unknown number": ("（2026）渝示证证字第999号", "2026-1-AAAAAAAAA"),
        "right number, wrong code": (one.number, "2026-1-AAAAAAAAA"),
        "right number, another's code": (one.number, two.code),
        "unknown number, right code": ("（2026）渝示证证字第999号", one.code),
        "reserved number": (world.reserved.text, "2026-4-AAAAAAAAA"),
        "revoked deed, wrong code": (gone.number, "2026-3-AAAAAAAAA"),
        "malformed code": (one.number, "';--"),
        "long code": (one.number, "9" * 199),
        "code of blanks and signs": (one.number, "é \t 一"),
        "malformed number": ("%_\\", one.code),
    }


@contextmanager
def work(world, monkeypatch):
    """Counts statements (by their text) and digests."""
    done = {"statements": [], "digests": 0}
    real = hashlib.sha256

    def counting(*given, **more):
        done["digests"] += 1
        return real(*given, **more)

    def see(_c, _cursor, statement, *_more):
        done["statements"].append(statement)

    sa.event.listen(world.parts.engine, "before_cursor_execute", see)
    monkeypatch.setattr(hashlib, "sha256", counting)
    try:
        yield done
    finally:
        monkeypatch.setattr(hashlib, "sha256", real)
        sa.event.remove(world.parts.engine, "before_cursor_execute", see)


def seen(world, monkeypatch, ask, forget):
    """What somebody who misses can see, and what it cost."""
    with world.parts.db.begin() as db:
        db.execute(sa.delete(Failure))
    with work(world, monkeypatch) as done:
        reply = ask()
    head = {k: v for k, v in reply.headers.items() if k != "Content-Length"}
    return (
        reply.status_code,
        tuple(sorted(head.items())),
        forget(reply.text),
        tuple(done["statements"]),
        done["digests"],
    )


@pytest.mark.req("I01")
@pytest.mark.parametrize("where", ["page", "page as JSON", "API", "API under a key", "batch"])
def test_every_miss_is_the_same_to_see_and_the_same_work(world, monkeypatch, where):
    asks = {
        "page": lambda n, c: world.http.post("/verify", data={"number": n, "code": c}),
        "page as JSON": lambda n, c: world.http.post("/verify", data={"number": n, "code": c}, headers={"Accept": "application/json"}),
        "API": lambda n, c: world.post("/verifications", json={"number": n, "code": c}),
        "API under a key": lambda n, c: world.post("/verifications", {"Idempotency-Key": hashlib.md5((n + c).encode()).hexdigest()}, json={"number": n, "code": c}),
        "batch": lambda n, c: world.post("/verifications/batch", data=json.dumps({"number": n, "code": c})),
    }  # fmt: skip
    world.seal.down = (
        where == "batch"
    )  # a receipt names the hash of the lines and the second: the same for the same lines
    given = misses(world)
    asks[where]("x", "y")  # what is made once is made
    found = {
        name: seen(world, monkeypatch, lambda typed=typed: asks[where](*typed), lambda text: TYPED.sub(r"\1", text))
        for name, typed in given.items()
    }
    assert len(set(found.values())) == 1, {name: (one[0], one[2][:200], one[3:]) for name, one in found.items()}
    status, _head, text, statements, _digests = next(iter(found.values()))
    assert status == (200 if where == "batch" else 404)
    if where == "batch":
        assert json.loads(text.splitlines()[0])["problem"]["status"] == 404
    assert sum(one.startswith("SELECT deeds") for one in statements) == 1


@pytest.mark.req("I01")
def test_a_scanned_code_a_hash_and_a_foreign_deed_miss_alike_too(world, monkeypatch):
    def all_one(asks):
        next(iter(asks.values()))()
        found = {
            name: seen(world, monkeypatch, ask, lambda text, name=name: text.replace(name, ""))
            for name, ask in asks.items()
        }  # the page names its own address in the links that change its language
        assert len(set(found.values())) == 1, {name: (one[0], one[2][:300], one[3:]) for name, one in found.items()}
        return next(iter(found.values()))[0]

    codes = ("2026-1-AAAAAAAAA", "no-code-of-ours", world.held[0].code[:-1])
    assert all_one({one: lambda one=one: world.http.get(f"/v/{one}") for one in codes}) == 404
    hashes = ("0" * 64, "f" * 64, world.held[0].sha256[::-1])
    assert all_one({one: lambda one=one: world.post("/verifications", json={"sha256": one}) for one in hashes}) == 404
    other = {"X-API-Key": world.other_key}
    for path in ("", "/file", "/log-proof"):
        theirs = {one: lambda at=f"/deeds/{one}{path}": world.get(at, other) for one in (*codes, world.held[0].code)}
        assert all_one(theirs) == 404
    theirs = {one: lambda one=one: world.post(f"/deeds/{one}/receipt", other) for one in (*codes, world.held[0].code)}
    assert all_one(theirs) == 404


@pytest.mark.req("I01", "I04")
def test_a_key_that_opens_nothing_is_the_same_whatever_is_wrong_with_it(world, monkeypatch, tmp_path):
    with world.parts.db.begin() as db:
        person = db.scalars(sa.select(Person).where(Person.login == "guanli")).one()
        by = Actor(Role.ADMIN, person.id, person.name, person.office_id)
        banks.add_certificate(db, world.bank_id, Identity(tmp_path, "bank").pem, by, world.parts.clock())
        banks.disable(db, world.other_id, by, world.parts.clock())
    keys = {"unknown": "yz_" + "A" * 43, "without its certificate": world.key, "stopped": world.other_key, "short": "x"}
    found = {
        name: seen(world, monkeypatch, lambda key=key: world.get("/events", {"X-API-Key": key}), str)
        for name, key in keys.items()
    }
    assert len(set(found.values())) == 1, found
    assert found["unknown"][0] == 401


def test_what_postgresql_cannot_keep_is_a_miss_and_no_error(world):
    for body in ({"number": "\0", "code": world.held[0].code}, {"number": "x", "code": "\0"}):
        assert world.post("/verifications", json=body).status_code == 404
    for raw in (b'{"number": "\\ud800", "code": "x"}', b'{"sha256": "\\ud800"}', b"\xff"):
        assert world.post("/verifications", data=raw, content_type="application/json").status_code == 422
        told = world.post("/verifications/batch", data=raw)
        assert told.status_code in (200, 422)
        assert "bad-input" in told.text


@pytest.mark.req("I01", "K06")
def test_guesses_run_out_for_each_bank_and_each_address_by_itself_and_it_is_said_when_to_come_back(world, monkeypatch):
    for name in ("bank-verify", "verify"):
        monkeypatch.setitem(limits.ALLOWED, name, 3)
    held, wrong = world.held[0], {"number": world.held[0].number, "code": "2026-1-AAAAAAAAA"}
    told = [world.post("/verifications", json=wrong) for _n in range(4)]
    assert [one.status_code for one in told] == [404, 404, 404, 429]
    problem = told[-1].json
    assert (problem["code"], problem["retry_after"]) == ("too-many", int(told[-1].headers["Retry-After"]))
    assert 0 < problem["retry_after"] <= 1801
    right = world.post("/verifications", json={"number": held.number, "code": held.code})
    assert right.status_code == 429  # or the last guess would be told from the others
    lines = world.post("/verifications/batch", data=json.dumps(wrong)).text.splitlines()
    assert json.loads(lines[0])["problem"]["status"] == 429
    other = world.post("/verifications", {"X-API-Key": world.other_key}, json=wrong)
    assert other.status_code == 404  # another bank, the same address
    assert world.http.post("/verify", data=wrong).status_code == 404
    world.parts.clock.pass_by(minutes=31)
    assert world.post("/verifications", json=wrong).status_code == 404


@pytest.mark.req("K06")
def test_a_bank_that_hurries_is_slowed_down_and_its_batch_counts_by_lines(world, monkeypatch):
    monkeypatch.setitem(limits.PACES, "bank", limits.Rate(timedelta(seconds=1), timedelta(seconds=10)))
    line = json.dumps({"sha256": world.held[0].sha256})
    assert world.post("/verifications/batch", data="\n".join([line] * 9)).status_code == 200
    refused = world.get("/events")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "2")
    assert world.get("/events", {"X-API-Key": world.other_key}).status_code == 200
    world.parts.clock.pass_by(seconds=2)
    assert [world.get("/events").status_code for _n in range(3)] == [200, 200, 429]
    monkeypatch.setitem(limits.PACES, "bank-address", limits.Rate(timedelta(hours=1), timedelta(minutes=1)))
    slow = world.get("/events", {"X-API-Key": world.other_key})
    assert slow.status_code == 429  # nor by having many keys at one address


def test_wrong_keys_run_out_and_a_right_one_still_opens(world):
    wrong = {"X-API-Key": "yz_guess"}
    told = [world.get("/events", wrong).status_code for _n in range(21)]
    assert (set(told[:20]), told[20]) == ({401}, 429)
    assert world.get("/events").status_code == 200
