"""The revocation feed: pages by a place in the log, signed, with nobody's name, and quiet while nothing happens."""

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa
from bank_world import digest

from notary.models import Deed, Event, FormerFile, Standing
from notary.office import feed, publishing
from signing.tiles import Tiles, in_folder
from tests.conftest import NOON


def read(reply):
    *lines, end = [json.loads(one) for one in reply.text.splitlines()]
    return lines, end


@pytest.mark.req("I04", "I06", "H12")
def test_the_feed_tells_every_bank_what_happened_since_its_place_in_the_log(world):
    one, two = world.held[:2]
    start = read(world.get("/revocations"))[1]["next"]
    world.stand(one, Standing.UNDER_REVIEW, NOON + timedelta(hours=1))
    world.stand(two, Standing.REVOKED, NOON + timedelta(hours=2))
    lines, end = read(world.get(f"/revocations?after={start}"))
    assert [(line["type"], line["number"], line["files"]) for line in lines] == [
        ("deed.under_review", one.number, [one.sha256]), ("deed.revoked", two.number, [two.sha256]),
    ]  # fmt: skip
    stranger = read(world.get("/revocations", {"X-API-Key": world.other_key}))[0]
    assert stranger == lines  # a bank to which neither was delivered may hold a copy too
    world.stand(one, Standing.VALID, NOON + timedelta(hours=3))
    more, last = read(world.get(f"/revocations?after={end['next']}"))
    assert [line["type"] for line in more] == ["deed.valid"]
    assert read(world.get(f"/revocations?after={last['next']}")) == ([], {**last, "receipt": read(world.get(f"/revocations?after={last['next']}"))[1]["receipt"]})  # fmt: skip
    everything = world.get("/revocations").text
    for private in ("王大川", "王**", "+86138", "样本理由", one.code, two.code, str(one.case_id)):
        assert private not in everything


@pytest.mark.req("I06")
def test_each_line_stands_in_the_public_log_at_the_place_it_names(world):
    world.stand(world.held[1], Standing.REVOKED)
    publishing.publish(world.parts)
    reply = world.get("/revocations")
    (line,), end = read(reply)
    claims = world.opened(end["receipt"])
    covered = "".join(reply.text.splitlines(keepends=True)[:-1]).encode()
    assert (claims["after"], claims["next"], claims["lines"]) == (0, line["seq"], 1)
    assert claims["sha256"] == digest(covered)
    assert claims["log"]["size"] > line["log_index"]
    tree = Tiles(claims["log"]["size"], in_folder(publishing.folder(world.parts)))
    with world.parts.db() as db:
        event = db.get_one(Event, line["log_index"] + 1)
    assert tree.node(0, line["log_index"]) == bytes(event.leaf_hash)
    leaf = json.loads(bytes(event.leaf))
    assert (leaf["kind"], leaf["public"]["sha256"]) == (line["type"], line["files"][0])


def test_while_nothing_happens_the_etag_holds_and_nothing_is_signed(world):
    world.stand(world.held[1], Standing.REVOKED)
    first = world.get("/revocations")
    etag = first.headers["ETag"]
    world.seal.down = True
    same = world.get("/revocations", {"If-None-Match": etag})
    assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", etag)
    world.seal.down = False
    world.stand(world.held[2], Standing.REVOKED)
    assert world.get("/revocations", {"If-None-Match": etag}).status_code == 200
    assert first.headers["Cache-Control"] == "private, no-cache"


def test_a_feed_of_more_than_one_page_is_whole_and_in_order(world, monkeypatch):
    monkeypatch.setattr(feed, "MOST", 2)
    for number in range(5):
        world.stand(world.held[number % 3], Standing.UNDER_REVIEW if number % 2 else Standing.VALID)
    seen, after, more = [], 0, True
    while more:
        lines, end = read(world.get(f"/revocations?after={after}"))
        assert len(lines) <= 2
        seen += [line["seq"] for line in lines]
        after, more = end["next"], end["more"]
    assert len(seen) == 5
    assert seen == sorted(set(seen))


def test_a_file_from_before_a_renewal_is_named_too(world):
    held = world.held[0]
    with world.parts.db.begin() as db:
        deed = db.scalars(sa.select(Deed).where(Deed.sha256 == held.sha256)).one()
        db.add(FormerFile(deed_id=deed.id, sha256="a" * 64, object_key="k", replaced_at=NOON))
    world.stand(held, Standing.REVOKED)
    assert read(world.get("/revocations"))[0][0]["files"] == [held.sha256, "a" * 64]


def test_without_a_seal_the_feed_still_answers(world):
    world.stand(world.held[1], Standing.REVOKED)
    world.seal.down = True
    lines, end = read(world.get("/revocations"))
    assert (len(lines), end["receipt"]) == (1, None)
