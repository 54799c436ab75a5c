"""A year later: the archive stamp is renewed, the register knows both files, and whoever holds the old one is served."""

import hashlib
import io
from datetime import timedelta

import pytest
import sqlalchemy as sa

from notary.models import Deed, Event, FormerFile
from notary.office import issuing, renewing
from notary.office.renewing import NotRenewed
from signing.verify import Trust, verify

pytestmark = pytest.mark.slow
JSON = {"Accept": "application/json"}


def deed_of(world, case_id):
    with world.parts.db() as db:
        return db.scalars(sa.select(Deed).where(Deed.case_id == case_id)).one()


def file_of(world, deed):
    return issuing.deed_bytes(world.parts, world.case(deed.case_id), deed)


def a_night(world):
    renewing.enqueue_due(world.parts)
    world.work()


@pytest.fixture(scope="module")
def issued(world):
    """(case, the deed's first file)."""
    case_id = world.case_ids[0]
    world.issue(case_id)
    return case_id, file_of(world, deed_of(world, case_id))


@pytest.mark.req("H03")
def test_a_deed_of_this_year_is_left_as_it_is(world, issued):
    case_id, first = issued
    a_night(world)
    assert file_of(world, deed_of(world, case_id)) == first


@pytest.mark.req("H03")
def test_a_year_later_it_is_another_file_and_the_same_deed(world, issued, monkeypatch):
    case_id, first = issued
    before = deed_of(world, case_id)
    world.clock.pass_by(days=366)

    monkeypatch.setattr(type(world.parts.seal), "renew", lambda *_: first[:-1] + b"x")
    with pytest.raises(NotRenewed):
        renewing.renew(world.parts, str(before.id))
    assert deed_of(world, case_id).sha256 == before.sha256
    monkeypatch.undo()

    a_night(world)
    after = deed_of(world, case_id)
    second = file_of(world, after)
    assert second.startswith(first)
    assert after.sha256 == hashlib.sha256(second).hexdigest() != before.sha256
    assert world.clock() - after.renewed_at < timedelta(minutes=1)
    assert verify(second, Trust.from_pem(world.parts.seal.public().trust_pem)).verdict == "valid"
    with world.parts.db() as db:
        (former,) = db.scalars(sa.select(FormerFile)).all()
        told = db.scalars(sa.select(Event).where(Event.kind == "deed.renewed")).one()
    assert (former.deed_id, former.sha256, former.object_key) == (before.id, before.sha256, before.object_key)
    assert (told.payload["before"], told.payload["sha256"]) == (before.sha256, after.sha256)

    a_night(world)
    renewing.renew(world.parts, str(before.id))
    with world.parts.db.begin() as db:  # a second run that was slower
        renewing.commit(db, before.id, before.sha256, "elsewhere", "0" * 64, world.clock())
    assert deed_of(world, case_id).object_key == after.object_key


@pytest.mark.req("I01")
def test_both_files_answer_as_genuine_and_a_third_does_not(world, issued):
    case_id, first = issued
    second = file_of(world, deed_of(world, case_id))
    anybody = world.stranger().http
    for data in (first, second):
        sha256 = hashlib.sha256(data).hexdigest()
        by_hash = anybody.post("/verify", data={"sha256": sha256}, headers=JSON).json
        assert (by_hash["verdict"], by_hash["facts"]["sha256"]) == ("valid", sha256)
        upload = {"file": (io.BytesIO(data), "deed.pdf")}
        by_file = anybody.post("/verify", data=upload, headers=JSON, content_type="multipart/form-data").json
        assert (by_file["verdict"], by_file["facts"]["sha256"]) == ("valid", sha256)
    changed = first[:-2] + b"\n\n"
    upload = {"file": (io.BytesIO(changed), "deed.pdf")}
    reply = anybody.post("/verify", data=upload, headers=JSON, content_type="multipart/form-data")
    assert reply.json["verdict"] == "changed"
