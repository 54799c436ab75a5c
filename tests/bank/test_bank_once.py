"""A request under a key is answered once: repeated, at the same time, with another body, after a death, after a day."""

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from notary import work
from notary.models import Failure, KeptAnswer, Verification
from notary.office import once, receipts
from notary.portal import bank as door

KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


def count(world, table=Verification):
    with world.parts.db() as db:
        return db.scalar(sa.select(sa.func.count()).select_from(table))


@pytest.mark.req("I04")
def test_asked_again_with_one_key_the_answer_is_the_same_bytes_and_nothing_is_done_twice(world):
    held = world.held[0]
    lines = "\n".join(json.dumps({"sha256": one.sha256}) for one in world.held)
    asks = [
        ("/verifications", lambda: {"json": {"sha256": held.sha256}}),
        ("/verifications", lambda: world.file(held.data)),
        ("/verifications", lambda: {"json": {"sha256": "0" * 64}}),
        ("/verifications/batch", lambda: {"data": lines}),
        (f"/deeds/{held.code}/receipt", dict),
    ]
    for number, (path, body) in enumerate(asks):
        head = {"Idempotency-Key": f"ask-{number}"}
        first = world.post(path, head, **body())
        before = count(world), count(world, Failure)
        world.parts.clock.pass_by(hours=1)
        again = world.post(path, head, **body())

        assert (first.status_code, first.data, first.mimetype) == (again.status_code, again.data, again.mimetype)
        assert (first.headers.get("Idempotent-Replayed"), again.headers["Idempotent-Replayed"]) == (None, "true")
        assert (count(world), count(world, Failure)) == before
    assert count(world) == 2 + len(world.held)


def test_another_body_another_path_and_a_bad_key_are_refused_and_another_bank_has_keys_of_its_own(world):
    one, two = world.held[0], world.held[1]
    assert world.post("/verifications", KEY, json={"sha256": one.sha256}).status_code == 200
    for path, body in (("/verifications", {"json": {"sha256": two.sha256}}), ("/verifications/batch", {"data": b"{}"})):
        other = world.post(path, KEY, **body)
        assert (other.status_code, other.json["code"]) == (422, "key.other-request")
    foreign = world.post("/verifications", KEY | {"X-API-Key": world.other_key}, json={"sha256": two.sha256})
    assert foreign.json["facts"]["sha256"] == two.sha256
    for bad in ("", " ", "a b", "x" * 256, "é"):
        refused = world.post("/verifications", {"Idempotency-Key": bad}, json={"sha256": one.sha256})
        assert refused.status_code == 422, bad
    assert count(world) == 2


def test_what_changed_nothing_is_not_kept(world):
    assert world.post("/verifications", KEY, json={"number": "x"}).status_code == 422
    assert world.post("/deeds/2026-9-XXXXXXXXX/receipt", KEY).status_code == 404
    assert count(world, KeptAnswer) == 0
    assert world.post("/verifications", KEY, json={"sha256": world.held[0].sha256}).status_code == 200


def test_while_the_first_is_at_work_the_second_waits_for_nobody(world, monkeypatch):
    inside, go = threading.Event(), threading.Event()
    signed = receipts.signed

    def slow(*given):
        inside.set()
        assert go.wait(20)
        return signed(*given)

    body = {"sha256": world.held[0].sha256}
    monkeypatch.setattr(receipts, "signed", slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(world.post, "/verifications", KEY, json=body)
        assert inside.wait(20)
        busy = world.app.test_client().post("/api/v1/verifications", json=body, headers=world.head | KEY)
        go.set()
        done = first.result()
    assert (busy.status_code, busy.json["code"]) == (409, "key.at-work")
    assert done.status_code == 200
    assert world.post("/verifications", KEY, json=body).data == done.data
    assert count(world) == 1


@pytest.mark.parametrize("where", ["before the commit", "after the commit"])
def test_a_process_that_dies_leaves_nothing_or_the_whole_answer(world, monkeypatch, where):
    body = {"sha256": world.held[0].sha256}
    if (child := os.fork()) == 0:
        world.parts.engine.dispose(close=False)
        if where == "before the commit":
            door.once.keep = lambda *_a: os._exit(9)
        else:
            sa.event.listen(sa.orm.Session, "after_commit", lambda _db: os._exit(9) if door.once.seen else None)
            keep = once.keep

            def seen(*given):
                keep(*given)
                once.seen = True

            once.seen = False
            once.keep = seen
        world.post("/verifications", KEY, json=body)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    kept = 1 if where == "after the commit" else 0
    assert (count(world, KeptAnswer), count(world)) == (kept, kept)

    answer = world.post("/verifications", KEY, json=body)
    assert answer.json["verdict"] == "valid"
    assert world.opened(answer.json["receipt"])["sha256"] == world.held[0].sha256
    assert answer.headers.get("Idempotent-Replayed") == ("true" if kept else None)
    assert count(world) == 1


def test_thirty_at_once_with_one_key_are_one_verification(world):
    body = {"sha256": world.held[0].sha256}

    def ask(_n):
        client = world.app.test_client()
        return client.post("/api/v1/verifications", json=body, headers=world.head | KEY)

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(ask, range(30)))
    good = {one.data for one in replies if one.status_code == 200}
    assert {one.status_code for one in replies} <= {200, 409}
    assert (len(good), count(world)) == (1, 1)


def test_after_a_day_a_key_is_free_again_and_the_answer_is_gone(world, monkeypatch):
    one, two = world.held[0], world.held[1]
    world.post("/verifications", KEY, json={"sha256": one.sha256})
    world.parts.clock.pass_by(hours=24)
    fresh = world.post("/verifications", KEY, json={"sha256": two.sha256})
    assert fresh.json["facts"]["sha256"] == two.sha256
    monkeypatch.setattr(work.jobs, "here", lambda: world.parts)
    work.forget_answers(0)
    assert count(world, KeptAnswer) == 1
    world.parts.clock.pass_by(hours=24)
    work.forget_answers(0)
    assert count(world, KeptAnswer) == 0
